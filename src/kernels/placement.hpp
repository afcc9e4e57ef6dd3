#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernel.hpp"

namespace lazyfx::kernels {

/// Strides in elements, one per logical axis; what lies beyond the rank is 0.
using Strides = std::array<std::int64_t, Shape::max_rank>;
/// Logical axes in the order of memory, outermost first.
using AxisOrder = std::array<std::uint8_t, Shape::max_rank>;

AxisOrder memory_order(Layout layout, std::size_t rank);
/// Throws Error(unsupported) for a channels_last operand whose rank is not 3 to 5.
Strides strides_of(const Operand& operand);
/// Strides of `operand` along the axes of `shape`, aligned at the last axis, 0 where it stretches.
/// Throws Error(invalid_argument) if it does not broadcast to `shape`.
Strides broadcast_strides(const Operand& operand, const Shape& shape);
std::size_t bytes_of(const Operand& operand);

/// Nested loops over a dense box, outermost first, with the stride of every operand in every loop. Loops of one step are dropped and
/// neighbours that all operands walk as one are merged; an innermost loop always exists.
struct LoopNest {
  std::size_t rank = 0;
  std::array<std::int64_t, Shape::max_rank> extent{};
  std::vector<Strides> strides;  ///< per operand, per loop

  std::int64_t size() const noexcept;
};
LoopNest collapse(const Shape& shape, const AxisOrder& order, std::span<const Strides> operands);

/// Calls `f(offset_0, offset_1, ...)` style: `f(const std::int64_t* offsets)` with each operand's offset for every iteration of all
/// loops but the innermost `inner` ones.
template <class F>
void for_each_outer(const LoopNest& nest, std::size_t inner, F&& f) {
  const std::size_t outer = nest.rank - inner;
  const std::size_t operands = nest.strides.size();
  std::array<std::int64_t, 8> offsets{};
  std::array<std::int64_t, Shape::max_rank> index{};
  for (std::size_t i = 0; i < nest.rank; ++i) {
    if (nest.extent[i] == 0) return;
  }
  for (;;) {
    f(static_cast<const std::int64_t*>(offsets.data()));
    std::size_t axis = outer;
    for (;;) {
      if (axis == 0) return;
      --axis;
      for (std::size_t k = 0; k < operands; ++k) offsets[k] += nest.strides[k][axis];
      if (++index[axis] < nest.extent[axis]) break;
      for (std::size_t k = 0; k < operands; ++k) offsets[k] -= nest.strides[k][axis] * nest.extent[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace lazyfx::kernels
