#include "graph/target_index.hpp"

#include <utility>

#include "graph/names.hpp"

namespace lazyfx::detail {
namespace {

std::uint32_t hash(std::string_view function) noexcept { return static_cast<std::uint32_t>(NameHash()(function)); }

}  // namespace

NodeId TargetIndex::first_of(std::string_view function) const {
  return functions_.find(hash(function), [&](NodeId id) { return *table_->body(id).target == function; });
}

Shared<std::string> TargetIndex::intern(Opcode op, std::string target) const {
  const NodeId same = op == Opcode::call_function ? first_of(target) : no_node;
  return same != no_node ? table_->body(same).target : Shared(std::move(target));
}

void TargetIndex::prepare(NodeId id) {
  functions_.prepare();
  cover(places_, id);
}

void TargetIndex::add(NodeId id) noexcept {
  const NodeBody& body = table_->body(id);
  const bool is_function = body.op == Opcode::call_function;
  const NodeId first = is_function ? first_of(*body.target) : firsts_[static_cast<std::size_t>(body.op)];
  if (first != no_node) {
    const NodeId second = std::exchange(places_[index_of(first)].next, id);
    if (second != no_node) places_[index_of(second)].prev = id;
    places_[index_of(id)] = {first, second};
    return;
  }
  places_[index_of(id)] = {};
  if (is_function)
    functions_.insert(hash(*body.target), id);
  else
    firsts_[static_cast<std::size_t>(body.op)] = id;
}

void TargetIndex::remove(NodeId id) noexcept {
  const auto [prev, next] = places_[index_of(id)];
  if (next != no_node) places_[index_of(next)].prev = prev;
  if (prev != no_node) {
    places_[index_of(prev)].next = next;
    return;
  }
  const NodeBody& body = table_->body(id);
  if (body.op != Opcode::call_function) {
    firsts_[static_cast<std::size_t>(body.op)] = next;
    return;
  }
  functions_.erase(hash(*body.target), id);
  if (next != no_node) functions_.insert(hash(*body.target), next);
}

std::vector<NodeId> TargetIndex::find(Opcode op, std::string_view target) const {
  std::vector<NodeId> found;
  const auto walk = [&](NodeId first) {
    for (NodeId id = first; id != no_node; id = places_[index_of(id)].next) found.push_back(id);
  };
  if (op != Opcode::call_function)
    walk(firsts_[static_cast<std::size_t>(op)]);
  else if (!target.empty())
    walk(first_of(target));
  else
    functions_.for_each(walk);
  return found;
}

}  // namespace lazyfx::detail
