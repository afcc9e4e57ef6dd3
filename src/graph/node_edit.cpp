#include <utility>

#include "graph/graph_impl.hpp"
#include "graph/rewrite.hpp"
#include "lazyfx/graph/node.hpp"

namespace lazyfx {
namespace {

void require_target(Opcode op, const std::string& target) {
  if (target.empty()) throw Error(ErrorKind::invalid_argument, std::string("A ") + to_string(op) + " node needs a target");
  if (detail::opcodes <= static_cast<std::size_t>(op)) throw Error(ErrorKind::invalid_argument, "This opcode is none of the six");
}

[[noreturn]] void no_such_argument(const Node& node, std::size_t i) {
  throw Error(ErrorKind::invalid_argument, "Node " + node.name() + " has " + std::to_string(node.args().size()) +
                                               " arguments, so argument " + std::to_string(i) + " cannot be set");
}

}  // namespace

void Node::require_live(const char* doing) const {
  if (!graph_) throw Error(ErrorKind::invalid_argument, std::string("Cannot ") + doing + " an undefined node");
  graph_->impl_->require(*this, doing);
}

void Node::set_target(std::string target) {
  require_live("retarget");
  set_op(op(), std::move(target));
}

void Node::set_op(Opcode op, std::string target) {
  require_live("retarget");
  require_target(op, target);
  auto& impl = *graph_->impl_;
  auto interned = impl.index.intern(op, std::move(target));
  impl.index.prepare(id_);
  auto& body = impl.table.edit(id_);
  impl.index.remove(id_);
  body.op = op;
  body.target = std::move(interned);
  impl.index.add(id_);
  ++impl.edits;
}

void Node::set_args(Arguments args) {
  require_live("set arguments of");
  graph_->impl_->assign(id_, std::move(args), kwargs());
}

void Node::set_kwargs(Keywords kwargs) {
  require_live("set arguments of");
  graph_->impl_->assign(id_, args(), std::move(kwargs));
}

void Node::update_arg(std::size_t i, Argument value) {
  require_live("set an argument of");
  Arguments changed = args();
  if (i >= changed.size()) no_such_argument(*this, i);
  changed[i] = std::move(value);
  set_args(std::move(changed));
}

void Node::update_kwarg(std::string_view key, Argument value) {
  require_live("set an argument of");
  Keywords changed = kwargs();
  for (auto& entry : changed) {
    if (entry.first != key) continue;
    entry.second = std::move(value);
    return set_kwargs(std::move(changed));
  }
  changed.emplace_back(key, std::move(value));
  set_kwargs(std::move(changed));
}

void Node::insert_arg(std::size_t i, Argument value) {
  require_live("insert an argument of");
  Arguments changed = args();
  if (i > changed.size()) no_such_argument(*this, i);
  changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), std::move(value));
  set_args(std::move(changed));
}

void Node::set_type(std::optional<TensorType> type) {
  require_live("set the type of");
  auto shared = detail::share(std::move(type));
  graph_->impl_->table.edit(id_).type = std::move(shared);
  ++graph_->impl_->edits;
}

const std::string& Node::rename(std::string_view wish) {
  require_live("rename");
  auto& impl = *graph_->impl_;
  if (name() == wish) return name();
  std::string given = impl.names.give(wish, id_);
  try {
    if (impl.hooks && !impl.hooks->replace.empty()) {
      const detail::Names::Promise promise(impl.names, given, id_);
      for (const Node user : users()) impl.hooks->replace(*this, given, user);
    }
    require_live("rename");
    auto& body = impl.table.edit(id_);
    impl.names.release(body.name, id_);
    body.name.swap(given);
  } catch (...) {
    impl.names.release(given, id_);
    throw;
  }
  ++impl.edits;
  return name();
}

void Node::set_meta(std::string key, Value value) {
  require_live("describe");
  Metadata changed = meta();
  changed.insert_or_assign(std::move(key), std::move(value));
  detail::Shared shared(std::move(changed));
  graph_->impl_->table.edit(id_).meta = std::move(shared);
  ++graph_->impl_->edits;
}

void Node::erase_meta(std::string_view key) {
  require_live("describe");
  if (meta().find(key) == meta().end()) return;
  Metadata changed = meta();
  changed.erase(changed.find(key));
  detail::Shared shared(std::move(changed));
  graph_->impl_->table.edit(id_).meta = std::move(shared);
  ++graph_->impl_->edits;
}

std::vector<Node> Node::replace_all_uses_with(Node replacement, const std::function<bool(Node)>& filter, bool propagate_meta) {
  require_live("replace");
  graph_->impl_->require(replacement, "replace uses by");
  auto& impl = *graph_->impl_;
  if (propagate_meta && replacement != *this) {
    if (!replacement.meta().empty()) {
      throw Error(ErrorKind::invalid_argument,
                  "Node " + replacement.name() + " has metadata already, so that of " + name() + " cannot be moved to it");
    }
    if (!meta().empty()) {
      impl.table.edit(replacement.id_).meta = impl.table.body(id_).meta;
      impl.table.edit(id_).meta = {};
      ++impl.edits;
    }
  }
  std::vector<Node> changed;
  if (replacement == *this) return changed;
  for (Node user : users()) {
    if (user.erased() || (filter && !filter(user))) continue;
    user.replace_input_with(*this, replacement);
    changed.push_back(user);
  }
  return changed;
}

void Node::replace_input_with(Node old_input, Node new_input) {
  require_live("replace an input of");
  auto& impl = *graph_->impl_;
  impl.require(old_input, "replace input");
  impl.require(new_input, "use as an input");
  const auto swap = [&](const Argument& node) -> std::optional<Argument> {
    if (node.as_node() != old_input.id_) return std::nullopt;
    return Argument(new_input.id_);
  };
  const auto uses_old = [&] {
    bool found = false;
    const auto look = [&](NodeId id) { found |= id == old_input.id_; };
    for (const auto& arg : args()) for_each_node(arg, look);
    for (const auto& entry : kwargs()) for_each_node(entry.second, look);
    return found;
  };
  if (old_input == new_input || !uses_old()) return;
  if (impl.hooks) impl.hooks->replace(old_input, new_input.name(), *this);
  require_live("replace an input of");
  impl.require(new_input, "use as an input");
  Arguments new_args = args();
  Keywords new_kwargs = kwargs();
  detail::rewrite_all(new_args, swap);
  detail::rewrite_all(new_kwargs, swap);
  impl.assign(id_, std::move(new_args), std::move(new_kwargs));
}

void Node::prepend(Node node) {
  require_live("move a node before");
  graph_->impl_->require(node, "move");
  if (node != *this) graph_->impl_->move_before(node.id_, id_);
}

void Node::append(Node node) {
  require_live("move a node after");
  auto& impl = *graph_->impl_;
  impl.require(node, "move");
  if (node != *this) impl.move_before(node.id_, impl.table.row(id_).next);
}

}  // namespace lazyfx
