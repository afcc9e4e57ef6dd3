// Stability: stable.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "lazyfx/compile/event.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

namespace detail {
struct Environment;
}

/// How a Runtime is set up. Chain the setters: `RuntimeOptions().threads(4)`.
class RuntimeOptions {
 public:
  RuntimeOptions() : operators_(OperatorRegistry::standard()) {}

  /// Pool threads for compiles and long runs. Default 0: as many as the CPU quota gives. More threads compile more modules at once
  /// and take more from the caller's own threads. They start when first needed and end after idle_timeout() without work.
  RuntimeOptions& threads(std::size_t n) {
    threads_ = n;
    return *this;
  }
  /// How far the pool's threads stand back behind all others, from 0 (not at all) to 19: a step weighs about a fifth less processor time where
  /// others want it too. The more, the less an event loop feels of compiles and runs, and the longer these take on a machine that is busy.
  /// Default 5. Threads of an executor() are left as they are.
  RuntimeOptions& niceness(int n) {
    niceness_ = n;
    return *this;
  }
  /// The pool's threads run when a processor has nothing else to do (sched(7), SCHED_IDLE), whatever their niceness: an event loop that wakes
  /// up takes its processor back at once. Where others want all processors without pause, what is awaited makes next to no progress, so this
  /// is for machines that have time left. Default off.
  RuntimeOptions& only_when_idle(bool on = true) {
    only_when_idle_ = on;
    return *this;
  }
  /// Default 10 s.
  RuntimeOptions& idle_timeout(std::chrono::nanoseconds t) {
    idle_timeout_ = t;
    return *this;
  }
  /// Works on this executor instead of threads of its own, at most threads() jobs at once, one posted function each. Its context must outlive
  /// the runtime, and run on more threads than those that block in call(), stop() or a destructor of the runtime.
  RuntimeOptions& executor(boost::asio::any_io_executor executor) {
    executor_ = std::move(executor);
    return *this;
  }
  /// A queued job becomes one priority more urgent whenever it has waited so long, up to what is awaited, so that nothing starves;
  /// and a running compile by the time that it gives to others. Default 1 s; 0: never.
  RuntimeOptions& ageing(std::chrono::nanoseconds t) {
    ageing_ = t;
    return *this;
  }
  /// Compiles that may wait in the queue, and runs. Default 65536 each. When it is full, a mark schedules nothing (its module compiles when it is
  /// called or prefetched), and what somebody awaits takes the place of the newest compile that nobody awaits; where there is none, the
  /// call fails with Error(overloaded).
  RuntimeOptions& max_queued(std::size_t n) {
    max_queued_ = n;
    return *this;
  }
  /// Calls that the pool computes at once. Default 0: threads(). Fewer leave threads to the compiles.
  RuntimeOptions& max_runs(std::size_t n) {
    max_runs_ = n;
    return *this;
  }
  /// Scratch memory that calls on the pool may use at once; the next waits in the queue until there is room, and one that needs more runs
  /// alone. Default 0: no bound. Calls that compute on their caller's thread are not counted: they are the caller's to bound.
  RuntimeOptions& run_bytes(std::size_t n) {
    run_bytes_ = n;
    return *this;
  }
  /// Memory that compiles on the pool may need at once, as guessed from their graphs' tensors and nodes; the next waits in the queue until there is
  /// room. A compile that needs more runs alone, once somebody awaits or prefetches it: a mark schedules none. Default 0: no bound. Blocking calls that compile
  /// on their own thread are not counted.
  RuntimeOptions& compile_bytes(std::size_t n) {
    compile_bytes_ = n;
    return *this;
  }
  /// Executables that no module and no run uses any more, and graphs known not to compile, are kept up to so many bytes and found again by
  /// equal content; what was in use, or asked for, longest ago goes first. Graphs, weights and plans count, each executable as if it shared
  /// them with no other; what is larger than all of it is not kept. Default 64 MiB.
  RuntimeOptions& cache_bytes(std::size_t n) {
    cache_bytes_ = n;
    return *this;
  }
  /// The operators that graphs may use. Default: all that ship.
  RuntimeOptions& operators(OperatorRegistry registry) {
    operators_ = std::move(registry);
    return *this;
  }
  /// Runs estimated longer than this leave the caller's thread under RunOn::automatic. Default 100 microseconds.
  RuntimeOptions& inline_budget_ns(double ns) {
    inline_budget_ns_ = ns;
    return *this;
  }
  /// Input signatures kept specialised per executable. Default 32. The oldest makes room.
  RuntimeOptions& max_signatures(std::size_t n) {
    max_signatures_ = n;
    return *this;
  }
  /// Slices of the trace that are kept, the newest, 256 bytes each. Default 0: none is made, and write_trace() writes an empty trace.
  RuntimeOptions& trace(std::size_t slices) {
    trace_ = slices;
    return *this;
  }
  /// Who hears of every compile. Default: nobody, which costs nothing.
  RuntimeOptions& on_event(CompileHook hook) {
    on_event_ = std::move(hook);
    return *this;
  }

  std::size_t threads() const noexcept { return threads_; }
  int niceness() const noexcept { return niceness_; }
  bool only_when_idle() const noexcept { return only_when_idle_; }
  std::chrono::nanoseconds idle_timeout() const noexcept { return idle_timeout_; }
  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  std::chrono::nanoseconds ageing() const noexcept { return ageing_; }
  std::size_t max_queued() const noexcept { return max_queued_; }
  std::size_t max_runs() const noexcept { return max_runs_; }
  std::size_t run_bytes() const noexcept { return run_bytes_; }
  std::size_t compile_bytes() const noexcept { return compile_bytes_; }
  std::size_t cache_bytes() const noexcept { return cache_bytes_; }
  const OperatorRegistry& operators() const noexcept { return operators_; }
  double inline_budget_ns() const noexcept { return inline_budget_ns_; }
  std::size_t max_signatures() const noexcept { return max_signatures_; }
  std::size_t trace() const noexcept { return trace_; }
  const CompileHook& on_event() const noexcept { return on_event_; }
  const std::shared_ptr<const detail::Environment>& environment() const noexcept { return environment_; }

 private:
  friend class Simulation;
  std::size_t threads_ = 0;
  int niceness_ = 5;
  bool only_when_idle_ = false;
  std::chrono::nanoseconds idle_timeout_ = std::chrono::seconds(10);
  boost::asio::any_io_executor executor_;
  std::chrono::nanoseconds ageing_ = std::chrono::seconds(1);
  std::size_t max_queued_ = 65536;
  std::size_t max_runs_ = 0;
  std::size_t run_bytes_ = 0;
  std::size_t compile_bytes_ = 0;
  std::size_t cache_bytes_ = std::size_t{64} << 20;
  std::shared_ptr<const detail::Environment> environment_;
  OperatorRegistry operators_;
  double inline_budget_ns_ = 100e3;
  std::size_t max_signatures_ = 32;
  std::size_t trace_ = 0;
  CompileHook on_event_;
};

}  // namespace lazyfx
