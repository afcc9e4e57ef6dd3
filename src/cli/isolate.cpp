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

// Everything the child writes until it closes its end; false when `deadline` came first.
bool read_until(int fd, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    ::pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 60000)));
    if (ready <= 0) continue;
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return true;
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return "crashed with signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Isolated isolate(const std::function<std::string()>& work, std::chrono::seconds limit) {
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
    int status = EXIT_SUCCESS;
    try {
      write_all(ends[1], work());
    } catch (const std::exception& error) {
      write_all(ends[1], error.what());
      status = EXIT_FAILURE;
    }
    ::close(ends[1]);
    ::_exit(status);  // neither the parent's streams nor its destructors are the child's business
  }
  ::close(ends[1]);
  Isolated result;
  const bool in_time = read_until(ends[0], Clock::now() + limit, result.text);
  if (!in_time) ::kill(child, SIGKILL);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  result.finished = in_time && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
  if (!in_time)
    result.text = "did not end within " + std::to_string(limit.count()) + " s";
  else if (!WIFEXITED(status) || (!result.finished && result.text.empty()))
    result.text = describe(status);
  return result;
}

}  // namespace lazyfx::cli
