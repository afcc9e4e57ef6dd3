#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "stress/schedule_call.hpp"
#include "stress/schedule_checks.hpp"

/// What must hold of modules that call each other. Every module adds a number of its own, drawn anew when it is edited, to an element of its own:
/// an answer tells of each module below which generations it may be of, and by that which others it called.
namespace schedules {

constexpr std::size_t most_modules = 10;

template <class T>
using PerModule = std::array<T, most_modules>;

/// What each module is like in one answer: the first and the last generation that fit. None: it is not called.
using Moment = PerModule<std::optional<std::pair<std::uint64_t, std::uint64_t>>>;

struct NestedCall : Call {
  PerModule<std::uint64_t> oldest_of{};  ///< generations that will do, of whatever is called
  PerModule<std::uint64_t> ends_before_of{};  ///< compiles that had ended when it was made
  bool is_older_than_links = false;  ///< modules have been put below others since
};

class NestChecks {
 public:
  struct Wiring {
    std::uint64_t since = 0;  ///< generation
    std::vector<std::size_t> children;
  };
  struct Member {
    ModuleChecks seen;
    std::vector<Wiring> wirings;
    double rank = 0;  ///< above those of all that it calls, ever
    bool is_clean = false, is_alive = false;  ///< at the last look
    Moment answered, peeked;  ///< what it showed last

    const std::vector<std::size_t>& children() const { return wirings.back().children; }
  };

  explicit NestChecks(bool failures) : failures_(failures) {}

  std::size_t size() const { return members_.size(); }
  Member& at(std::size_t number) { return members_[number]; }
  const Member& at(std::size_t number) const { return members_[number]; }

  std::size_t add(double rank, std::vector<std::size_t> children, std::uint64_t answer) {
    Member& member = members_.emplace_back();
    member.rank = rank;
    member.seen.mark(answer);
    member.wirings.push_back({1, std::move(children)});
    from_above_.push_back(size() - 1);
    std::ranges::sort(from_above_, std::ranges::greater(), [&](std::size_t i) { return members_[i].rank; });
    return size() - 1;
  }

  /// It and all that it calls, as they were marked last.
  std::vector<std::size_t> cone(std::size_t number) const {
    PerModule<bool> is_in{};
    is_in[number] = true;
    std::vector<std::size_t> found;
    for (const std::size_t i : from_above_) {
      if (!is_in[i]) continue;
      found.push_back(i);
      for (const std::size_t child : members_[i].children()) is_in[child] = true;
    }
    return found;
  }

  /// What a call made now may be answered with: where it takes what is published, with the newest that is.
  void set_oldest(NestedCall& call) const {
    const std::uint64_t lag = call.lag.value_or(0);
    for (std::size_t i = 0; i < size(); ++i) {
      const ModuleChecks& seen = members_[i].seen;
      call.oldest_of[i] = lag > 0 ? seen.published() : seen.generation();
      call.ends_before_of[i] = seen.ends();
    }
    const std::uint64_t newest = members_[call.module].seen.generation();
    std::uint64_t& oldest = call.oldest_of[call.module];
    if (newest > lag) oldest = std::max(oldest, newest - lag);
  }
  /// It was not answered at once: where what is published is too old, the newest of the module itself is awaited.
  void must_wait(NestedCall& call) const { call.oldest_of[call.module] = members_[call.module].seen.generation(); }

  /// Throws unless one moment of `number`, and of everything below, answers so.
  Moment explain(std::size_t number, std::span<const double> answer) const {
    Moment moment;
    PerModule<std::uint64_t> ways{};
    ways[number] = 1;
    for (const std::size_t i : from_above_) {
      const auto shown = static_cast<std::uint64_t>(answer[i]);
      if (ways[i] == 0) {
        must(shown == 0, "an answer shows a module that is not called");
        continue;
      }
      must(shown % ways[i] == 0, "an answer shows a module at two marks at once");
      moment[i] = members_[i].seen.generations_of(shown / ways[i]);
      for (const std::size_t child : children_at(i, moment[i]->second)) ways[child] += ways[i];
    }
    return moment;
  }

  void see_answer(const NestedCall& call, std::span<const double> answer) {
    const Moment moment = explain(call.module, answer);
    must(is_as_new(moment, call.oldest_of), "an answer shows a module as it was before the call");
    if (call.shows_published) follow(members_[call.module].answered, moment);
  }
  /// The last good answer, which links what is published below.
  Moment see_publication(std::size_t number, std::span<const double> answer) {
    const Moment moment = explain(number, answer);
    for (std::size_t i = 0; i < size(); ++i)
      must(!moment[i] || moment[i]->second >= members_[i].seen.published(), "a last good answer does not show what is published below");
    follow(members_[number].peeked, moment);
    return moment;
  }
  static bool is_as_new(const Moment& moment, const PerModule<std::uint64_t>& oldest) {
    return std::ranges::equal(moment, oldest, [](const auto& m, std::uint64_t o) { return !m || m->second >= o; });
  }

  /// At all modules, after each has been seen.
  void look() const {
    for (const Member& m : members_) {
      if (!m.is_alive) continue;
      const bool is_clean_below = std::ranges::all_of(m.children(), [&](std::size_t c) { return members_[c].is_clean; });
      must(!m.is_clean || is_clean_below, "a module is clean that calls one that is not");
      must(m.is_clean || !is_clean_below || m.seen.published() < m.seen.generation(), "a module is dirty for nothing");
      must(failures_ || m.seen.ends() <= m.seen.generation(), "a module was compiled twice for one generation of its own");
    }
  }

  /// The rest of one compile plus one more, of the module and of every one below: they wait for none but each its own.
  void see_waiting(const NestedCall& call) const {
    const Member& member = members_[call.module];
    must(!member.is_alive || !member.is_clean, "a call of a clean module waits");
    // Marks of a module that nobody called yet have no order among those of others: to be sure, such a call waits for the newest.
    for (const Moment* shown : {&member.answered, &member.peeked})
      must(call.is_older_than_links || !(*shown)[call.module] || !is_surely_as_new(*shown, call.oldest_of),
           "a call waits for what is published");
    must(std::ranges::any_of(cone(call.module), [&](std::size_t i) { return members_[i].seen.ends() <= call.ends_before_of[i] + 1; }),
         "a call waits for more than the rest of one compile and one more of everything below");
  }
  /// Whoever waits while other modules are put below has their first compiles to wait for, too.
  void wait_anew(NestedCall& call) const {
    call.is_older_than_links = true;
    for (std::size_t i = 0; i < size(); ++i) call.ends_before_of[i] = members_[i].seen.ends();
  }

 private:
  const std::vector<std::size_t>& children_at(std::size_t number, std::uint64_t generation) const {
    const auto& wirings = members_[number].wirings;
    return std::prev(std::ranges::upper_bound(wirings, generation, {}, &Wiring::since))->children;
  }
  static bool is_surely_as_new(const Moment& moment, const PerModule<std::uint64_t>& oldest) {
    return std::ranges::equal(moment, oldest, [](const auto& m, std::uint64_t o) { return !m || m->first >= o; });
  }
  /// What one module publishes is of one moment after the other.
  void follow(Moment& last, const Moment& next) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (!next[i]) continue;
      must(!last[i] || next[i]->second >= last[i]->first, "a publication was followed by one of something older below");
      members_[i].seen.see_published(next[i]->first);
    }
    last = next;
  }

  std::vector<Member> members_;
  std::vector<std::size_t> from_above_;  ///< numbers: who calls comes before whom it calls
  bool failures_;
};

}  // namespace schedules
