#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/hooks.hpp"
#include "graph/names.hpp"
#include "graph/node_table.hpp"
#include "graph/order_labels.hpp"
#include "graph/target_index.hpp"
#include "graph/use_lists.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/graph/graph.hpp"

namespace lazyfx {

/// The table, and beside it what only the editor needs: nothing here is copied by a freeze.
struct Graph::Impl {
  explicit Impl(Graph* g) : graph(g), names(table), index(table) {}
  Impl(Graph* g, const Impl& other)
      : graph(g), table(other.table), labels(other.labels), uses(other.uses), names(other.names, table), index(other.index, table) {}

  Graph* graph;
  detail::NodeTable table;
  detail::OrderLabels labels;
  detail::UseLists uses;
  detail::Names names;
  detail::TargetIndex index;
  NodeId before = no_node;  ///< the insertion point: new nodes go before this one, no_node: at the end
  bool follows = true;      ///< and it goes along when that node is moved (false: it stays where it is, as "after x" does)
  std::uint64_t edits = 0;

  struct Hooks {
    detail::HookList<Node> create, erase;
    detail::HookList<Node, std::string, Node> replace;
  };
  std::shared_ptr<Hooks> hooks;  ///< null: there was never one

  /// The last picture handed out, as long as it is still the newest and somebody holds it.
  std::weak_ptr<const Snapshot::Impl> frozen;
  std::uint64_t frozen_at = 0;

  Node handle(NodeId id) const noexcept { return id == no_node ? Node() : Node(graph, id); }
  std::vector<Node> handles(const std::vector<NodeId>& ids) const;
  bool precedes(NodeId a, NodeId b) const noexcept { return labels[a] < labels[b]; }
  void sort(std::vector<NodeId>& ids) const;

  /// Throws Error(invalid_argument) unless `node` is a live node of this graph; `doing` completes "cannot ...".
  void require(const Node& node, const char* doing) const;
  /// Makes arguments storable: takes the graph out of their node handles, and adds the nodes to `used`. Throws
  /// Error(invalid_argument) when one belongs to another graph or is erased, or a key is repeated. `op` and `target` say whose they are.
  void adopt(Arguments& args, Keywords& kwargs, std::vector<NodeId>& used, Opcode op, std::string_view target) const;

  struct Description {  // what a node is made of
    Opcode op;
    std::string target;
    Arguments args;
    Keywords kwargs;
    detail::Shared<std::optional<TensorType>> type;
    detail::Shared<Metadata> meta;
  };
  Node create(Description what, std::string_view name);
  /// Replaces both kinds of arguments and brings the use lists up to date.
  void assign(NodeId id, Arguments args, Keywords kwargs);
  void erase(NodeId id);
  void move_before(NodeId id, NodeId next);
  /// First node at or after `id` that is not erased; no_node for the end.
  NodeId live_from(NodeId id) const noexcept;
};

namespace detail {

inline const std::optional<TensorType> no_type;
inline const Metadata no_metadata;

inline Shared<std::optional<TensorType>> share(std::optional<TensorType> type) {
  return type ? Shared(std::move(type)) : Shared<std::optional<TensorType>>();
}

/// "call_function[onnx::Conv]", as errors name a node that has no name yet.
std::string describe(Opcode op, std::string_view target);

}  // namespace detail
}  // namespace lazyfx
