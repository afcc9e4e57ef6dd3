#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "compile/plan.hpp"
#include "compile/stop.hpp"
#include "fork.hpp"

namespace lazyfx::compile {

/// A graph that an operator runs, or an island, bound with the program that applies it and specialised per signature as programs are. Plans are
/// made on the thread that first runs a signature, inside of the run. Any thread may run it at any time.
///
/// Where every run brings another signature, making plans would cost more than it gains. So a few are made at once; then a signature runs
/// operator by operator when it comes first, and has its plan made when it comes again, or at once if such runs take longer than making one.
/// An island of one or two steps on next to no elements never has a plan: between calls of many modules there may be thousands of those.
class Nested {
 public:
  explicit Nested(std::shared_ptr<const Program> program);

  const Program& program() const noexcept { return *program_; }

  /// Throws what making and running a plan throw: CompileError, Error, Stopped.
  Value run(std::span<const Value> given, const StopToken& stop) const;
  /// Operator by operator.
  Value run_plainly(std::span<const Value> inputs, const StopToken& stop) const;
  /// What its plans hold now, about, islands within them included.
  std::size_t plan_bytes() const noexcept;
  /// The same and that of the graphs that its operators run.
  std::size_t bytes() const noexcept;
  /// Makes the plan for a signature ahead of its first run.
  std::shared_ptr<const Plan> prepare(const Signature& signature, const StopToken& stop) const { return make(signature, stop); }

 private:
  static constexpr std::size_t most_plans = 8, most_refused = 32;
  std::shared_ptr<const Plan> plan_for(std::span<const Value> inputs, const StopToken& stop) const;
  std::shared_ptr<const Plan> make(Signature signature, const StopToken& stop) const;
  bool is_tiny(std::span<const Value> inputs) const noexcept;
  bool is_worth_a_plan(const Signature& signature) const;
  std::shared_ptr<const Plan> plain() const;

  std::shared_ptr<const Program> program_;
  bool is_small_island_;
  mutable std::atomic<std::int64_t> making_ns_{0}, plain_ns_{0};  ///< what the last of each took
  const detail::Origin origin_;
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  mutable std::vector<std::shared_ptr<const Plan>> plans_;  // newest last
  mutable std::deque<Signature> refused_;  // those that came once, newest last
  mutable std::shared_ptr<const Plan> plain_;  // for any signature; made when it is first needed
};

}  // namespace lazyfx::compile
