#pragma once

#include "kernels/placement.hpp"

namespace lazyfx::kernels {

/// The geometry that convolution and pooling share, padded with neutral leading dimensions to exactly three spatial ones.
struct Window {
  std::size_t spatial = 0;  ///< of the operands: 1 to 3
  std::int64_t batch = 1;
  std::array<std::int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, pad_begin{}, pad_end{};
  /// Strides of input and output: batch, channel, three spatial.
  std::array<std::int64_t, 5> in_strides{}, out_strides{};
};

/// Reads the attribute lists (each one value per spatial dimension, or empty for its neutral value).
/// Throws Error(invalid_argument) for ranks, signs or sizes that do not fit together. `window.kernel` is filled from `kernel`.
Window make_window(const char* what, const Operand& input, const Operand& output, std::span<const std::int64_t> kernel,
                   std::span<const std::int64_t> strides, std::span<const std::int64_t> dilations, std::span<const std::int64_t> pads_begin,
                   std::span<const std::int64_t> pads_end);

}  // namespace lazyfx::kernels
