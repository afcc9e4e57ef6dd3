// Stability: stable.
#pragma once

#include <chrono>
#include <optional>

#include "lazyfx/detail/after.hpp"

namespace lazyfx {

/// Options of one wait for a module. Chain the setters: `WaitOptions().deadline(std::chrono::seconds(5))`.
class WaitOptions {
 public:
  using Clock = std::chrono::steady_clock;

  WaitOptions() noexcept {}
  /// A wait that has not ended by then fails with boost::system::system_error(asio::error::timed_out); the compile goes on. The timer is one of
  /// the handler's executor.
  WaitOptions& deadline(Clock::time_point when) noexcept {
    deadline_ = when;
    return *this;
  }
  WaitOptions& deadline(Clock::duration from_now) { return deadline(detail::after(Clock::now(), from_now)); }

  const std::optional<Clock::time_point>& deadline() const noexcept { return deadline_; }

 private:
  std::optional<Clock::time_point> deadline_;
};

}  // namespace lazyfx
