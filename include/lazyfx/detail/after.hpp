// Stability: private.
#pragma once

#include <chrono>

namespace lazyfx::detail {

/// So long after `now`, or the end of time where that comes first.
inline std::chrono::steady_clock::time_point after(std::chrono::steady_clock::time_point now, std::chrono::steady_clock::duration wait) {
  constexpr auto end = std::chrono::steady_clock::time_point::max();
  return now.time_since_epoch().count() > 0 && wait > end - now ? end : now + wait;
}

}  // namespace lazyfx::detail
