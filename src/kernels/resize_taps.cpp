#include "kernels/resize_taps.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

using primitive::CoordinateMode;
using primitive::NearestMode;
using primitive::ResizeMode;

float source(CoordinateMode mode, std::int64_t i, float scale, std::int64_t in, std::int64_t out) {
  const auto x = static_cast<float>(i);
  switch (mode) {
    case CoordinateMode::pytorch_half_pixel:
      if (out <= 1) return 0;
      [[fallthrough]];
    case CoordinateMode::half_pixel: return (x + 0.5f) / scale - 0.5f;
    case CoordinateMode::asymmetric: return x / scale;
    case CoordinateMode::align_corners: return out <= 1 ? 0 : x * static_cast<float>(in - 1) / static_cast<float>(out - 1);
    case CoordinateMode::tf_crop_and_resize:
      return out <= 1 ? 0.5f * static_cast<float>(in - 1) : x * static_cast<float>(in - 1) / static_cast<float>(out - 1);
  }
  return 0;
}

float round_to(NearestMode mode, float x) {
  switch (mode) {
    case NearestMode::round_prefer_floor: return std::ceil(x - 0.5f);
    case NearestMode::round_prefer_ceil: return std::floor(x + 0.5f);
    case NearestMode::floor: return std::floor(x);
    case NearestMode::ceil: return std::ceil(x);
  }
  return x;
}

std::array<float, 4> cubic_weights(float a, float s) {
  const auto near_by = [a](float t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
  const auto far_off = [a](float t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
  return {far_off(s + 1), near_by(s), near_by(1 - s), far_off(2 - s)};
}

}  // namespace

AxisTaps make_taps(const primitive::Resize& resize, std::int64_t in, std::int64_t out, double scale_) {
  AxisTaps taps;
  taps.in = in;
  taps.out = out;
  const auto scale = static_cast<float>(scale_);
  if (in == out && scale == 1.0f) return taps;
  if (out == 0) return taps;
  if (in <= 0 || in > std::numeric_limits<std::int32_t>::max() || !(scale > 0) || !std::isfinite(scale)) {
    throw Error(ErrorKind::invalid_argument,
                "resize of an axis from " + std::to_string(in) + " to " + std::to_string(out) + " is not possible");
  }
  taps.taps = resize.mode == ResizeMode::nearest ? 1 : resize.mode == ResizeMode::linear ? 2 : 4;
  taps.index.reserve(static_cast<std::size_t>(out) * taps.taps);
  const auto last = static_cast<float>(in - 1);
  const auto clamped = [&](float x) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(std::clamp(x, -4.0f, last + 4)), 0, in - 1));
  };
  for (std::int64_t i = 0; i < out; ++i) {
    const float x = source(resize.coordinates, i, scale, in, out);
    if (resize.mode == ResizeMode::nearest) {
      taps.index.push_back(clamped(round_to(resize.nearest, x)));
    } else if (resize.mode == ResizeMode::linear) {
      const float at = std::clamp(x, 0.0f, last);
      const std::int32_t low = clamped(std::floor(at));
      const std::int32_t high = std::min(low + 1, static_cast<std::int32_t>(in - 1));
      const float part = at - static_cast<float>(low);
      taps.index.insert(taps.index.end(), {low, high});
      taps.weight.insert(taps.weight.end(), {1 - part, part});
    } else {
      const float base = std::floor(x);
      std::array<float, 4> weight = cubic_weights(static_cast<float>(resize.cubic_a), x - base);
      if (resize.exclude_outside) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
          const float at = base + static_cast<float>(k - 1);
          if (at < 0 || at > last) weight[static_cast<std::size_t>(k)] = 0;
          sum += weight[static_cast<std::size_t>(k)];
        }
        for (float& w : weight) w /= sum;
      }
      for (int k = 0; k < 4; ++k) {
        taps.index.push_back(clamped(base + static_cast<float>(k - 1)));
        taps.weight.push_back(weight[static_cast<std::size_t>(k)]);
      }
    }
  }
  return taps;
}

}  // namespace lazyfx::kernels
