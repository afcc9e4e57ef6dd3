#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "fork.hpp"
#include "lazyfx/graph/snapshot.hpp"

namespace lazyfx::detail {

/// What the table allocates: chunks and node bodies. Pictures of one graph are taken one after another, so "which pictures
/// see this" is an interval: from the epoch in which it was born to the epoch in which the editor replaced it.
struct Owned {
  enum class Kind : std::uint8_t { leaf, inner, body };
  explicit Owned(Kind k) noexcept : kind(k) {}
  Owned(const Owned& other) noexcept : kind(other.kind) {}
  Owned& operator=(const Owned&) = delete;

  std::uint64_t born = 0;
  Owned* next_retired = nullptr;  ///< the list of dead things this is on; protected by the history's mutex once handed over
  Kind kind;
};

/// Frees one thing, not what it points to.
void destroy(Owned* owned) noexcept;
void destroy_list(Owned* owned) noexcept;

struct Picture;

/// Decides when the versions of a graph's chunks and bodies are freed, without counting references to each: cloning a chunk then
/// costs one memory copy, whereas counts would touch every child (at a million nodes, a cache miss each). Dead things wait on
/// the list of the newest snapshot that sees them; when it goes, what an older one sees moves there and the rest is freed.
/// (The way file systems with snapshots keep their dead blocks.)
///
/// In a forked child nothing of a graph that the parent made is freed: another thread may have been about to.
///
/// Thread safety: the editor's thread calls shares, retire, add and close; `drop` comes from any thread.
class History {
 public:
  /// True when some snapshot may see what was born then; the editor must leave such a thing as it is.
  /// Acquire pairs with the release in `drop`: a reader's last look happens before the editor writes.
  bool shares(const Owned& owned) const noexcept { return owned.born <= newest_.load(std::memory_order_acquire); }

  /// Takes a list of what the editor replaced since the last `add`.
  void retire(Owned* list) noexcept;
  void add(Snapshot::Impl& picture) noexcept;
  void drop(Snapshot::Impl& picture) noexcept;
  /// The editor's own picture goes; what snapshots see stays.
  void close(const Picture& picture, Owned* retired) noexcept;

 private:
  const Origin origin_;
  std::mutex mutex_;
  Snapshot::Impl* last_ = nullptr;         // newest live snapshot
  std::atomic<std::uint64_t> newest_{0};   // its version, 0 if there is none
  bool editor_ = true;
};

}  // namespace lazyfx::detail
