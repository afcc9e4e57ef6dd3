#pragma once

#include <cstdint>
#include <vector>

#include "graph/node_table.hpp"

namespace lazyfx::detail {

/// A number per node that grows along the list, so that two nodes are compared without walking. A node squeezed in between two
/// others gets a number between theirs; where there is none, the smallest neighbourhood that is sparse enough is numbered anew,
/// which costs O(log n) per insertion, amortised, wherever one inserts.
/// Source: Bender, Cole, Demaine, Farach-Colton, Zito, "Two Simplified Algorithms for Maintaining Order in a List" (2002).
class OrderLabels {
 public:
  std::uint64_t operator[](NodeId id) const noexcept { return labels_[index_of(id)]; }
  /// Numbers `id`, which is about to stand between `prev` and `next` (neighbours in the table, or no_node at an end).
  void place(NodeId id, NodeId prev, NodeId next, const NodeTable& table);

 private:
  void spread(NodeId around, const NodeTable& table);
  std::vector<std::uint64_t> labels_;
};

}  // namespace lazyfx::detail
