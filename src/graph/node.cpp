#include "lazyfx/graph/node.hpp"

#include "graph/graph_impl.hpp"

namespace lazyfx {
namespace {

std::string number(NodeId id) { return std::to_string(detail::index_of(id)); }

}  // namespace

const detail::NodeTable& Node::table() const {
  if (!graph_) throw Error(ErrorKind::invalid_argument, "An undefined node was asked for what only a node has");
  const auto& table = graph_->impl_->table;
  if (!table.known(id_)) throw Error(ErrorKind::invalid_argument, "The graph never had a node " + number(id_));
  return table;
}

const detail::NodeBody& Node::body() const {
  const auto* body = table().row(id_).body;
  if (!body) throw Error(ErrorKind::invalid_argument, "Node " + number(id_) + " was erased: only its id and neighbours are left");
  return *body;
}

bool Node::erased() const { return !table().row(id_).body; }
Opcode Node::op() const { return body().op; }
const std::string& Node::name() const { return body().name; }
const std::string& Node::target() const { return *body().target; }
const Arguments& Node::args() const { return body().args; }
const Keywords& Node::kwargs() const { return body().kwargs; }
const std::optional<TensorType>& Node::type() const { return body().type ? *body().type : detail::no_type; }
const Metadata& Node::meta() const { return body().meta ? *body().meta : detail::no_metadata; }

const Argument& Node::arg(std::size_t i) const {
  const Arguments& all = args();
  if (i < all.size()) return all[i];
  throw Error(ErrorKind::invalid_argument,
              "Node " + name() + " has " + std::to_string(all.size()) + " arguments, so no argument " + std::to_string(i));
}

const Argument* Node::kwarg(std::string_view key) const {
  for (const auto& entry : kwargs()) {
    if (entry.first == key) return &entry.second;
  }
  return nullptr;
}

std::vector<Node> Node::users() const {
  body();
  return graph_->impl_->handles(graph_->impl_->uses.users(id_));
}

std::size_t Node::user_count() const {
  body();
  return graph_->impl_->uses.user_count(id_);
}

std::vector<Node> Node::all_input_nodes() const {
  body();
  return graph_->impl_->handles(graph_->impl_->uses.inputs(id_));
}

Node Node::next() const {
  const auto& t = table();
  const bool gone = !t.row(id_).body;
  const NodeId next = t.row(id_).next;
  return graph_->impl_->handle(gone ? graph_->impl_->live_from(next) : next);
}

Node Node::prev() const {
  const auto& t = table();
  NodeId prev = t.row(id_).prev;
  while (prev != no_node && !t.row(prev).body) prev = t.row(prev).prev;
  return graph_->impl_->handle(prev);
}

bool Node::precedes(const Node& other) const { return graph_->impl_->precedes(id_, other.id_); }

}  // namespace lazyfx
