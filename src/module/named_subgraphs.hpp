#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazyfx/graph/code.hpp"

namespace lazyfx::detail {

/// The graphs that nodes of `graph` name in their keyword arguments, and those that nodes of these name. `find(scope, path)` gives {graph, scope}
/// of what stands at `path` as seen from `scope`, {nullptr, nullptr} when no graph does. Without recursion: each graph comes after the one that
/// names it, and before the next that this one names.
template <class Scope, class Find>
NamedSnapshots named_subgraphs(const Snapshot& graph, const Scope& root, const Find& find) {
  struct Pending {
    std::string path;
    const Snapshot* graph;
    const Scope* scope;
  };
  NamedSnapshots found;
  std::unordered_set<std::string> seen;
  std::vector<Pending> pending;
  const auto look = [&](const std::string& prefix, const Snapshot& snapshot, const Scope& scope) {
    const std::size_t before = pending.size();
    for (const NodeView node : snapshot) {
      if (node.op() != Opcode::call_function) continue;
      for (const auto& [key, value] : node.kwargs()) {
        if (!value.is_string()) continue;
        const auto [named, within] = find(scope, value.as_string());
        if (named != nullptr && seen.insert(prefix + value.as_string()).second)
          pending.push_back({prefix + value.as_string(), named, within});
      }
    }
    std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(before), pending.end());
  };
  look("", graph, root);
  while (!pending.empty()) {
    const Pending next = std::move(pending.back());
    pending.pop_back();
    found.emplace_back(next.path, *next.graph);
    look(next.path + ".", *next.graph, *next.scope);
  }
  return found;
}

}  // namespace lazyfx::detail
