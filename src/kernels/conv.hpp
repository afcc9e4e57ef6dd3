#pragma once

#include <memory>

#include "kernels/window.hpp"

namespace lazyfx::kernels {

struct ConvolutionGeometry {
  Window window;
  std::int64_t groups = 1, in_channels = 1, out_channels = 1;
  bool transposed = false, has_bias = false;
};

/// Throws Error(invalid_argument) for operands that do not fit together.
ConvolutionGeometry make_geometry(const primitive::Convolution& conv, std::span<const Operand> inputs, const Operand& output);

/// For dtypes and sizes that oneDNN does not take. Inputs: x, row-major weights, optional bias.
std::unique_ptr<Kernel> make_plain_convolution(const ConvolutionGeometry& geometry, DType dtype);

}  // namespace lazyfx::kernels
