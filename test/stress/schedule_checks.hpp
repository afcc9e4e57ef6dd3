#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/compile/stats.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "stress/schedule_call.hpp"

/// What must hold after every step of a seeded schedule.
namespace schedules {

inline void must(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// Who is in flight, by the program's own account.
struct Account {
  std::size_t waiting = 0;        ///< surely
  std::size_t maybe_waiting = 0;  ///< and of these it is not known whether the pool computes them already
  std::size_t compiling = 0;
};

/// A runtime's figures, against each other, against the account, and against those of the step before.
class FigureChecks {
 public:
  FigureChecks() = default;
  FigureChecks(std::size_t threads, std::size_t cache_bytes) : threads_(threads), cache_bytes_(cache_bytes) {}

  void look(const lazyfx::RuntimeStats& now, const Account& account) {
    must(account.waiting <= now.waiting, "a call waits and is not counted");
    must(now.waiting <= account.waiting + account.maybe_waiting, "nobody waits and is counted");
    must(now.waits == now.wait_time.count() + now.waiting, "a wait has ended nowhere or twice");
    must(now.running <= threads_, "more runs at once than there are threads");
    must(account.compiling <= now.running, "a compile is under way that occupies no thread");
    must(now.cached_bytes <= cache_bytes_, "the cache keeps more than it may");
    const std::uint64_t ended = now.compiles_finished + now.compiles_failed + now.compiles_cancelled;
    must(now.compiles_started >= ended, "a compile has ended twice");
    must(now.compiles_started <= ended + account.compiling, "a compile has ended nowhere");
    for (const auto counter : counters) must(before_.*counter <= now.*counter, "a counter went backward");
    before_ = now;
  }

 private:
  using Stats = lazyfx::RuntimeStats;
  static constexpr std::uint64_t Stats::* counters[] = {
      &Stats::marks,
      &Stats::marks_coalesced,
      &Stats::compiles_started,
      &Stats::compiles_finished,
      &Stats::compiles_superseded,
      &Stats::compiles_cancelled,
      &Stats::compiles_failed,
      &Stats::compiles_dropped,
      &Stats::flights_joined,
      &Stats::cache_hits,
      &Stats::cache_misses,
      &Stats::known_failures,
      &Stats::compiles_deferred,
      &Stats::overloaded,
      &Stats::specializations,
      &Stats::specializations_failed,
      &Stats::kernels_made,
      &Stats::kernels_shared,
      &Stats::constants_packed,
      &Stats::constants_shared,
      &Stats::runs,
      &Stats::waits,
      &Stats::relinks,
      &Stats::nest_visits,
      &Stats::events_lost,
      &Stats::hook_failures,
  };

  std::size_t threads_ = 0, cache_bytes_ = 0;
  Stats before_;
};

/// What a module has shown of its generations, compiles and publications.
class ModuleChecks {
 public:
  /// Its next generation answers so. Those of one module never sink.
  void mark(std::uint64_t answer) { answers_.push_back(answer); }
  std::uint64_t generation() const { return answers_.size() - 1; }
  std::uint64_t newest_answer() const { return answers_.back(); }
  std::uint64_t published() const { return published_; }  ///< the newest generation that has been seen so
  std::uint64_t ends() const { return ends_; }            ///< of compiles

  void see_compiling(std::size_t now) {
    must(now <= 1, "two compiles of one module run at once");
    if (now < compiling_) ++ends_;
    compiling_ = now;
  }
  void see_state(std::uint64_t generation, bool needs_recompile, lazyfx::ModuleState state) {
    see_generation(generation, needs_recompile);
    agree(needs_recompile, state);
    must(!needs_recompile || published_ < generation, "what was published is so no more");
  }
  void see_generation(std::uint64_t generation, bool needs_recompile) {
    must(generation == this->generation(), "a generation is not that of the last mark");
    if (!needs_recompile) see_published(generation);
  }
  static void agree(bool needs_recompile, lazyfx::ModuleState state) {
    must((state == lazyfx::ModuleState::clean) == !needs_recompile, "a module is clean and says it is not, or the other way round");
  }
  void see_published(std::uint64_t generation) { published_ = std::max(published_, generation); }

  /// What is published now answers so.
  void see_publication(std::uint64_t answer) {
    const auto [oldest, newest] = generations_of(answer);
    must(newest >= published_, "a publication was followed by an older one");
    see_published(oldest);
  }
  /// Of calls whose answers show what is published, these are in the order in which they were given.
  void see_answer(const Call& call, std::uint64_t answer) {
    const auto [oldest, newest] = generations_of(answer);
    must(newest >= call.oldest, "an answer belongs to a generation before its call");
    if (!call.shows_published) return;
    must(answer >= last_answer_, "an answer of what is published is older than the one before");
    last_answer_ = answer;
    see_published(oldest);
  }
  /// The rest of one compile plus one more: whoever still waits has seen one of both end at most.
  void see_waiting(const Call& call) const {
    must(call.oldest > published_, "a call waits for what is published");
    must(ends_ <= call.ends_before + 1, "a call waits for more than the rest of one compile and one more");
  }
  /// The first and the last that answer so.
  std::pair<std::uint64_t, std::uint64_t> generations_of(std::uint64_t answer) const {
    const auto [begin, end] = std::ranges::equal_range(answers_, answer);
    must(begin != end && answer != 0, "an answer belongs to no generation");
    return {static_cast<std::uint64_t>(begin - answers_.begin()), static_cast<std::uint64_t>(end - answers_.begin() - 1)};
  }

 private:
  std::vector<std::uint64_t> answers_ = {0};  ///< by generation, and there is none before the first
  std::uint64_t ends_ = 0, published_ = 0, last_answer_ = 0;
  std::size_t compiling_ = 0;
};

/// Which errors a call may end with, besides those that it asked for.
struct Expected {
  bool failures = false, overload = false, stop = false;

  void look(const Call& call, lazyfx::Simulation::Time now, const std::exception_ptr& error) const {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      if (e.code() == boost::asio::error::timed_out)
        must(call.deadline && now >= *call.deadline, "a call timed out before its deadline");
      else
        must(call.cancelled && e.code() == boost::asio::error::operation_aborted, "a call was aborted that nobody cancelled");
    } catch (const lazyfx::Error& e) {
      using lazyfx::ErrorKind;
      must((failures && e.kind() == ErrorKind::backend) || (overload && e.kind() == ErrorKind::overloaded) ||
               (stop && e.kind() == ErrorKind::stopped),
           e.what());
    }
  }
};

}  // namespace schedules
