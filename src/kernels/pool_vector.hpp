#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/window.hpp"

namespace lazyfx::kernels {

/// What the window at one position of one axis sees: `count` elements from `first`, a constant step apart.
struct PoolTaps {
  std::int64_t first = 0, count = 0;
};

/// A pooling with its windows clipped to the input, in three spatial axes.
struct PoolPlan {
  Window window;
  std::int64_t channels = 1;
  std::array<std::vector<PoolTaps>, 3> taps;  ///< per position of the output; in elements of the axis
  bool include_pad = false;

  /// What the sum over the window at this position is multiplied with to give the average.
  float scale(std::int64_t z, std::int64_t y, std::int64_t x) const {
    const auto at = [](const std::vector<PoolTaps>& axis, std::int64_t i) { return axis[static_cast<std::size_t>(i)].count; };
    const std::int64_t seen = at(taps[0], z) * at(taps[1], y) * at(taps[2], x);
    const std::int64_t count = include_pad ? window.kernel[0] * window.kernel[1] * window.kernel[2] : seen;
    return seen == 0 ? 0.0f : 1.0f / static_cast<float>(count);
  }
  /// Elements of one padded row of the input, as planar pooling wants it in scratch memory.
  std::int64_t line() const;
};

/// `line` is scratch for plan.line() floats, which only the planar function uses.
using PoolFunction = void (*)(const PoolPlan& plan, const float* in, float* out, float* line);

/// For this processor: maximum or average, over channels_last or row_major f32.
PoolFunction vector_pool(bool max, bool channels_last);

}  // namespace lazyfx::kernels
