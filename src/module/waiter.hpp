#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "compile/failure.hpp"
#include "compile/observer.hpp"
#include "compile/scheduler.hpp"
#include "module/nesting.hpp"

namespace lazyfx::detail {

/// Someone who waits for a generation. While it waits, its core holds it by `self`. Whoever ends its waiting, under the core's mutex, wakes it.
struct Waiter : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>, Stamped {
  virtual ~Waiter() = default;
  /// Look again (no failure), or give up. Called without locks held.
  virtual void wake(const compile::Failure& failure) noexcept = 0;

  std::uint64_t generation = 0;  ///< and the stamp: of the nest's clock when the call was made
  bool accepts_last_good = false;  ///< where the module keeps it
  bool helps = false;  ///< compiles on its own thread what nobody has begun
  compile::Priority priority = compile::Priority::awaited;
  compile::Failure outcome;  ///< what it is woken with; guarded by the core's mutex while it waits
  compile::Observer::Clock::time_point since;  ///< linked
  bool waits = false;  ///< guarded by the core's mutex
  bool carried = false;  ///< likewise: the compile under way serves it
  std::shared_ptr<Waiter> self;
};

/// Waiters taken off their core, to be woken without locks. Needs no memory.
class Woken {
 public:
  Woken() = default;
  Woken(const Woken&) = delete;
  Woken& operator=(const Woken&) = delete;
  void add(Waiter& waiter) noexcept { waiters_.push_back(waiter); }
  void wake() noexcept;

 private:
  boost::intrusive::list<Waiter> waiters_;
};

}  // namespace lazyfx::detail
