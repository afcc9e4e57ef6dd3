// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lazyfx {

/// What a loader accepts. Counts and sizes are compared with these, and with what the file can hold at all, before any memory is taken for
/// them; beyond them loading throws StoreError(too_large). Chain the setters.
class StoreLimits {
 public:
  StoreLimits() noexcept {}
  /// Bytes that descriptions (everything but tensors) may take in memory. Default: 2 GiB.
  StoreLimits& memory(std::uint64_t bytes) noexcept {
    memory_ = bytes;
    return *this;
  }
  /// Node ids that one graph may have given out, those of erased nodes included. Default: 16 million.
  StoreLimits& node_ids(std::uint64_t count) noexcept {
    node_ids_ = count;
    return *this;
  }
  /// Entries of a package. Default: one million.
  StoreLimits& entries(std::uint64_t count) noexcept {
    entries_ = count;
    return *this;
  }

  std::uint64_t memory() const noexcept { return memory_; }
  std::uint64_t node_ids() const noexcept { return node_ids_; }
  std::uint64_t entries() const noexcept { return entries_; }

 private:
  std::uint64_t memory_ = std::uint64_t{2} << 30;
  std::uint64_t node_ids_ = std::uint64_t{1} << 24;
  std::uint64_t entries_ = 1'000'000;
};

}  // namespace lazyfx
