// Stability: stable.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// How long things took: how many fell into each of a row of buckets, each twice as wide as the one before.
struct Histogram {
  static constexpr std::size_t bucket_count = 28;
  /// What bucket `i` counts took at most this long, and longer than the bucket before allows: 1.024 us, 2.048 us, ... 68.7 s; the last
  /// bucket has no bound, and bound(bucket_count - 1) is nanoseconds::max().
  LAZYFX_API static std::chrono::nanoseconds bound(std::size_t i) noexcept;

  std::array<std::uint64_t, bucket_count> counts{};
  std::chrono::nanoseconds sum{0};

  LAZYFX_API std::uint64_t count() const noexcept;
  /// The bound of the bucket in which the share `q` of all is reached (0.5: the median); 0 when nothing was counted.
  LAZYFX_API std::chrono::nanoseconds quantile(double q) const noexcept;
};

/// What a runtime did since it started, and holds now. Each figure is exact, together they are not one instant; but no compile's end is
/// counted before its beginning, so compiles_started - compiles_finished - compiles_failed - compiles_cancelled are those under way.
/// A call that is answered on its caller's thread by what is published already is neither counted nor timed: reading a clock would cost
/// more than the call adds.
struct RuntimeStats {
  std::uint64_t marks = 0;                ///< recompile() calls
  std::uint64_t marks_coalesced = 0;      ///< marks before which the compile of the mark before had not begun: one answers for both
  std::uint64_t compiles_started = 0;     ///< generations whose compile began (a flight joined or found in the cache is not one)
  std::uint64_t compiles_finished = 0;
  std::uint64_t compiles_superseded = 0;  ///< under way at a newer mark, and no use to anybody who waits: given up
  std::uint64_t compiles_cancelled = 0;   ///< begun, and stopped at a step, since nobody could use them
  std::uint64_t compiles_failed = 0;
  std::uint64_t compiles_dropped = 0;     ///< never begun: taken from the queue, since nobody could use them or it was full
  std::uint64_t flights_joined = 0;       ///< a compile was already under way for equal content
  std::uint64_t cache_hits = 0;           ///< an executable for equal content was alive
  std::uint64_t cache_misses = 0;         ///< neither: the compile had to be made
  std::uint64_t known_failures = 0;       ///< equal content was known not to compile
  std::uint64_t compiles_deferred = 0;    ///< background compiles that found the queue full: made when somebody calls
  std::uint64_t overloaded = 0;           ///< awaited compiles that found it full of awaited work
  std::uint64_t specializations = 0;      ///< plans made for an input signature
  std::uint64_t specializations_failed = 0;  ///< input signatures that no plan could be made for
  std::uint64_t kernels_made = 0;         ///< for convolutions and matrix products, which are shared by content
  std::uint64_t kernels_shared = 0;       ///< an equal one was alive
  std::uint64_t constants_packed = 0;     ///< brought into the order that a kernel reads
  std::uint64_t constants_shared = 0;     ///< lay in that order already
  std::uint64_t runs = 0;                 ///< calls that left the caller's thread
  std::uint64_t waits = 0;                ///< awaiters that had to wait for a compile or a plan, or to make it, ever
  std::uint64_t relinks = 0;              ///< times a module took over what a submodule published, without a compile of its own
  std::uint64_t nest_visits = 0;          ///< modules looked at to carry marks, calls and failures along the calls between modules
  std::uint64_t events_lost = 0;          ///< events that the hook was too slow for
  std::uint64_t hook_failures = 0;        ///< events during which the hook threw

  std::size_t queued = 0;   ///< jobs waiting now
  std::size_t running = 0;  ///< jobs on pool threads now
  std::size_t waiting = 0;  ///< awaiters now
  std::size_t threads = 0;  ///< of the pool, alive now
  std::size_t cached = 0;        ///< executables that the cache keeps though nobody uses them
  std::size_t cached_bytes = 0;  ///< what they and known failures count for against RuntimeOptions::cache_bytes: graphs, weights, plans
  std::size_t executables = 0, plans = 0;      ///< alive now
  std::size_t executable_bytes = 0;            ///< tables of executables and plans, about
  std::size_t graph_bytes = 0;                 ///< graphs that executables keep, each as a whole: generations share what no edit touched
  std::size_t weight_bytes = 0;                ///< constants that kernels packed or passes computed; not the model's own tensors
  std::size_t arena_bytes = 0;                 ///< scratch memory of runs, kept by all threads of the process
  std::chrono::nanoseconds oldest_job{0};      ///< how long the job that has waited longest is queued; 0 if none is

  Histogram queue_wait;       ///< of jobs, until a thread took them
  Histogram compile_time;     ///< of compiles, whatever their end
  Histogram specialize_time;  ///< of plans made for a signature after the compile
  Histogram run_time;         ///< of calls on the pool
  Histogram wait_time;        ///< of awaiters, until served, failed or cancelled
};

using PrometheusLabels = std::span<const std::pair<std::string, std::string>>;

/// `stats` in Prometheus's text exposition format, version 0.0.4 (serve it as "text/plain; version=0.0.4"), every name "lazyfx_...", times in
/// seconds. `labels` are put on every sample, to tell runtimes of one process apart. Throws Error(invalid_argument) for a label name that the
/// format does not allow, or that comes twice; values may be any UTF-8.
LAZYFX_API std::string to_prometheus(const RuntimeStats& stats, PrometheusLabels labels = {});

}  // namespace lazyfx
