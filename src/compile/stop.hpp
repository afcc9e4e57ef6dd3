#pragma once

#include <atomic>

namespace lazyfx::compile {

/// Thrown out of a compile or run that was asked to stop at its next step. Not an error that anybody sees.
struct Stopped {};

/// Asks nothing by default. Any thread may request; the work looks between steps.
class StopToken {
 public:
  StopToken() = default;
  explicit StopToken(const std::atomic<bool>* flag) : flag_(flag) {}
  bool requested() const noexcept { return flag_ != nullptr && flag_->load(std::memory_order_relaxed); }
  void check() const {
    if (requested()) throw Stopped{};
  }

 private:
  const std::atomic<bool>* flag_ = nullptr;
};

}  // namespace lazyfx::compile
