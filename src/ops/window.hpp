#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ops/support/types.hpp"

namespace lazyfx::ops {

/// How a kernel slides over the spatial axes: what the attributes kernel_shape, strides, dilations, pads, auto_pad and ceil_mode say,
/// checked. Numbers are below 2^31, so that sums and products of two of them fit.
struct Window {
  enum class AutoPad : std::uint8_t { none, same_upper, same_lower, valid };
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;
  AutoPad auto_pad = AutoPad::none;
  bool ceil = false;
  bool may_exceed = false;  ///< a window larger than the padded input by less than a stride sees what there is

  std::size_t rank() const { return kernel.size(); }
  /// What the kernel covers on axis `i`, holes included.
  std::int64_t extent(std::size_t i) const { return (kernel[i] - 1) * dilations[i] + 1; }
};

/// Reads the attributes for `kernel.size()` spatial axes; those absent become 1 (strides, dilations) and 0 (pads).
Window read_window(const Attributes& attributes, std::vector<std::int64_t> kernel);
/// The size on spatial axis `i` after sliding over `size`; fails if the kernel is larger than the padded input, and may not be.
Dim slide(const Window& window, std::size_t i, const Dim& size);
/// Replaces auto_pad by the explicit pads it means for these sizes, and lets pads_end cover what ceil mode adds.
Window resolved(Window window, const std::vector<std::int64_t>& sizes);

/// The size on spatial axis `i` of a transposed convolution, `output_padding` included.
Dim slide_transposed(const Window& window, std::size_t i, const Dim& size, std::int64_t output_padding);
/// Pads of a transposed convolution that makes `output` from `input` sizes: what auto_pad or output_shape leave open is filled in.
/// `chosen` says that `output` was given as output_shape.
Window resolved_transposed(Window window, const std::vector<std::int64_t>& input, const std::vector<std::int64_t>& output,
                           const std::vector<std::int64_t>& output_padding, bool chosen);

/// dims[2..] of an N C spatial... shape.
std::vector<std::int64_t> spatial(const Shape& shape);

}  // namespace lazyfx::ops
