#include "graph/use_lists.hpp"

#include <algorithm>
#include <unordered_map>

#include "lazyfx/error.hpp"

namespace lazyfx::detail {

void UseLists::prepare(NodeId user, std::size_t inputs) {
  cover(nodes_, user);
  const std::size_t most = uses_.size() + inputs;
  if (most >= none) throw Error(ErrorKind::resource, "The graph has more than four thousand million uses");
  make_room(uses_, most);
}

void UseLists::assign(NodeId user, std::span<const NodeId> inputs) noexcept {
  if (++stamp_ == 0) {
    for (Ends& ends : nodes_) ends.stamp = 0;
    stamp_ = 1;
  }
  for (const NodeId input : inputs) {
    Ends& ends = nodes_[index_of(input)];
    ends.stamp = stamp_;
    ends.use = none;
  }
  Ends& self = nodes_[index_of(user)];
  for (Index use = self.inputs; use != none;) {
    const Index following = uses_[use].next_of_user;
    Ends& ends = nodes_[index_of(uses_[use].input)];
    if (ends.stamp == stamp_)
      ends.use = use;
    else
      unlink(use);
    use = following;
  }
  // A stamp taken back marks what is already on the new list.
  self.inputs = none;
  Index tail = none;
  for (const NodeId input : inputs) {
    Ends& ends = nodes_[index_of(input)];
    if (ends.stamp != stamp_) continue;
    ends.stamp = 0;
    const Index use = ends.use != none ? ends.use : link(user, input);
    uses_[use].next_of_user = none;
    (tail == none ? self.inputs : uses_[tail].next_of_user) = use;
    tail = use;
  }
}

std::vector<NodeId> UseLists::users(NodeId id) const {
  const Ends& ends = nodes_[index_of(id)];
  std::vector<NodeId> out;
  out.reserve(ends.count);
  for (Index use = ends.first; use != none; use = uses_[use].next) out.push_back(uses_[use].user);
  return out;
}

std::vector<NodeId> UseLists::inputs(NodeId id) const {
  std::vector<NodeId> out;
  for (Index use = nodes_[index_of(id)].inputs; use != none; use = uses_[use].next_of_user) out.push_back(uses_[use].input);
  return out;
}

bool UseLists::reorder(NodeId input, std::span<const NodeId> order) {
  Ends& ends = nodes_[index_of(input)];
  if (order.size() != ends.count) return false;
  std::unordered_map<NodeId, Index> present;
  for (Index use = ends.first; use != none; use = uses_[use].next) present.emplace(uses_[use].user, use);
  std::vector<Index> links;
  links.reserve(order.size());
  for (const NodeId user : order) {
    const auto found = present.find(user);
    if (found == present.end()) return false;
    links.push_back(found->second);
    present.erase(found);
  }
  for (std::size_t i = 0; i < links.size(); ++i) {
    uses_[links[i]].prev = i == 0 ? none : links[i - 1];
    uses_[links[i]].next = i + 1 == links.size() ? none : links[i + 1];
  }
  if (!links.empty()) ends.first = links.front(), ends.last = links.back();
  return true;
}

UseLists::Index UseLists::link(NodeId user, NodeId input) noexcept {
  Index use = free_;
  if (use == none) {
    use = static_cast<Index>(uses_.size());
    uses_.emplace_back();
  } else {
    free_ = uses_[use].next_of_user;
  }
  Ends& ends = nodes_[index_of(input)];
  uses_[use] = {user, input, ends.last, none, none};
  (ends.last == none ? ends.first : uses_[ends.last].next) = use;
  ends.last = use;
  ++ends.count;
  return use;
}

void UseLists::unlink(Index index) noexcept {
  Use& use = uses_[index];
  Ends& ends = nodes_[index_of(use.input)];
  (use.prev == none ? ends.first : uses_[use.prev].next) = use.next;
  (use.next == none ? ends.last : uses_[use.next].prev) = use.prev;
  --ends.count;
  use.next_of_user = free_;
  free_ = index;
}

}  // namespace lazyfx::detail
