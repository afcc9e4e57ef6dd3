#pragma once

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <mutex>

namespace lazyfx::detail {

class ModuleCore;

/// A mark among modules that call each other, in the order of all of them.
using Stamp = std::uint64_t;

/// The stamp of a call, among those that wait.
struct Stamped : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
  Stamp stamp = 0;
  friend bool operator<(const Stamped& a, const Stamped& b) noexcept { return a.stamp < b.stamp; }
};

/// What the modules of one runtime that call each other share.
struct Nest {
  std::mutex mutex;
  std::atomic<Stamp> clock{1};  ///< of the last mark; moved under the mutex
  std::uint64_t walks = 0;      ///< over the modules, ever
  std::atomic<std::uint64_t> visits{0};  ///< modules that walks came to, ever
  ModuleCore* reconsidered = nullptr;  ///< first of those that may be wanted more, or less, than those below know; protected by the mutex
  ModuleCore* lowered = nullptr;  ///< first of those that are wanted less than what they have asked for; likewise
  boost::intrusive::multiset<Stamped> waiting;  ///< calls that wait for such modules; protected by the mutex

  /// Somebody waits who was called at `from` or later, but before `up_to`. REQUIRES: the mutex held.
  bool is_awaited(Stamp from, Stamp up_to) const noexcept {
    Stamped first;
    first.stamp = from;
    const auto at = waiting.lower_bound(first);
    return at != waiting.end() && at->stamp < up_to;
  }
};

}  // namespace lazyfx::detail
