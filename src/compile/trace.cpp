#include "compile/trace.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

namespace lazyfx::compile {
namespace {

template <std::size_t N>
void copy(char (&to)[N], std::string_view from) noexcept {
  to[from.copy(to, N - 1)] = '\0';
}

double microseconds(std::int64_t ns) { return static_cast<double>(ns) / 1000; }

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
  const int process = ::getpid();
  std::map<std::int32_t, std::string> threads;
  bool first = true;
  const auto put = [&](const nlohmann::ordered_json& event) {
    out << (first ? "\n" : ",\n") << event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    first = false;
  };
  out << "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"slices_lost\":" << lost << "},\"traceEvents\":[";
  for (const Record& r : records) {
    threads[r.thread] = r.thread_name;
    nlohmann::ordered_json args = nlohmann::ordered_json::object();
    if (r.module[0] != '\0') args["module"] = r.module;
    if (r.generation != 0) args["generation"] = r.generation;
    if (r.node[0] != '\0') args["node"] = r.node;
    if (r.outcome != nullptr) args["outcome"] = r.outcome;
    put({{"ph", "X"},
         {"cat", r.category},
         {"name", r.name},
         {"pid", process},
         {"tid", r.thread},
         {"ts", microseconds(r.begin_ns)},
         {"dur", microseconds(r.duration_ns)},
         {"args", std::move(args)}});
  }
  for (const auto& [thread, name] : threads) {
    put({{"ph", "M"}, {"name", "thread_name"}, {"pid", process}, {"tid", thread}, {"args", {{"name", name}}}});
  }
  out << "\n]}\n";
}

}  // namespace lazyfx::compile
