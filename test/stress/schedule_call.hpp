#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include "lazyfx/compile/simulation.hpp"

/// Calls of seeded schedules, and how far they have come.
namespace schedules {

/// What a call waits for, as far as the program that makes it can tell: `maybe`: for its compile, or for a thread of the pool after it.
enum class Waits : std::uint8_t { no, maybe, yes };

/// One call of a module, or one wait for it. It waits until it is answered, its handler posted; it is done when that has been called.
struct Call {
  boost::asio::cancellation_signal signal;
  std::size_t module = 0;  ///< number of the one that is called
  std::uint64_t oldest = 0;  ///< generation that will do
  std::optional<lazyfx::Simulation::Time> deadline;
  Waits waits = Waits::no;
  std::optional<std::uint64_t> lag;  ///< what is published will do, as old as that
  std::uint64_t ends_before = 0;     ///< compiles of its module that had ended when it was made
  bool at_once = false;              ///< nothing stands between it and its answer
  bool shows_published = false;      ///< its answer is made of what was published when it was answered
  bool cancelled = false;
  bool answered = false;
  bool done = false;

  bool is_waiting() const { return waits == Waits::yes && !answered; }
  bool may_be_waiting() const { return waits != Waits::no && !answered; }
};

/// A Simulation's executor, on which one call's handler completes: notes when it is posted.
class AnswersTo {
 public:
  AnswersTo(const lazyfx::Simulation& world, std::shared_ptr<Call> call)
      : inner_(std::make_shared<const boost::asio::any_io_executor>(
            boost::asio::require(world.executor(), boost::asio::execution::blocking.never))),
        call_(std::move(call)) {}

  template <class Function>
  void execute(Function&& function) const {
    call_->answered = true;
    inner_->execute(std::forward<Function>(function));
  }
  boost::asio::execution_context& query(boost::asio::execution::context_t property) const { return boost::asio::query(*inner_, property); }
  static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  AnswersTo require(boost::asio::execution::blocking_t::never_t) const noexcept { return *this; }
  friend bool operator==(const AnswersTo& a, const AnswersTo& b) noexcept { return a.call_ == b.call_; }
  friend bool operator!=(const AnswersTo& a, const AnswersTo& b) noexcept { return !(a == b); }

 private:
  std::shared_ptr<const boost::asio::any_io_executor> inner_;
  std::shared_ptr<Call> call_;
};

}  // namespace schedules
