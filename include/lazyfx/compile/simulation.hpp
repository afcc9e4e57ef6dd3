// Stability: experimental.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/export.hpp"

namespace lazyfx {

/// How the compiles of a Simulation go. Chain the setters.
class SimulationOptions {
 public:
  SimulationOptions() {}
  /// Pool threads that the simulated runtime believes to have. Default 2.
  SimulationOptions& threads(std::size_t n) {
    threads_ = n;
    return *this;
  }
  /// Compiles take from nothing to so long, in up to `most_steps` steps; both are drawn anew for each. Default 1 ms, 4.
  SimulationOptions& compile_time(std::chrono::nanoseconds longest, std::size_t most_steps) {
    longest_ = longest;
    most_steps_ = most_steps;
    return *this;
  }
  /// The share of compiles that fail with Error(backend). Default 0.
  SimulationOptions& failures(double share) {
    failures_ = share;
    return *this;
  }

  std::size_t threads() const noexcept { return threads_; }
  std::chrono::nanoseconds longest() const noexcept { return longest_; }
  std::size_t most_steps() const noexcept { return most_steps_; }
  double failures() const noexcept { return failures_; }

 private:
  std::size_t threads_ = 2;
  std::chrono::nanoseconds longest_ = std::chrono::milliseconds(1);
  std::size_t most_steps_ = 4;
  double failures_ = 0;
};

/// A world of one thread and its own clock, for tests of code that uses lazy modules: the pool's work, the compiles' length and outcome and the
/// order in which everything happens are drawn from a seed, so that a seed that shows a fault shows it again. After FoundationDB's simulation.
///
/// Make a Runtime with options(), let handlers complete on executor(), and call step() or run(). Nothing happens in between: no function of
/// the library makes progress by itself, so those that block on a dirty module (call(), real_recompile()) throw Error(would_deadlock). Deadlines
/// of calls and waits are of its clock: `options.deadline(world.now() + std::chrono::milliseconds(20))`. One that is given as a duration counts from
/// the real clock's now, long after all that this clock comes to: it passes once nothing else is left to happen. One thread. It must outlive the
/// runtimes made with its options.
class LAZYFX_API Simulation {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Simulation(std::uint64_t seed, SimulationOptions options = {});
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Options of a runtime that lives in this world. Set others as you like.
  RuntimeOptions options() const;
  /// Where handlers complete.
  boost::asio::any_io_executor executor() const;

  /// Does one of the things that could happen next, or lets time pass until something can; false if nothing ever will.
  bool step();
  /// Until nothing is left to happen, or so many steps; how many there were.
  std::size_t run(std::size_t most = SIZE_MAX);
  /// Calls `function` in a later step, as soon as its turn is drawn.
  void post(std::function<void()> function);

  Time now() const noexcept;
  /// Uniform in [0, below). REQUIRES: below > 0.
  std::uint64_t random(std::uint64_t below);
  /// Compiles that have begun and not ended.
  std::size_t compiling() const noexcept;
  /// As above, of the module class `name`.
  std::size_t compiling(const std::string& name) const;

 private:
  struct World;
  std::shared_ptr<World> world_;
};

}  // namespace lazyfx
