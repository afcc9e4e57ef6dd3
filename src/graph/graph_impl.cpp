#include "graph/graph_impl.hpp"

#include <algorithm>
#include <utility>

#include "graph/keys.hpp"
#include "graph/rewrite.hpp"

namespace lazyfx {

std::string detail::describe(Opcode op, std::string_view target) { return std::string(to_string(op)) + "[" + std::string(target) + "]"; }

std::vector<Node> Graph::Impl::handles(const std::vector<NodeId>& ids) const {
  std::vector<Node> out;
  out.reserve(ids.size());
  for (const NodeId id : ids) out.emplace_back(graph, id);
  return out;
}

void Graph::Impl::sort(std::vector<NodeId>& ids) const {
  std::sort(ids.begin(), ids.end(), [this](NodeId a, NodeId b) { return precedes(a, b); });
}

void Graph::Impl::require(const Node& node, const char* doing) const {
  if (node.defined() && &node.graph() == graph && table.known(node.id())) table.prefetch(node.id());
  if (node.defined() && &node.graph() == graph && table.live(node.id())) return;
  const std::string cannot = std::string("Cannot ") + doing;
  if (!node.defined()) throw Error(ErrorKind::invalid_argument, cannot + " an undefined node");
  const std::string which = cannot + " node " + std::to_string(detail::index_of(node.id()));
  if (&node.graph() != graph) throw Error(ErrorKind::invalid_argument, which + ": it does not belong to this Graph");
  throw Error(ErrorKind::invalid_argument, which + (table.known(node.id()) ? ": it was erased" : ": there never was one"));
}

void Graph::Impl::adopt(Arguments& args, Keywords& kwargs, std::vector<NodeId>& used, Opcode op, std::string_view target) const {
  if (const auto* key = detail::repeated_key(kwargs)) {
    throw Error(ErrorKind::invalid_argument, "The keyword argument '" + *key + "' of " + detail::describe(op, target) + " is given twice");
  }
  auto store = [&](const Argument& node) -> std::optional<Argument> {
    const NodeId id = node.as_node();
    const bool foreign = node.origin() && node.origin() != graph;
    if (foreign || !table.live(id)) {
      const char* what = foreign ? " does not belong to this Graph" : table.known(id) ? " was erased" : " does not exist";
      throw Error(ErrorKind::invalid_argument, "Node " + std::to_string(detail::index_of(id)) + what + ", but was used as an argument of " +
                                                   detail::describe(op, target));
    }
    used.push_back(id);
    if (!node.origin()) return std::nullopt;
    return Argument(id);
  };
  detail::rewrite_all(args, store);
  detail::rewrite_all(kwargs, store);
}

Node Graph::Impl::create(Description what, std::string_view name) {
  if (detail::opcodes <= static_cast<std::size_t>(what.op)) {
    throw Error(ErrorKind::invalid_argument, "Opcode " + std::to_string(static_cast<unsigned>(what.op)) + " is none of the six");
  }
  if (what.target.empty()) { throw Error(ErrorKind::invalid_argument, std::string("A ") + to_string(what.op) + " node needs a target"); }
  std::vector<NodeId> used;
  adopt(what.args, what.kwargs, used, what.op, what.target);

  auto body = std::make_unique<detail::NodeBody>();
  const NodeId id{static_cast<std::uint32_t>(table.limit())};
  const NodeId prev = before == no_node ? table.tail() : table.row(before).prev;
  body->op = what.op;
  body->args = std::move(what.args);
  body->kwargs = std::move(what.kwargs);
  body->type = std::move(what.type);
  body->meta = std::move(what.meta);
  body->target = index.intern(what.op, std::move(what.target));
  const std::string& target = *body->target;
  index.prepare(id);
  uses.prepare(id, used.size());
  labels.place(id, prev, before, table);
  body->name = names.give(name.empty() ? detail::name_hint(what.op, target) : std::string(name), id);
  const std::string& given = body->name;
  try {
    table.add(body, before);
  } catch (...) {
    names.release(given, id);
    throw;
  }
  index.add(id);
  uses.assign(id, used);
  ++edits;
  if (hooks) hooks->create(handle(id));
  return handle(id);
}

void Graph::Impl::assign(NodeId id, Arguments args, Keywords kwargs) {
  std::vector<NodeId> used;
  const auto& old = table.body(id);
  adopt(args, kwargs, used, old.op, *old.target);
  // Most edits leave the inputs alone; the use lists, which are far away in memory, need not be looked at then.
  std::size_t same = 0;
  const auto compare = [&](NodeId input) { same = same < used.size() && used[same] == input ? same + 1 : used.size() + 1; };
  for (const auto& arg : old.args) for_each_node(arg, compare);
  for (const auto& entry : old.kwargs) for_each_node(entry.second, compare);
  uses.prepare(id, used.size());
  table.set_arguments(id, std::move(args), std::move(kwargs));
  if (same != used.size()) uses.assign(id, used);
  ++edits;
}

void Graph::Impl::move_before(NodeId id, NodeId next) {
  if (next == id || table.row(id).next == next) return;
  table.own_surroundings(id);
  if (next != no_node)
    table.own_surroundings(next);
  else
    table.own_surroundings(table.tail());
  if (before == id && !follows) before = table.row(id).next;
  table.unlink(id);
  labels.place(id, next == no_node ? table.tail() : table.row(next).prev, next, table);
  table.link_before(id, next);
  ++edits;
}

void Graph::Impl::erase(NodeId id) {
  table.own_surroundings(id);
  index.remove(id);
  names.release(table.body(id).name, id);
  uses.assign(id, {});
  if (before == id) before = table.row(id).next;
  table.erase(id);
  ++edits;
}

NodeId Graph::Impl::live_from(NodeId id) const noexcept {
  while (id != no_node && !table.row(id).body) id = table.row(id).next;
  return id;
}

}  // namespace lazyfx
