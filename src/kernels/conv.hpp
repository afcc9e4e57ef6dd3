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

/// Transposed convolutions of f32 whose windows tile the output (kernel and stride equal, no pads, one group, constant weights) as one product
/// of matrices per row of the input; oneDNN takes up to fifty times as long for channels that fill no vector. nullptr for all others.
std::unique_ptr<Kernel> make_tiling_convolution(const KernelRequest& request, const ConvolutionGeometry& geometry, bool& applied);

}  // namespace lazyfx::kernels
