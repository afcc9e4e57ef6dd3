#include "lazyfx/graph/graph.hpp"

#include <utility>

#include "graph/graph_impl.hpp"

namespace lazyfx {

Graph::Graph() : impl_(std::make_unique<Impl>(this)) {}
Graph::Graph(const Graph& other) : impl_(std::make_unique<Impl>(this, *other.impl_)) {}
Graph::~Graph() = default;

Node Graph::placeholder(std::string name, std::optional<TensorType> type, std::optional<Argument> default_value) {
  Arguments args;
  if (default_value) args.push_back(std::move(*default_value));
  return create_node(Opcode::placeholder, std::move(name), std::move(args), {}, {}, std::move(type));
}

Node Graph::get_attr(std::string path, std::optional<TensorType> type) {
  return create_node(Opcode::get_attr, std::move(path), {}, {}, {}, std::move(type));
}

Node Graph::call_function(std::string target, Arguments args, Keywords kwargs, std::string_view name) {
  return create_node(Opcode::call_function, std::move(target), std::move(args), std::move(kwargs), name);
}

Node Graph::call_method(std::string method, Arguments args, Keywords kwargs, std::string_view name) {
  return create_node(Opcode::call_method, std::move(method), std::move(args), std::move(kwargs), name);
}

Node Graph::call_module(std::string path, Arguments args, Keywords kwargs, std::string_view name) {
  return create_node(Opcode::call_module, std::move(path), std::move(args), std::move(kwargs), name);
}

Node Graph::output(Argument result) {
  Arguments args;
  args.push_back(std::move(result));
  return create_node(Opcode::output, "output", std::move(args));
}

Node Graph::create_node(Opcode op, std::string target, Arguments args, Keywords kwargs, std::string_view name,
                        std::optional<TensorType> type) {
  return impl_->create({op, std::move(target), std::move(args), std::move(kwargs), detail::share(std::move(type)), {}}, name);
}

InsertionScope Graph::inserting_before(Node node) {
  if (!node.defined()) return {this, impl_->table.head(), false};
  impl_->require(node, "insert before");
  return {this, node.id(), true};
}

InsertionScope Graph::inserting_after(Node node) {
  if (!node.defined()) return {this, no_node, false};
  impl_->require(node, "insert after");
  return {this, impl_->table.row(node.id()).next, false};
}

InsertionScope::InsertionScope(Graph* graph, NodeId before, bool follows) noexcept
    : graph_(graph),
      previous_(std::exchange(graph->impl_->before, before)),
      previous_follows_(std::exchange(graph->impl_->follows, follows)) {}

InsertionScope::InsertionScope(InsertionScope&& other) noexcept
    : graph_(std::exchange(other.graph_, nullptr)), previous_(other.previous_), previous_follows_(other.previous_follows_) {}

InsertionScope::~InsertionScope() {
  if (!graph_) return;
  graph_->impl_->before = graph_->impl_->live_from(previous_);
  graph_->impl_->follows = previous_follows_;
}

std::size_t Graph::size() const noexcept { return impl_->table.size(); }
std::uint64_t Graph::edit_count() const noexcept { return impl_->edits; }

Node Graph::node(NodeId id) const {
  if (!impl_->table.known(id)) {
    throw Error(ErrorKind::invalid_argument, "The graph never had a node " + std::to_string(detail::index_of(id)));
  }
  return impl_->handle(id);
}

Node Graph::find(std::string_view name) const { return impl_->handle(impl_->names.find(name)); }

std::vector<Node> Graph::find_nodes(Opcode op, std::string_view target) const {
  if (detail::opcodes <= static_cast<std::size_t>(op)) return {};
  auto ids = impl_->index.find(op, target);
  if (op != Opcode::call_function && !target.empty()) {
    std::erase_if(ids, [&](NodeId id) { return *impl_->table.body(id).target != target; });
  }
  impl_->sort(ids);
  return impl_->handles(ids);
}

Node Graph::output_node() const {
  auto outputs = find_nodes(Opcode::output);
  return outputs.empty() ? Node() : outputs.back();
}

std::vector<Node> Graph::placeholders() const { return find_nodes(Opcode::placeholder); }

Snapshot Graph::freeze() const {
  if (impl_->frozen_at == impl_->edits) {
    if (auto same = impl_->frozen.lock()) return Snapshot(std::move(same));
  }
  auto picture = impl_->table.freeze();
  impl_->frozen = picture;
  impl_->frozen_at = impl_->edits;
  return Snapshot(std::move(picture));
}

namespace {

Graph::Impl::Hooks& hooks_of(Graph::Impl& impl) {
  if (!impl.hooks) impl.hooks = std::make_shared<Graph::Impl::Hooks>();
  return *impl.hooks;
}

}  // namespace

HookHandle Graph::on_create(std::function<void(Node)> hook) {
  const auto id = hooks_of(*impl_).create.add(std::move(hook));
  return HookHandle([id, hooks = std::weak_ptr(impl_->hooks)] {
    if (const auto alive = hooks.lock()) alive->create.remove(id);
  });
}

HookHandle Graph::on_erase(std::function<void(Node)> hook) {
  const auto id = hooks_of(*impl_).erase.add(std::move(hook));
  return HookHandle([id, hooks = std::weak_ptr(impl_->hooks)] {
    if (const auto alive = hooks.lock()) alive->erase.remove(id);
  });
}

HookHandle Graph::on_replace(std::function<void(Node, const std::string&, Node)> hook) {
  const auto id = hooks_of(*impl_).replace.add(std::move(hook));
  return HookHandle([id, hooks = std::weak_ptr(impl_->hooks)] {
    if (const auto alive = hooks.lock()) alive->replace.remove(id);
  });
}

NodeRange Graph::nodes() const { return {impl_->graph, false}; }

NodeRange::Iterator NodeRange::begin() const {
  const auto& table = graph_->impl_->table;
  return {graph_, reverse_ ? table.tail() : table.head(), reverse_};
}

std::size_t NodeRange::size() const { return graph_->size(); }

NodeRange::Iterator& NodeRange::Iterator::operator++() {
  const auto& table = graph_->impl_->table;
  do {
    const NodeRecord& row = table.row(id_);
    id_ = reverse_ ? row.prev : row.next;
  } while (id_ != no_node && !table.row(id_).body);
  return *this;
}

}  // namespace lazyfx
