#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "compile/flight.hpp"
#include "compile/scheduler.hpp"

namespace lazyfx::detail {

class RuntimeCore;

/// A compile that somebody else than the pool's thread carries to its end. Whoever has it calls one of compile() and fail(), once.
class CompileTask {
 public:
  CompileTask(std::shared_ptr<RuntimeCore> core, std::shared_ptr<compile::Flight> flight, std::vector<compile::Signature> ahead,
              std::shared_ptr<void> running)
      : core_(std::move(core)), flight_(std::move(flight)), ahead_(std::move(ahead)), running_(std::move(running)) {}

  const compile::Flight& flight() const noexcept { return *flight_; }
  /// Compiles now, on this thread.
  void compile();
  void fail(const compile::Failure& failure);

 private:
  std::shared_ptr<RuntimeCore> core_;
  std::shared_ptr<compile::Flight> flight_;
  std::vector<compile::Signature> ahead_;
  std::shared_ptr<void> running_;
};

/// Where a runtime's work is done, when not on a pool of its own.
struct Environment {
  compile::Workplace workplace;
  /// Takes a compile over, or throws and has not. Empty: it is done at once, where it is begun.
  std::function<void(std::shared_ptr<CompileTask>)> compile;
  /// Calls a function at a time of the workplace's clock, unless its owner is gone by then. Empty: an operation's deadline is a timer of its
  /// handler's executor.
  std::function<void(compile::Workplace::Time, std::weak_ptr<void> owner, std::function<void()>)> at_deadline;
  /// The runtime stops: tasks that were taken over end before this returns.
  std::function<void()> stop;
};

}  // namespace lazyfx::detail
