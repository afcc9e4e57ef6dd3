#include "lazyfx/module/explain_miss.hpp"

#include "module/module_core.hpp"

namespace lazyfx {
namespace {

std::string explain(const Snapshot& a, const Snapshot& b) {
  if (a.size() != b.size()) return "one graph has " + std::to_string(a.size()) + " nodes, the other " + std::to_string(b.size());
  auto j = b.begin();
  for (auto i = a.begin(); i != a.end(); ++i, ++j) {
    const NodeView x = *i;
    const NodeView y = *j;
    const auto of = [&](const char* what) {
      const std::string names = x.name() == y.name() ? "%" + x.name() : "%" + x.name() + " and %" + y.name();
      return std::string("the ") + what + " of " + names + " differ";
    };
    if (x.id() != y.id()) return of("ids") + ": the graphs were edited in another order, and nodes are compared by id";
    if (x.op() != y.op()) return of("opcodes");
    if (x.target() != y.target()) return of("targets");
    if (x.type() != y.type()) return of("types");
    if (x.args() != y.args() || x.kwargs() != y.kwargs()) return of("arguments");
  }
  return {};
}

std::string explain(const compile::TensorTable& a, const compile::TensorTable& b) {
  for (const auto& [path, tensor] : a) {
    const auto other = b.find(path);
    if (other == b.end()) return "only one has a tensor '" + path + "'";
    if (!tensor.is_same(other->second) && !equal(tensor, other->second)) return "tensor '" + path + "' differs";
  }
  for (const auto& [path, tensor] : b) {
    if (!a.contains(path)) return "only one has a tensor '" + path + "'";
  }
  return {};
}

/// Of two sources, or of two graphs within them. Recursion is as deep as graphs are nested.
std::string explain(const compile::Source& a, const compile::Source& b) {
  if (auto why = explain(a.graph, b.graph); !why.empty()) return why;
  if (auto why = explain(*a.tensors, *b.tensors); !why.empty()) return why;
  static const compile::SubgraphTable none;
  const compile::SubgraphTable &x = a.subgraphs ? *a.subgraphs : none, &y = b.subgraphs ? *b.subgraphs : none;
  for (const auto& [path, subgraph] : x) {
    const auto other = y.find(path);
    if (other == y.end()) return "only one has a subgraph '" + path + "'";
    if (subgraph.same_content(other->second)) continue;
    const auto why = explain(subgraph, other->second);
    return "in subgraph '" + path + "': " + (why.empty() ? "constants inside the graphs differ" : why);
  }
  for (const auto& [path, subgraph] : y) {
    if (!x.contains(path)) return "only one has a subgraph '" + path + "'";
  }
  return {};
}

}  // namespace

std::string explain_miss(const GraphModule& a, const GraphModule& b) {
  const compile::Source x = a.core_->marked();
  const compile::Source y = b.core_->marked();
  if (x.same_content(y)) {
    if (a.core_->runtime().shared_from_this() == b.core_->runtime().shared_from_this()) return {};
    return "they are of different runtimes";
  }
  if (auto why = explain(x, y); !why.empty()) return why;
  if (!x.modules->empty() || !y.modules->empty()) return "modules that call other modules do not share";
  return "constants inside their graphs differ";
}

}  // namespace lazyfx
