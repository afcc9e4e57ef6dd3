#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "compile/plan.hpp"
#include "compile/stop.hpp"

namespace lazyfx::compile {

/// A graph that an operator runs, bound with the program that applies it and specialised per signature as programs are. Plans are made on the
/// thread that first runs a signature, inside of the run. Any thread may run it at any time.
class Nested {
 public:
  explicit Nested(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  const Program& program() const noexcept { return *program_; }

  /// Throws what making and running a plan throw: CompileError, Error, Stopped.
  Value run(std::span<const Value> given, const StopToken& stop) const;

 private:
  static constexpr std::size_t most_plans = 8;
  std::shared_ptr<const Plan> plan_for(std::span<const Value> inputs, const StopToken& stop) const;

  std::shared_ptr<const Program> program_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Plan>> plans_;  // newest last; protected by mutex_
};

}  // namespace lazyfx::compile
