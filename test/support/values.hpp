#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <vector>

#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/value.hpp"

namespace support {

/// A vector of f32.
inline lazyfx::Tensor vec(std::initializer_list<float> values) {
  return lazyfx::Tensor::from<float>(values, lazyfx::Shape{static_cast<std::int64_t>(values.size())});
}

/// Same shape and f32 elements within 1e-4 of the largest plus 1e-3 of each, or within `floor`; NaN and infinities where the other has them.
inline bool close(const lazyfx::Tensor& a, const lazyfx::Tensor& b, float floor = 0) {
  if (a.dtype() != lazyfx::DType::f32 || b.dtype() != lazyfx::DType::f32 || !(a.shape() == b.shape())) return false;
  const lazyfx::Tensor left = a.contiguous();
  const lazyfx::Tensor right = b.contiguous();
  const auto x = left.values<float>();
  const auto y = right.values<float>();
  float largest = 0;
  for (const float v : y) {
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  }
  return std::equal(x.begin(), x.end(), y.begin(), [largest, floor](float p, float q) {
    if (!std::isfinite(p) || !std::isfinite(q)) return p == q || (std::isnan(p) && std::isnan(q));
    return std::abs(p - q) <= std::max(floor, 1e-4F * largest + 1e-3F * std::abs(q));
  });
}

/// The same for values of any kind.
inline bool close(const lazyfx::Value& a, const lazyfx::Value& b, float floor = 0) {
  if (a.is_tensor() && b.is_tensor() && a.as_tensor().dtype() == lazyfx::DType::f32) return close(a.as_tensor(), b.as_tensor(), floor);
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
    return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                      [floor](const lazyfx::Value& x, const lazyfx::Value& y) { return close(x, y, floor); });
  }
  return a == b;
}

}  // namespace support
