#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace lazyfx::detail {

/// A mark among modules that call each other, in the order of all of them.
using Stamp = std::uint64_t;

/// What the modules of one runtime that call each other share.
struct Nest {
  std::mutex mutex;
  std::atomic<Stamp> clock{1};  ///< of the last mark; moved under the mutex
  std::uint64_t walks = 0;      ///< over the modules, ever
  std::atomic<std::uint64_t> visits{0};  ///< modules that walks came to, ever
  std::uint64_t rises = 0;      ///< publications that others link, ever
  std::atomic<std::uint64_t> waits{0};  ///< changes of who waits and who calls whom, ever
};

}  // namespace lazyfx::detail
