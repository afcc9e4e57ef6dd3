#include "cli/isolate.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <system_error>
#include <vector>

namespace lazyfx::cli {
namespace {
using Clock = std::chrono::steady_clock;

void write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return;  // the parent has gone; nobody is left to be told
    done += static_cast<std::size_t>(wrote);
  }
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return "crashed with signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

/// A piece of work under way: its process, and the end of the pipe through which it answers.
struct Child {
  std::size_t index;
  ::pid_t process;
  int answer;
  Clock::time_point deadline;
  std::string text;
};

Child start(std::size_t index, const std::function<std::string(std::size_t)>& work, std::chrono::seconds limit,
            const std::vector<Child>& siblings) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "no pipe could be made");
  std::cout.flush();
  std::cerr.flush();
  const auto child = ::fork();
  if (child < 0) {
    const int code = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    throw std::system_error(code, std::generic_category(), "no process could be made");
  }
  if (child == 0) {
    ::close(ends[0]);
    for (const Child& sibling : siblings) ::close(sibling.answer);
    int status = EXIT_SUCCESS;
    try {
      write_all(ends[1], work(index));
    } catch (const std::exception& error) {
      write_all(ends[1], error.what());
      status = EXIT_FAILURE;
    }
    ::close(ends[1]);
    ::_exit(status);  // neither the parent's streams nor its destructors are the child's business
  }
  ::close(ends[1]);
  return {index, child, ends[0], Clock::now() + limit, {}};
}

/// Reads what there is to read without waiting; false at the end.
bool read_some(Child& child) {
  std::array<char, 4096> buffer{};
  const auto got = ::read(child.answer, buffer.data(), buffer.size());
  if (got > 0) child.text.append(buffer.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && errno == EINTR);
}

Isolated finish(Child& child, bool in_time, std::chrono::seconds limit) {
  if (!in_time) ::kill(child.process, SIGKILL);
  ::close(child.answer);
  int status = 0;
  while (::waitpid(child.process, &status, 0) < 0 && errno == EINTR) {}
  Isolated result;
  result.finished = in_time && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
  result.text = std::move(child.text);
  if (!in_time)
    result.text = "did not end within " + std::to_string(limit.count()) + " s";
  else if (!WIFEXITED(status) || (!result.finished && result.text.empty()))
    result.text = describe(status);
  return result;
}

/// Waits until one of the children has something to say or runs out of time.
void wait_for_any(const std::vector<Child>& children, std::vector<::pollfd>& polled) {
  polled.clear();
  auto soonest = children.front().deadline;
  for (const Child& child : children) {
    polled.push_back({child.answer, POLLIN, 0});
    soonest = std::min(soonest, child.deadline);
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(soonest - Clock::now()).count() + 1;
  ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<long long>(left, 0, 60000)));
}

}  // namespace

void isolate_each(std::size_t count, std::size_t jobs, const std::function<std::string(std::size_t)>& work, std::chrono::seconds limit,
                  const std::function<void(std::size_t, Isolated)>& done) {
  std::vector<Child> children;
  std::vector<::pollfd> polled;
  for (std::size_t next = 0; next < count || !children.empty();) {
    while (next < count && children.size() < std::max<std::size_t>(jobs, 1)) children.push_back(start(next++, work, limit, children));
    wait_for_any(children, polled);
    for (std::size_t i = children.size(); i-- > 0;) {
      const bool ended = polled[i].revents != 0 && !read_some(children[i]);
      const bool late = !ended && Clock::now() >= children[i].deadline;
      if (!ended && !late) continue;
      Child child = std::move(children[i]);
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
      done(child.index, finish(child, ended, limit));
    }
  }
}

Isolated isolate(const std::function<std::string()>& work, std::chrono::seconds limit) {
  Isolated result;
  isolate_each(1, 1, [&](std::size_t) { return work(); }, limit, [&](std::size_t, Isolated ended) { result = std::move(ended); });
  return result;
}

}  // namespace lazyfx::cli
