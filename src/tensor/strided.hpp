#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lazyfx/tensor/shape.hpp"

namespace lazyfx::detail {

/// Walks N operands of one shape in row-major order as few, long rows: axes of size 1 are dropped, and neighbours that lie
/// next to each other in every operand become one. `visit(offsets, count, strides)`, all in elements, returns false to stop.
/// The answer is false if a visit was. REQUIRES: each operand has shape.rank() strides whose offsets fit in 63 bits.
template <std::size_t N, class Visit>
bool for_each_row(const Shape& shape, const std::array<std::span<const std::int64_t>, N>& strides, Visit&& visit) {
  using Offsets = std::array<std::int64_t, N>;
  struct Axis {
    std::int64_t count = 1;
    Offsets strides{};
    std::int64_t position = 0;
  };
  if (shape.size() == 0) return true;

  std::array<Axis, Shape::max_rank + 1> axes{};
  std::size_t rank = 0;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    Axis axis{shape[i], {}, 0};
    for (std::size_t k = 0; k < N; ++k) axis.strides[k] = strides[k][i];
    bool joins = rank != 0;
    for (std::size_t k = 0; joins && k < N; ++k) joins = axes[rank - 1].strides[k] == axis.strides[k] * axis.count;
    if (joins) {
      axes[rank - 1].count *= axis.count;
      axes[rank - 1].strides = axis.strides;
    } else {
      axes[rank++] = axis;
    }
  }
  if (rank == 0) rank = 1;  // a single element: one row of one

  const Axis& row = axes[rank - 1];
  Offsets offsets{};
  for (;;) {
    if (!visit(offsets, row.count, row.strides)) return false;
    std::size_t i = rank - 1;
    for (;; --i) {
      if (i == 0) return true;
      Axis& axis = axes[i - 1];
      const bool more = ++axis.position < axis.count;
      for (std::size_t k = 0; k < N; ++k) offsets[k] += more ? axis.strides[k] : -axis.strides[k] * (axis.count - 1);
      if (more) break;
      axis.position = 0;
    }
  }
}

}  // namespace lazyfx::detail
