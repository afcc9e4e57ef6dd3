#pragma once

#include <cstddef>
#include <cstdint>

namespace lazyfx::kernels {

/// A plane to be turned: out[row * out_stride + column] = in[column * in_stride + row], strides in elements, of either sign.
struct TransposePlan {
  std::int64_t rows = 0, columns = 0, in_stride = 0, out_stride = 0;
};

using TransposeFunction = void (*)(const TransposePlan& plan, const void* in, void* out);

/// For this processor, or nothing when planes of these sizes gain nothing from vectors. `width`: bytes of an element, 1, 2, 4 or 8.
TransposeFunction vector_transpose(const TransposePlan& plan, std::size_t width);

}  // namespace lazyfx::kernels
