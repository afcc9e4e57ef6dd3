#pragma once

#include <cstdint>

#include "lazyfx/tensor/tensor.hpp"

namespace peers {

/// Something a text model answers to: rows of dark strokes on a light ground, with a little noise, in [-1, 1]. The same for the same shape.
/// (Noise alone makes a detector say 1e-13 everywhere, where only rounding is left to compare.)
inline lazyfx::Tensor picture(const lazyfx::Shape& shape) {
  lazyfx::Tensor tensor = lazyfx::Tensor::empty(lazyfx::DType::f32, shape);
  const auto values = tensor.mutable_values<float>();
  const std::int64_t width = shape.rank() > 0 ? shape[shape.rank() - 1] : 1;
  const std::int64_t height = shape.rank() > 1 ? shape[shape.rank() - 2] : 1;
  std::uint64_t random = 88172645463325252ULL;
  for (std::size_t i = 0; i < values.size(); ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    const float noise = static_cast<float>(random >> 40) / static_cast<float>(1 << 24) - 0.5F;
    const auto x = static_cast<std::int64_t>(i) % width, y = static_cast<std::int64_t>(i) / width % height;
    constexpr std::int64_t cell = 12, line = 28;
    const auto glyph = (x / cell * 7 + y / line * 3) % 11;
    const auto in_x = x % cell, in_y = y % line - 8;
    const bool in_letter = glyph > 2 && in_y >= 0 && in_y < 14 && in_x < 8;
    const bool stroke = in_letter && (in_x < 2 || (glyph % 2 == 0 && in_x >= 6) || in_y % 6 < 2);
    values[i] = (stroke ? -0.9F : 0.9F) + 0.1F * noise;
  }
  return tensor;
}

}  // namespace peers
