#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/graph/graph.hpp"

namespace lazyfx::detail {

/// One node as it stands, ids and name included.
struct NodeDescription {
  NodeId id = no_node;
  Opcode op = Opcode::placeholder;
  std::string name;
  std::string target;
  Arguments args;
  Keywords kwargs;
  std::optional<TensorType> type;
  Metadata meta;
};

/// A graph by all that decides how it behaves from now on. Hooks are functions of this process and no part of it.
struct GraphDescription {
  std::size_t id_limit = 0;            ///< ids below this were given out
  std::vector<NodeDescription> nodes;  ///< in graph order
  std::vector<std::pair<NodeId, std::vector<NodeId>>> users;            ///< where their order is not the order of the graph
  std::vector<std::pair<std::string, std::uint64_t>> highest_suffixes;  ///< per base of names
};

/// The parts of a description that a Snapshot does not show.
struct GraphTables {
  static Graph::Impl& impl(const Graph& graph) noexcept { return *graph.impl_; }
  static std::vector<std::pair<std::string, std::uint64_t>> highest_suffixes(const Graph& graph);  ///< sorted
  static std::vector<std::pair<NodeId, std::vector<NodeId>>> users_out_of_order(const Graph& graph);
  static std::size_t id_limit(const Graph& graph) noexcept;
};

/// The graph that was described. Trusts nothing: ids are checked before memory is taken for them (which is linear in id_limit), then
/// Graph::lint has the last word. Throws Error(invalid_graph) naming what is wrong.
std::shared_ptr<Graph> restore_graph(GraphDescription description);

}  // namespace lazyfx::detail
