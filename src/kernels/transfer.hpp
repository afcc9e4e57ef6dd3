#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kernels/placement.hpp"

namespace lazyfx::kernels {

/// A region's walk over one operand, as strides and offset of memory rather than of row-major elements.
struct Walk {
  std::vector<std::int64_t> strides;
  std::int64_t offset = 0;
};

/// Translates a walk over the row-major elements of `operand.shape` into one over the operand as it lies. Nothing if a step of the walk
/// carries from one axis into another, which no constant stride expresses in another layout.
std::optional<Walk> walk_in_layout(const Operand& operand, std::span<const std::int64_t> extent, std::span<const std::int64_t> strides,
                                   std::int64_t offset);

/// True if every region can be walked with all operands and the output in channels_last.
bool transfer_follows(const primitive::Transfer& transfer, std::span<const Operand> inputs, const Operand& output);

}  // namespace lazyfx::kernels
