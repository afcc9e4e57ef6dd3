#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>

#include "compile/nest.hpp"

namespace lazyfx::detail {

class ModuleCore;
struct Wiring;

// The modules of a runtime that call each other stand in one graph, under one mutex. Every mark in it has a stamp, from a clock that only
// marks move; what a module has published is good `until` the stamp of the first mark that it does not know: its own or that of a module
// below. A call made at stamp t is answered by what is good until later than t. Under the mutex, what a module has published links what its
// submodules have published, so every publication is one consistent set.

constexpr Stamp forever = std::numeric_limits<Stamp>::max();

/// One module calls another. Everything is protected by the runtime's nest mutex.
struct Edge {
  using Hook = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;

  ModuleCore* parent = nullptr;
  ModuleCore* child = nullptr;
  Wiring* wiring = nullptr;  ///< of the parent, where this is
  std::size_t index = 0;  ///< of the wiring's links
  Stamp until = 0;  ///< what the parent links of it is good until then
  bool linked = false;  ///< the parent links something of it
  boost::intrusive::list_member_hook<Hook> in_child;
  boost::intrusive::set_member_hook<Hook> in_stale;

  friend bool operator<(const Edge& a, const Edge& b) noexcept { return a.until < b.until; }
};

using ParentEdges =
    boost::intrusive::list<Edge, boost::intrusive::member_hook<Edge, boost::intrusive::list_member_hook<Edge::Hook>, &Edge::in_child>,
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
  bool changed = false;  ///< a link of it, or what one is good for, changed during the walk
  ModuleCore* after = nullptr;  ///< in the order that the walk made
  ModuleCore* before = nullptr;
};

/// What is known of a module above one that has published.
struct Rise {
  std::uint64_t seen = 0;  ///< the last rise that came here
  std::size_t coming = 0;  ///< children of which there will be something for the first time
  std::uint64_t joined = 0;  ///< the last rise that it publishes in
  ModuleCore* next = nullptr;
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
  /// Then destroys what was let go of on this thread meanwhile.
  ~NestLock();
  NestLock(const NestLock&) = delete;
  NestLock& operator=(const NestLock&) = delete;
  bool nested() const noexcept { return nest_.owns_lock(); }
  /// Goes on with the nest's alone.
  void unlock_module() { module_.unlock(); }
  void lock_module() { module_.lock(); }

 private:
  std::unique_lock<std::mutex> nest_;
  std::unique_lock<std::mutex> module_;
};

}  // namespace lazyfx::detail
