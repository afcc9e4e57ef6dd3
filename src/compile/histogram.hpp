#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "lazyfx/compile/stats.hpp"

namespace lazyfx::compile {

/// Counts durations; any thread may, none waits. On a cache line of its own, so that one histogram's writers do not slow another's.
class alignas(64) HistogramCounter {
 public:
  static constexpr int first_bound_bits = 10;  ///< the first bucket ends at 2^10 ns

  static constexpr std::size_t bucket_of(std::chrono::nanoseconds duration) noexcept {
    const auto ns = duration.count() <= 1 ? std::uint64_t{0} : static_cast<std::uint64_t>(duration.count() - 1);
    const int bits = static_cast<int>(std::bit_width(ns));
    const auto at = bits <= first_bound_bits ? std::size_t{0} : static_cast<std::size_t>(bits - first_bound_bits);
    return at < Histogram::bucket_count ? at : Histogram::bucket_count - 1;
  }

  void add(std::chrono::nanoseconds duration) noexcept {
    counts_[bucket_of(duration)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(duration.count(), std::memory_order_relaxed);
  }

  Histogram read() const noexcept {
    Histogram h;
    for (std::size_t i = 0; i < Histogram::bucket_count; ++i) h.counts[i] = counts_[i].load(std::memory_order_relaxed);
    h.sum = std::chrono::nanoseconds(sum_.load(std::memory_order_relaxed));
    return h;
  }

 private:
  std::atomic<std::uint64_t> counts_[Histogram::bucket_count]{};
  std::atomic<std::int64_t> sum_{0};
};

}  // namespace lazyfx::compile
