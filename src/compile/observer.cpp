#include "compile/observer.hpp"

#include <fstream>
#include <ostream>
#include <utility>

#include "compile/arena.hpp"
#include "compile/watch.hpp"

namespace lazyfx {

const char* to_string(CompileEventKind kind) noexcept {
  switch (kind) {
    case CompileEventKind::scheduled: return "scheduled";
    case CompileEventKind::started: return "started";
    case CompileEventKind::step: return "step";
    case CompileEventKind::finished: return "finished";
    case CompileEventKind::failed: return "failed";
    case CompileEventKind::superseded: return "superseded";
    case CompileEventKind::cancelled: return "cancelled";
    case CompileEventKind::published: return "published";
  }
  return "unknown";
}

}  // namespace lazyfx

namespace lazyfx::compile {

Observer::Observer(const RuntimeOptions& options) {
  if (options.trace() != 0) trace_.emplace(options.trace(), origin_);
  if (options.on_event()) events_ = std::make_unique<EventQueue>(options.on_event());
}

void Observer::tell(CompileEventKind kind, const std::string& module, std::uint64_t generation,
                    std::shared_ptr<const Error> error) noexcept {
  if (!events_) return;
  CompileEvent event;
  event.kind = kind;
  event.generation = generation;
  event.error = std::move(error);
  try {
    event.module = module;
  } catch (const std::bad_alloc&) {
    // An event without its name says more than none.
  }
  tell(std::move(event));
}

void Observer::tell(CompileEvent event) noexcept {
  if (!events_) return;
  event.at = Clock::now() - origin_;
  events_->post(std::move(event));
}

std::vector<CompileProgress> Observer::compiles() const {
  std::vector<CompileProgress> all;
  const std::lock_guard lock(mutex_);
  all.reserve(watches_.size());
  for (const Watched& watch : watches_) all.push_back(watch.progress());
  return all;
}

void Observer::write_trace(std::ostream& out) const {
  if (trace_)
    trace_->write(out);
  else
    Trace(0, origin_).write(out);
}

void Observer::fill(RuntimeStats& s) const {
  s.marks_coalesced = coalesced.load(std::memory_order_relaxed);
  s.compiles_superseded = superseded.load(std::memory_order_relaxed);
  s.waits = waits_.load(std::memory_order_relaxed);
  s.waiting = waiting_.load(std::memory_order_relaxed);
  if (events_) {
    s.events_lost = events_->lost();
    s.hook_failures = events_->failures();
  }
  s.executables = gauges_->executables.load(std::memory_order_relaxed);
  s.plans = gauges_->plans.load(std::memory_order_relaxed);
  s.executable_bytes = gauges_->table_bytes.load(std::memory_order_relaxed);
  s.graph_bytes = gauges_->graph_bytes.load(std::memory_order_relaxed);
  s.weight_bytes = gauges_->weight_bytes.load(std::memory_order_relaxed);
  s.arena_bytes = Arena::kept_bytes();
  s.queue_wait = queue_wait.read();
  s.compile_time = compile_time.read();
  s.specialize_time = specialize_time.read();
  s.run_time = run_time.read();
  s.wait_time = wait_time.read();
}

void Observer::stop() noexcept {
  if (events_) events_->stop();
}

PoolRun::PoolRun(Observer& observer, const std::string& module, std::uint64_t generation) noexcept
    : observer_(observer), generation_(generation) {
  try {
    if (observer_.trace() != nullptr) module_ = module;
  } catch (const std::bad_alloc&) {
    // The slice goes without a name.
  }
}

PoolRun::~PoolRun() {
  const auto end = Observer::Clock::now();
  observer_.run_time.add(end - begin_);
  Trace* const trace = observer_.trace();
  if (trace == nullptr) return;
  Trace::Slice slice;
  slice.category = "run";
  slice.name = "run";
  slice.module = module_;
  slice.generation = generation_;
  slice.begin = begin_;
  slice.end = end;
  trace->add(slice);
}

}  // namespace lazyfx::compile

namespace lazyfx {

void Runtime::write_trace(const std::filesystem::path& file) const {
  std::ofstream out(file, std::ios::binary);
  if (out) write_trace(out);
  out.close();
  if (!out) throw Error(ErrorKind::invalid_argument, file.string() + ": the trace cannot be written there");
}

}  // namespace lazyfx
