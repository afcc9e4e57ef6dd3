#pragma once

#include <atomic>

namespace lazyfx::compile {

/// Thrown out of a compile or run that was asked to stop at its next step. Not an error that anybody sees.
struct Stopped {};

/// Who wants to do something between the steps of somebody else's work.
class BetweenSteps {
 public:
  virtual void between_steps() noexcept = 0;

 protected:
  ~BetweenSteps() = default;
};

/// Asks nothing by default. Any thread may request; the work looks between steps, and holds no lock then.
class StopToken {
 public:
  StopToken() = default;
  explicit StopToken(const std::atomic<bool>* flag, BetweenSteps* between = nullptr) : flag_(flag), between_(between) {}
  bool requested() const noexcept { return flag_ != nullptr && flag_->load(std::memory_order_relaxed); }
  void check() const {
    if (between_ != nullptr) between_->between_steps();
    if (requested()) throw Stopped{};
  }

 private:
  const std::atomic<bool>* flag_ = nullptr;
  BetweenSteps* between_ = nullptr;
};

}  // namespace lazyfx::compile
