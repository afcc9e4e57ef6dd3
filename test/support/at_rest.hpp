#pragma once

#include <thread>

#include "lazyfx/compile/runtime.hpp"

namespace support {

/// Blocks until no job waits or runs, so that the pool holds nothing of what it made. Whoever awaits a compile is told a moment before that.
inline void at_rest(const lazyfx::Runtime& runtime) {
  for (;;) {
    const auto now = runtime.stats();
    if (now.queued + now.running == 0) return;
    std::this_thread::yield();
  }
}

}  // namespace support
