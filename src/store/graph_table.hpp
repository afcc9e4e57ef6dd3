#pragma once

#include <memory>

#include "lazyfx/graph/graph.hpp"
#include "store/atoms.hpp"

namespace lazyfx::store {

/// A graph as tables, and back. Back: throws Error in one clause for tables that no graph has.
GraphTable describe_graph(const Graph& graph, Interner& interner);
std::shared_ptr<Graph> rebuild_graph(const GraphTable& table, const std::vector<std::string>& strings, const std::vector<Tensor>& tensors,
                                     std::uint64_t most_ids);

}  // namespace lazyfx::store
