// Stability: stable.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "lazyfx/detail/after.hpp"

namespace lazyfx {

/// Where a call computes. `caller`: on the thread that begins the call, before forward() returns, when it need not wait for anything, has no
/// deadline, and every plan is there; else on the thread that it completes on. `automatic` does so when the run is estimated below the
/// runtime's inline budget and goes to the pool otherwise, so that a long run does not block an event loop.
enum class RunOn : std::uint8_t { automatic, caller, pool };

/// What a call accepts as an answer while the newest generation is not compiled.
class Freshness {
 public:
  enum class Kind : std::uint8_t { await_fresh, last_good, interpret_until_ready };

  /// The default: a generation at or after the one current at the call, whatever the wait.
  static constexpr Freshness await_fresh() noexcept { return Freshness(Kind::await_fresh, 0); }
  /// What is published, at once, if it is at most `max_lag` generations old; else as await_fresh. It answers too while the newest
  /// generation is known not to compile. A stale answer asks for the compile as prefetch() does.
  static constexpr Freshness last_good(std::uint64_t max_lag = std::numeric_limits<std::uint64_t>::max()) noexcept {
    return Freshness(Kind::last_good, max_lag);
  }
  /// As await_fresh, but never waits for a compile: until that or the plan for the call's signature is there, the newest generation is run
  /// operator by operator, slowly, and what is missing asked for as prefetch() does. Such a run is as urgent on the pool as a blocking call.
  static constexpr Freshness interpret_until_ready() noexcept { return Freshness(Kind::interpret_until_ready, 0); }

  constexpr Kind kind() const noexcept { return kind_; }
  constexpr std::uint64_t max_lag() const noexcept { return max_lag_; }

 private:
  constexpr Freshness(Kind kind, std::uint64_t max_lag) noexcept : max_lag_(max_lag), kind_(kind) {}
  std::uint64_t max_lag_;
  Kind kind_;
};

/// Options of one call. Chain the setters: `ForwardOptions().run_on(RunOn::pool).deadline(std::chrono::milliseconds(20))`.
class ForwardOptions {
 public:
  using Clock = std::chrono::steady_clock;

  ForwardOptions() noexcept {}
  ForwardOptions& run_on(RunOn where) noexcept {
    run_on_ = where;
    return *this;
  }
  ForwardOptions& freshness(Freshness what) noexcept {
    freshness_ = what;
    return *this;
  }
  /// A call that has not completed by then fails with boost::system::system_error(asio::error::timed_out); what others wait for goes on, and
  /// a run of its own stops at its next step. One that lies in the past fails so whatever is there. The timer is one of the handler's executor;
  /// a blocking call waits no longer than that, and so leaves compiling to the pool, where there is one.
  ForwardOptions& deadline(Clock::time_point when) noexcept {
    deadline_ = when;
    return *this;
  }
  ForwardOptions& deadline(Clock::duration from_now) { return deadline(detail::after(Clock::now(), from_now)); }

  RunOn run_on() const noexcept { return run_on_; }
  const Freshness& freshness() const noexcept { return freshness_; }
  const std::optional<Clock::time_point>& deadline() const noexcept { return deadline_; }

 private:
  RunOn run_on_ = RunOn::automatic;
  Freshness freshness_ = Freshness::await_fresh();
  std::optional<Clock::time_point> deadline_;
};

}  // namespace lazyfx
