#include <utility>

#include "graph/graph_impl.hpp"

namespace lazyfx {
namespace {

constexpr std::size_t users_named = 8;  // in a message

std::string names_of(const std::vector<Node>& nodes) {
  std::string text;
  for (std::size_t i = 0; i < nodes.size() && i < users_named; ++i) text += (i ? ", " : "") + nodes[i].name();
  return nodes.size() > users_named ? text + ", ..." : text;
}

}  // namespace

bool Graph::erase_node(Node node) {
  if (node.defined() && &node.graph() == this && impl_->table.known(node.id()) && node.erased()) return false;
  impl_->require(node, "erase");
  const auto refuse_if_used = [&] {
    if (const auto users = node.users(); !users.empty()) {
      throw Error(ErrorKind::invalid_graph, "Tried to erase Node " + node.name() + " but it still had " + std::to_string(users.size()) +
                                                " users in the graph: " + names_of(users));
    }
  };
  refuse_if_used();
  if (impl_->hooks && !impl_->hooks->erase.empty()) {
    impl_->hooks->erase(node);
    if (node.erased()) return true;
    refuse_if_used();
  }
  impl_->erase(node.id());
  return true;
}

bool Graph::eliminate_dead_code(const std::function<bool(Node)>& is_impure) {
  lint();
  bool changed = false;
  for (const Node node : nodes().reversed()) {
    const Opcode op = node.op();
    if (op == Opcode::placeholder || op == Opcode::output || node.user_count() != 0) continue;
    if (is_impure && is_impure(node)) continue;
    changed |= erase_node(node);
  }
  return changed;
}

Node Graph::node_copy(Node node, const std::function<Argument(Node)>& transform) {
  if (!node.defined()) throw Error(ErrorKind::invalid_argument, "Cannot copy an undefined node");
  Graph& from = node.graph();
  from.impl_->require(node, "copy");
  const auto mapped = [&](const Argument& argument) { return map_nodes(argument, [&](NodeId id) { return transform(Node(&from, id)); }); };
  const auto& body = from.impl_->table.body(node.id());
  Impl::Description what{body.op, *body.target, {}, {}, body.type, body.meta};
  const std::string name = body.name;
  // `transform` may edit either graph, so what it is given comes from a copy.
  const Arguments args = body.args;
  const Keywords kwargs = body.kwargs;
  for (const auto& arg : args) what.args.push_back(mapped(arg));
  for (const auto& [key, value] : kwargs) what.kwargs.emplace_back(key, mapped(value));
  return impl_->create(std::move(what), name);
}

Argument Graph::graph_copy(const Graph& other, std::unordered_map<std::uint32_t, Argument>& values) {
  std::vector<Node> created;
  std::vector<std::uint32_t> added;
  const auto value_of = [&](Node node) -> Argument {
    const auto it = values.find(static_cast<std::uint32_t>(node.id()));
    if (it != values.end()) return it->second;
    throw Error(ErrorKind::invalid_graph, "Node " + node.name() + " was used before it has been defined: it cannot be copied");
  };
  std::vector<Node> originals;  // fixed before copying begins: `other` may be this graph
  originals.reserve(other.size());
  for (const Node node : other.nodes()) originals.push_back(node);
  created.reserve(originals.size());
  added.reserve(originals.size());
  try {
    for (const Node node : originals) {
      if (node.op() == Opcode::output) continue;
      const auto id = static_cast<std::uint32_t>(node.id());
      if (values.contains(id)) continue;
      created.push_back(node_copy(node, value_of));
      values.emplace(id, created.back());
      added.push_back(id);
    }
    const Node output = other.output_node();
    if (!output.defined()) return {};
    return map_nodes(output.arg(0), [&](NodeId id) { return value_of(Node(&output.graph(), id)); });
  } catch (...) {
    for (auto it = created.rbegin(); it != created.rend(); ++it) {
      if (!it->erased() && it->user_count() == 0) impl_->erase(it->id());
    }
    for (const auto id : added) values.erase(id);
    throw;
  }
}

}  // namespace lazyfx
