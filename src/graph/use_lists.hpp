#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node_table.hpp"

namespace lazyfx::detail {

/// Who uses whom. One link per pair (user, input), however often the input occurs in the user's arguments; a link is on the
/// input's list of users, in the order in which uses began, and on the user's list of inputs, in the order of its arguments.
/// Unlinking is O(1), so a node with a million users costs no more per edit than one with two.
class UseLists {
 public:
  /// Makes sure that the next `assign` to this node, of at most so many inputs, cannot fail. Throws Error(resource) beyond 2^32 uses.
  void prepare(NodeId user, std::size_t inputs);
  /// Makes `inputs` (repetitions allowed) what `user` uses. A use that goes on keeps its place. REQUIRES: prepare, unless empty.
  void assign(NodeId user, std::span<const NodeId> inputs) noexcept;
  std::size_t user_count(NodeId id) const noexcept { return nodes_[index_of(id)].count; }
  std::vector<NodeId> users(NodeId id) const;
  std::vector<NodeId> inputs(NodeId id) const;
  /// Makes this the order of the users; false, with nothing changed, unless `order` has each of them once.
  bool reorder(NodeId input, std::span<const NodeId> order);

 private:
  using Index = std::uint32_t;
  static constexpr Index none = 0xffffffffU;
  struct Use {
    NodeId user, input;
    Index prev, next;      // among the input's users
    Index next_of_user;    // among the user's inputs; among free links
  };
  struct Ends {
    Index first = none, last = none;  // users
    Index count = 0;
    Index inputs = none;
    std::uint32_t stamp = 0;  // scratch of assign: seen in this call,
    Index use = none;         // with this link
  };
  Index link(NodeId user, NodeId input) noexcept;
  void unlink(Index use) noexcept;

  std::vector<Use> uses_;
  std::vector<Ends> nodes_;
  Index free_ = none;
  std::uint32_t stamp_ = 0;
};

}  // namespace lazyfx::detail
