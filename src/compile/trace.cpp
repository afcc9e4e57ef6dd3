#include "compile/trace.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>

namespace lazyfx::compile {
namespace {

template <std::size_t N>
void copy(char (&to)[N], std::string_view from) noexcept {
  to[from.copy(to, N - 1)] = '\0';
}

// Text by text: a whole event as a json value would allocate where it is destroyed.
struct Text {
  std::string_view text;
  friend std::ostream& operator<<(std::ostream& out, const Text& t) {
    return out << nlohmann::json(t.text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
};

struct Microseconds {
  std::int64_t ns;
  friend std::ostream& operator<<(std::ostream& out, Microseconds t) {
    const std::string beyond = std::to_string(std::abs(t.ns % 1000));
    return out << (t.ns < 0 ? "-" : "") << std::to_string(std::abs(t.ns / 1000)) << '.' << std::string(3 - beyond.size(), '0') << beyond;
  }
};

}  // namespace

void Trace::add(const Slice& slice) noexcept {
  Record record{};
  record.begin_ns = std::chrono::nanoseconds(slice.begin - origin_).count();
  record.duration_ns = std::chrono::nanoseconds(slice.end - slice.begin).count();
  record.generation = slice.generation;
  record.category = slice.category;
  record.outcome = slice.outcome;
  record.thread = static_cast<std::int32_t>(syscall(SYS_gettid));
  static_cast<void>(pthread_getname_np(pthread_self(), record.thread_name, sizeof record.thread_name));
  copy(record.name, slice.name);
  copy(record.module, slice.module);
  copy(record.node, slice.node);
  const std::lock_guard lock(mutex_);
  if (ring_.size() < capacity_) {
    try {
      ring_.push_back(record);
      return;
    } catch (const std::bad_alloc&) {
      if (ring_.empty()) {
        ++lost_;
        return;
      }
    }
  }
  ++lost_;
  ring_[next_] = record;
  next_ = (next_ + 1) % ring_.size();
}

void Trace::write(std::ostream& out) const {
  std::vector<Record> records;
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    records = ring_;
    lost = lost_;
  }
  const std::string process = std::to_string(::getpid());
  std::map<std::int32_t, std::string> threads;
  const char* before = "\n";
  const auto begin = [&](const char* kind) -> std::ostream& {
    out << before << "{\"ph\":\"" << kind << '"';
    before = ",\n";
    return out;
  };
  out << "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"slices_lost\":" << std::to_string(lost) << "},\"traceEvents\":[";
  for (const Record& r : records) {
    threads[r.thread] = r.thread_name;
    begin("X") << ",\"cat\":" << Text{r.category} << ",\"name\":" << Text{r.name} << ",\"pid\":" << process
               << ",\"tid\":" << std::to_string(r.thread) << ",\"ts\":" << Microseconds{r.begin_ns}
               << ",\"dur\":" << Microseconds{r.duration_ns} << ",\"args\":{";
    const char* comma = "";
    const auto argument = [&](const char* name) -> std::ostream& { return out << std::exchange(comma, ",") << '"' << name << "\":"; };
    if (r.module[0] != '\0') argument("module") << Text{r.module};
    if (r.generation != 0) argument("generation") << std::to_string(r.generation);
    if (r.node[0] != '\0') argument("node") << Text{r.node};
    if (r.outcome != nullptr) argument("outcome") << Text{r.outcome};
    out << "}}";
  }
  for (const auto& [thread, name] : threads) {
    begin("M") << ",\"name\":\"thread_name\",\"pid\":" << process << ",\"tid\":" << std::to_string(thread)
               << ",\"args\":{\"name\":" << Text{name} << "}}";
  }
  out << "\n]}\n";
}

}  // namespace lazyfx::compile
