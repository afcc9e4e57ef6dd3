#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>

#include "compile/nest.hpp"
#include "compile/scheduler.hpp"

namespace lazyfx::detail {

class ModuleCore;
struct Publication;
struct Wiring;

// The modules of a runtime that call each other stand in one graph, under one mutex. Every mark in it has a stamp, from a clock that only
// marks move; what a module has published is good `until` the stamp of the first mark that it does not know: its own or that of a module
// below. A call made at stamp t is answered by what is good until later than t. Under the mutex, what a module has published links what its
// submodules have published, so every publication is one consistent set. What is published below is linked once that serves somebody; until
// then it is owed.

constexpr Stamp forever = std::numeric_limits<Stamp>::max();
constexpr int nobody = -1;  ///< whose priority is below every other

/// One module calls another. Everything is protected by the runtime's nest mutex.
struct Edge {
  using Hook = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;

  ModuleCore* parent = nullptr;
  ModuleCore* child = nullptr;
  Wiring* wiring = nullptr;  ///< of the parent, where this is
  std::size_t index = 0;  ///< of the wiring's links
  Stamp until = 0;  ///< what the child has published is good until then
  bool there = false;  ///< the child has published something
  int wanted = nobody;  ///< how urgently the parent wants the child, which counts it
  boost::intrusive::list_member_hook<Hook> in_child, in_owing;
  boost::intrusive::set_member_hook<Hook> in_stale;

  friend bool operator<(const Edge& a, const Edge& b) noexcept { return a.until < b.until; }
};

using ParentEdges =
    boost::intrusive::list<Edge, boost::intrusive::member_hook<Edge, boost::intrusive::list_member_hook<Edge::Hook>, &Edge::in_child>,
                           boost::intrusive::constant_time_size<false>>;
/// Those of which the parent does not link what is newest.
using OwingEdges =
    boost::intrusive::list<Edge, boost::intrusive::member_hook<Edge, boost::intrusive::list_member_hook<Edge::Hook>, &Edge::in_owing>,
                           boost::intrusive::constant_time_size<false>>;
/// Of the children that are not clean, what is good for the shortest first.
using StaleEdges =
    boost::intrusive::multiset<Edge, boost::intrusive::member_hook<Edge, boost::intrusive::set_member_hook<Edge::Hook>, &Edge::in_stale>,
                               boost::intrusive::constant_time_size<false>>;

/// A module's place in a walk over the graph, which needs no memory and no recursion. One walk at a time.
struct WalkPlace {
  std::uint64_t walk = 0;  ///< the last that came here
  ModuleCore* below = nullptr;  ///< on the stack
  ParentEdges::iterator next;  ///< edge that the stack goes on with
  const Edge* via = nullptr;  ///< by which the walk came
  std::size_t origin = 0;  ///< where the walk came from, of several places
  ModuleCore* after = nullptr;  ///< in the order that the walk made
  ModuleCore* before = nullptr;
};

/// A module's place among those that hear of, and link, what was published below.
struct RisePlace {
  bool is_rising = false;
  ModuleCore* next_rising = nullptr;
  ModuleCore* next_told = nullptr;
  ModuleCore* settles_for = nullptr;  ///< is settled when this is
};

/// What a module keeps that calls others, or is called. Protected by the nest's mutex.
struct Nested {
  ParentEdges parents;
  std::shared_ptr<Wiring> wired;  ///< of the table last marked; null: it calls nobody
  std::shared_ptr<Wiring> old;  ///< of the table of what is published, if that is another
  bool is_old_published = false;
  std::shared_ptr<const Publication> unlinked;  ///< of `wired`: waits for submodules that have published nothing. The module's mutex too
  OwingEdges owing;  ///< of `wired` and `old`: those whose child has published what is not linked here, or owes something itself
  Stamp own_until = forever;  ///< first own mark after the published generation
  Stamp after_compiling = forever;  ///< first own mark after the generation that compiles
  Stamp after_unlinked = forever;  ///< first own mark after the generation of `unlinked`
  std::array<std::size_t, compile::priorities> wanted_at{};  ///< the edges from above that want this at each priority
  int wanted = nobody;  ///< the priority at which this wants what it waits for below, as told to the stale edges of `wired`
  int asked = nobody;  ///< the priority at which it and everything stale below were asked for, until it is clean
  WalkPlace place;
  RisePlace rise;
  bool is_reconsidered = false, is_lowered = false;
  ModuleCore* next_reconsidered = nullptr;
  ModuleCore* next_lowered = nullptr;
};

/// Modules to be settled.
class Rising {
 public:
  Rising() = default;
  Rising(const Rising&) = delete;
  Rising& operator=(const Rising&) = delete;
  void add(ModuleCore& core) noexcept;
  /// null when there is none.
  ModuleCore* take() noexcept;

 private:
  ModuleCore* first_ = nullptr;
};

/// What a walk made: who comes earlier does not depend on who comes later, or the other way round, as the walk says.
struct WalkOrder {
  ModuleCore* first = nullptr;
  ModuleCore* last = nullptr;
};

/// Holds a module's mutex and, if it is nested or `anyhow`, the nest's.
class NestLock {
 public:
  explicit NestLock(const ModuleCore& core, bool anyhow = false);
  /// Those that are wanted less by now settle for that first. Then destroys what was let go of on this thread meanwhile.
  ~NestLock();
  NestLock(const NestLock&) = delete;
  NestLock& operator=(const NestLock&) = delete;
  bool nested() const noexcept { return nest_.owns_lock(); }
  /// Goes on with the nest's alone.
  void unlock_module() { module_.unlock(); }
  void lock_module() { module_.lock(); }

 private:
  Nest& shared_;
  std::unique_lock<std::mutex> nest_;
  std::unique_lock<std::mutex> module_;
};

}  // namespace lazyfx::detail
