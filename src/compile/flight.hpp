#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "compile/executable.hpp"
#include "compile/failure.hpp"
#include "compile/source.hpp"

namespace lazyfx::compile {

struct Flight;
class Subscriber;

/// How a compile ended: an executable, a failure, or neither (it was stopped, since nobody could use it).
struct CompileOutcome {
  std::shared_ptr<Executable> executable;
  Failure failure;
  const Subscriber* watched = nullptr;  ///< whose events tell of it already
};

/// A module that wants one generation compiled.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  /// Called once per joined flight, without locks held, on the thread that compiled.
  virtual void on_compiled(std::uint64_t generation, const CompileOutcome& outcome) noexcept = 0;
  /// Called last, to who leads, when all seated have been told.
  virtual void on_landed(const Flight& flight) noexcept = 0;
};

/// One compile in progress for one content, with every module that wants it. Its seats are protected by the runtime's mutex.
struct Flight {
  std::uint64_t key = 0;
  Source source;
  std::uint64_t generation = 0;   ///< of the module that leads
  std::atomic<bool> stop{false};  ///< nobody wants it any more: looked at between steps
  std::atomic<Priority> priority{Priority::background};  ///< of the most urgent who wants it
  struct Seat {
    std::shared_ptr<Subscriber> subscriber;
    std::uint64_t generation = 0;
    Source source;  ///< what the subscriber marked: equal content, but names of its own
    Priority priority = Priority::background;  ///< at which the subscriber wants it
  };
  using Seats = std::list<Seat>;
  std::shared_ptr<Subscriber> leader;  ///< until it lands
  const Subscriber* led_by = nullptr;  ///< it, for good

  const Seats& seats() const noexcept { return seats_; }  ///< in order of arrival
  void sit(std::shared_ptr<Subscriber> subscriber, std::uint64_t at_generation, const Source& marked, Priority wanted) {
    const Subscriber* const who = subscriber.get();
    seats_.push_back({std::move(subscriber), at_generation, marked, wanted});
    try {
      seat_of_.emplace(who, std::prev(seats_.end()));
    } catch (...) {
      seats_.pop_back();
      throw;
    }
    count(wanted, 1);
  }
  /// Who leads wants it to land, even without a seat. Nothing where others have none.
  void want(const Subscriber* subscriber, Priority wanted) noexcept {
    const auto at = seat_of_.find(subscriber);
    if (at == seat_of_.end() && subscriber != led_by) return;
    count(wanted, 1);
    if (at != seat_of_.end()) {
      count(std::exchange(at->second->priority, wanted), -1);
    } else if (const auto before = std::exchange(landing_wanted_, wanted)) {
      count(*before, -1);
    }
  }
  /// False: it has no seat, or all have been told already. Else `left` is what it sat on.
  bool stand_up(const Subscriber* subscriber, Seat& left) noexcept {
    const auto at = seat_of_.find(subscriber);
    if (at == seat_of_.end()) return false;
    count(at->second->priority, -1);
    left = std::move(*at->second);
    seats_.erase(at->second);
    seat_of_.erase(at);
    return true;
  }
  Seats take_seats() noexcept {
    seat_of_.clear();
    return std::exchange(seats_, {});
  }

 private:
  void count(Priority wanted, int change) noexcept {
    wanted_at_[static_cast<std::size_t>(wanted)] += static_cast<std::size_t>(change);
    std::size_t most = priorities - 1;
    while (most > 0 && wanted_at_[most] == 0) --most;
    priority.store(static_cast<Priority>(most), std::memory_order_relaxed);
  }

  std::array<std::size_t, priorities> wanted_at_{};
  std::optional<Priority> landing_wanted_;  ///< by who leads and has stood up
  Seats seats_;
  std::unordered_multimap<const Subscriber*, Seats::iterator> seat_of_;  ///< only looked up: its order is nobody's
};

}  // namespace lazyfx::compile
