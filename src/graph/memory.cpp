#include "graph/memory.hpp"

#include "graph/node_table.hpp"

namespace lazyfx::detail {
namespace {

constexpr std::size_t per_allocation = 2 * sizeof(void*);  // what an allocator adds, about
constexpr std::size_t of_map_node = 4 * sizeof(void*);

template <class T>
std::size_t block(std::size_t n) noexcept {
  return n == 0 ? 0 : n * sizeof(T) + per_allocation;
}

std::size_t block_of(const std::string& text) noexcept {
  return text.capacity() > std::string().capacity() ? text.capacity() + per_allocation : 0;
}

/// Beside the argument itself. Recursion is as deep as arguments nest.
std::size_t behind(const Argument& a) {
  std::size_t bytes = 0;
  if (a.is_string()) {
    bytes = block_of(a.as_string());
  } else if (a.is_tensor()) {
    bytes = a.as_tensor().defined() ? a.as_tensor().byte_size() + per_allocation : 0;
  } else if (a.is_list() || a.is_tuple()) {
    bytes = block<Argument>(a.items().capacity()) + sizeof(Argument::Items) + per_allocation;
    for (const Argument& item : a.items()) bytes += behind(item);
  } else if (a.is_dict()) {
    bytes = block<Argument::Entries::value_type>(a.entries().capacity()) + sizeof(Argument::Entries) + per_allocation;
    for (const auto& [key, value] : a.entries()) bytes += block_of(key) + behind(value);
  } else if (a.is_slice()) {
    const Argument::Slice& slice = a.as_slice();
    bytes = sizeof slice + per_allocation + behind(slice.start) + behind(slice.stop) + behind(slice.step);
  }
  return bytes;
}

std::size_t behind(const Value& value) {
  if (value.is_string()) return block_of(value.as_string());
  if (value.is_tensor()) return value.as_tensor().defined() ? value.as_tensor().byte_size() + per_allocation : 0;
  std::size_t bytes = 0;
  if (value.is_list() || value.is_tuple()) {
    for (const Value& item : value.items()) bytes += sizeof item + behind(item);
  }
  return bytes;
}

std::size_t memory_of(const NodeView& node) {
  std::size_t bytes = sizeof(NodeBody) + per_allocation + block_of(node.name()) + block<Argument>(node.args().capacity()) +
                      block<Keywords::value_type>(node.kwargs().capacity());
  for (const Argument& a : node.args()) bytes += behind(a);
  for (const auto& [key, a] : node.kwargs()) bytes += block_of(key) + behind(a);
  if (const auto& type = node.type()) {
    bytes += sizeof type + per_allocation;
    if (type->dims) bytes += block<Dim>(type->dims->capacity());
  }
  if (!node.meta().empty()) bytes += sizeof(Metadata) + per_allocation;
  for (const auto& [key, value] : node.meta()) bytes += of_map_node + sizeof key + block_of(key) + sizeof value + behind(value);
  return bytes;
}

/// Erased nodes leave their rows behind.
std::size_t memory_of_rows(std::size_t rows) noexcept {
  std::size_t chunks = (rows + leaf_size - 1) / leaf_size;
  std::size_t bytes = chunks * (sizeof(Leaf) + per_allocation);
  while (chunks > 1) {
    chunks = (chunks + inner_size - 1) / inner_size;
    bytes += chunks * (sizeof(Inner) + per_allocation);
  }
  return bytes;
}

}  // namespace

std::size_t memory_of(const Snapshot& snapshot) {
  std::size_t bytes = sizeof(Snapshot::Impl) + per_allocation + memory_of_rows(snapshot.id_limit());
  for (const NodeView node : snapshot) bytes += memory_of(node);
  return bytes;
}

}  // namespace lazyfx::detail
