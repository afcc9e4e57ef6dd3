#pragma once

#include <cstdint>
#include <vector>

#include "lazyfx/ops/primitive.hpp"

namespace lazyfx::kernels {

/// How one axis is resampled: output element i is the sum over k of weight[i * taps + k] * input[index[i * taps + k]].
struct AxisTaps {
  std::int64_t in = 1, out = 1;
  std::size_t taps = 1;  ///< 1 for nearest, 2 for linear, 4 for cubic
  std::vector<std::int32_t> index;
  std::vector<float> weight;  ///< empty for nearest

  bool identity() const noexcept { return index.empty(); }
};

/// Coordinates are computed in f32, as ONNX Runtime computes them: whether a coordinate meets an integer depends on it.
/// tf_crop_and_resize means the whole input as its region.
AxisTaps make_taps(const primitive::Resize& resize, std::int64_t in, std::int64_t out, double scale);

}  // namespace lazyfx::kernels
