#include "compile/memory_plan.hpp"

#include <iterator>

namespace lazyfx::compile {

std::size_t MemoryPlan::allocate(std::size_t bytes) {
  bytes = round(bytes);
  auto best = gaps_.end();
  for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
    if (gap->second >= bytes && (best == gaps_.end() || gap->second < best->second)) best = gap;
  }
  if (best != gaps_.end()) {
    const auto [offset, size] = *best;
    gaps_.erase(best);
    if (size > bytes) gaps_.emplace(offset + bytes, size - bytes);
    return offset;
  }
  // A gap at the end grows into what is needed.
  if (!gaps_.empty()) {
    const auto last = std::prev(gaps_.end());
    if (last->first + last->second == size_) {
      const std::size_t offset = last->first;
      gaps_.erase(last);
      size_ = offset + bytes;
      return offset;
    }
  }
  const std::size_t offset = size_;
  size_ += bytes;
  return offset;
}

void MemoryPlan::release(std::size_t offset, std::size_t bytes) {
  bytes = round(bytes);
  auto [gap, fresh] = gaps_.emplace(offset, bytes);
  static_cast<void>(fresh);
  if (const auto next = std::next(gap); next != gaps_.end() && gap->first + gap->second == next->first) {
    gap->second += next->second;
    gaps_.erase(next);
  }
  if (gap != gaps_.begin()) {
    const auto previous = std::prev(gap);
    if (previous->first + previous->second == gap->first) {
      previous->second += gap->second;
      gaps_.erase(gap);
    }
  }
}

}  // namespace lazyfx::compile
