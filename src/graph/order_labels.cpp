#include "graph/order_labels.hpp"

#include <algorithm>

namespace lazyfx::detail {
namespace {

constexpr unsigned label_bits = 62;
constexpr std::uint64_t label_end = std::uint64_t{1} << label_bits;  // labels lie strictly between 0 and this
constexpr std::uint64_t end_gap = std::uint64_t{1} << 28;            // left free when appending: room for 2^33 at either end
constexpr double thinning = 1.3;  // each doubling of a neighbourhood must be this much sparser; 2^32 nodes fit in 62 bits below 1.37
constexpr std::uint64_t least_gap = 4;

}  // namespace

void OrderLabels::place(NodeId id, NodeId prev, NodeId next, const NodeTable& table) {
  cover(labels_, id);
  for (;;) {
    const std::uint64_t low = prev == no_node ? 0 : (*this)[prev];
    const std::uint64_t high = next == no_node ? label_end : (*this)[next];
    if (high - low < 2) {
      spread(prev == no_node ? next : prev, table);
      continue;
    }
    const std::uint64_t half = (high - low) / 2;
    std::uint64_t& label = labels_[index_of(id)];
    if (prev != no_node && next == no_node)
      label = low + std::min(half, end_gap);
    else if (prev == no_node && next != no_node)
      label = high - std::min(half, end_gap);
    else
      label = low + half;
    return;
  }
}

void OrderLabels::spread(NodeId around, const NodeTable& table) {
  NodeId first = around;
  NodeId last = around;
  std::uint64_t count = 1;
  double capacity = 1;
  for (unsigned bits = 1; bits <= label_bits; ++bits) {
    const std::uint64_t width = std::uint64_t{1} << bits;
    const std::uint64_t base = (*this)[around] & ~(width - 1);
    capacity *= 2 / thinning;
    for (NodeId p = no_node; (p = table.row(first).prev) != no_node && (*this)[p] >= base; ++count) first = p;
    for (NodeId n = no_node; (n = table.row(last).next) != no_node && (*this)[n] - base < width; ++count) last = n;
    const std::uint64_t gap = width / (count + 1);
    if (gap < least_gap || static_cast<double>(count) > capacity) continue;
    std::uint64_t label = base;
    for (NodeId id = first;; id = table.row(id).next) {
      labels_[index_of(id)] = label += gap;
      if (id == last) return;
    }
  }
}

}  // namespace lazyfx::detail
