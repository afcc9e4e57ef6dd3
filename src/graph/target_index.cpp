#include "graph/target_index.hpp"

#include <utility>

namespace lazyfx::detail {

TargetIndex::TargetIndex() : buckets_(opcodes) {}

std::uint32_t TargetIndex::bucket_of(Opcode op, std::string_view target) {
  if (op != Opcode::call_function) return static_cast<std::uint32_t>(op);
  if (const auto it = functions_.find(target); it != functions_.end()) return it->second;
  const auto index = static_cast<std::uint32_t>(buckets_.size());
  buckets_.push_back({std::make_shared<const std::string>(target), {}});
  functions_.emplace(*buckets_.back().function, index);
  return index;
}

std::shared_ptr<const std::string> TargetIndex::intern(Opcode op, std::string target) {
  if (op == Opcode::call_function) return buckets_[bucket_of(op, target)].function;
  return std::make_shared<const std::string>(std::move(target));
}

void TargetIndex::prepare(NodeId id, Opcode op, const std::string& target) {
  auto& nodes = buckets_[bucket_of(op, target)].nodes;
  if (nodes.size() == nodes.capacity()) nodes.reserve(2 * nodes.size() + 1);
  if (places_.size() <= index_of(id)) places_.resize(index_of(id) + 1);
}

void TargetIndex::add(NodeId id, Opcode op, const std::string& target) {
  const std::uint32_t bucket = bucket_of(op, target);
  auto& nodes = buckets_[bucket].nodes;
  nodes.push_back(id);
  places_[index_of(id)] = {bucket, static_cast<std::uint32_t>(nodes.size() - 1)};
}

void TargetIndex::remove(NodeId id) noexcept {
  const Place place = places_[index_of(id)];
  auto& nodes = buckets_[place.bucket].nodes;
  const NodeId last = nodes.back();
  nodes[place.position] = last;
  places_[index_of(last)].position = place.position;
  nodes.pop_back();
}

std::vector<NodeId> TargetIndex::find(Opcode op, std::string_view target) const {
  if (op != Opcode::call_function) return buckets_[static_cast<std::size_t>(op)].nodes;
  if (!target.empty()) {
    const auto it = functions_.find(target);
    return it == functions_.end() ? std::vector<NodeId>{} : buckets_[it->second].nodes;
  }
  std::vector<NodeId> all;
  for (std::size_t i = opcodes; i < buckets_.size(); ++i) all.insert(all.end(), buckets_[i].nodes.begin(), buckets_[i].nodes.end());
  return all;
}

}  // namespace lazyfx::detail
