// Stability: stable.
#pragma once

#include "lazyfx/export.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

/// True when `node` must stay even if nobody uses it: placeholders, the output, modules, operators that the registry does not know, and
/// those whose effect is mutating or io. What Graph::eliminate_dead_code is given:
///
///     graph.eliminate_dead_code([&](Node n) { return is_impure(registry, n); });
///
/// Thread safety: as the node's graph.
LAZYFX_API bool is_impure(const OperatorRegistry& registry, Node node);

}  // namespace lazyfx
