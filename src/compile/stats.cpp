#include "compile/runtime_core.hpp"

namespace lazyfx::detail {

RuntimeStats RuntimeCore::stats() const {
  check_not_forked();
  RuntimeStats s;
  s.marks = counters_.marks.load();
  s.compiles_finished = counters_.finished.load();
  s.compiles_cancelled = counters_.cancelled.load();
  s.compiles_failed = counters_.failed.load();
  s.compiles_started = counters_.started.load();  // after their ends, which it is not to be behind
  s.compiles_dropped = counters_.dropped.load();
  s.flights_joined = counters_.joined.load();
  s.cache_hits = counters_.hits.load();
  s.known_failures = counters_.known_failures.load();
  s.compiles_deferred = counters_.deferred.load();
  s.overloaded = counters_.overloaded.load();
  s.relinks = counters_.relinks.load();
  s.nest_visits = nest_.visits.load();
  s.threads = scheduler_->threads();
  {
    const std::lock_guard lock(mutex_);
    s.cached = cache_.kept();
    s.cached_bytes = cache_.bytes();
  }
  s.cache_misses = s.compiles_started;  // every other admission found or joined one
  s.specializations = counters_.specializations.load();
  s.specializations_failed = counters_.specializations_failed.load();
  s.runs = counters_.runs.load();
  s.queued = scheduler_->queued();
  s.running = scheduler_->running();
  s.oldest_job = scheduler_->oldest_job();
  const auto kernels = kernels_->counts();
  s.kernels_made = kernels.made;
  s.kernels_shared = kernels.shared;
  s.constants_packed = kernels.packed;
  s.constants_shared = kernels.packed_shared;
  observer_.fill(s);
  return s;
}

}  // namespace lazyfx::detail

namespace lazyfx {

RuntimeStats Runtime::stats() const { return core_->stats(); }
std::vector<CompileProgress> Runtime::compiles() const {
  core_->check_not_forked();
  return core_->observer().compiles();
}
void Runtime::write_trace(std::ostream& out) const {
  core_->check_not_forked();
  core_->observer().write_trace(out);
}

}  // namespace lazyfx
