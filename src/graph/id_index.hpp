#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lazyfx/graph/argument.hpp"

namespace lazyfx::detail {

/// Nodes found by the hash of something that the graph says of them already, so that nothing is kept twice: eight bytes an entry. Several
/// may have one hash. Unlike a library's table, this one has room for an insertion that was prepared, whatever was erased before: an edit
/// that has begun cannot fail here.
class IdIndex {
 public:
  /// Makes sure that the next `insert` cannot fail.
  void prepare() {
    if (4 * (size_ + 1) <= 3 * slots_.size()) return;
    IdIndex larger;
    larger.slots_.resize(std::bit_ceil(2 * (size_ + 1)));
    for (const Entry& entry : slots_) {
      if (entry.id != no_node) larger.insert(entry.hash, entry.id);
    }
    *this = std::move(larger);
  }
  void insert(std::uint32_t hash, NodeId id) noexcept {  ///< REQUIRES: prepare
    std::size_t at = home(hash);
    while (slots_[at].id != no_node) at = after(at);
    slots_[at] = {hash, id};
    ++size_;
  }
  /// REQUIRES: it was inserted.
  void erase(std::uint32_t hash, NodeId id) noexcept {
    std::size_t gap = home(hash);
    while (slots_[gap].id != id || slots_[gap].hash != hash) gap = after(gap);
    // Entries behind the gap that would no longer be met on the way from their home move into it.
    for (std::size_t at = after(gap); slots_[at].id != no_node; at = after(at)) {
      if (distance(home(slots_[at].hash), at) < distance(gap, at)) continue;
      slots_[gap] = slots_[at];
      gap = at;
    }
    slots_[gap] = {};
    --size_;
  }
  /// A node of this hash for which `is` holds, or no_node.
  template <class Is>
  NodeId find(std::uint32_t hash, Is&& is) const {
    if (slots_.empty()) return no_node;
    for (std::size_t at = home(hash); slots_[at].id != no_node; at = after(at)) {
      if (slots_[at].hash == hash && is(slots_[at].id)) return slots_[at].id;
    }
    return no_node;
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Entry& entry : slots_) {
      if (entry.id != no_node) visit(entry.id);
    }
  }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Entry {
    std::uint32_t hash = 0;
    NodeId id = no_node;
  };
  std::size_t home(std::uint32_t hash) const noexcept { return hash & (slots_.size() - 1); }
  std::size_t after(std::size_t at) const noexcept { return (at + 1) & (slots_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept { return (to - from) & (slots_.size() - 1); }

  std::vector<Entry> slots_;  // a power of two, at most three quarters full
  std::size_t size_ = 0;
};

}  // namespace lazyfx::detail
