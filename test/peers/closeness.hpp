#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/value.hpp"

namespace peers {

/// How far an output may be from ONNX Runtime's: |a - b| <= of_largest max|b| + of_each |b|.
constexpr double of_largest = 1e-4, of_each = 1e-3;

/// The largest difference as a part of what is allowed; infinite for another shape or dtype.
inline double error_of(const lazyfx::Tensor& actual, const lazyfx::Tensor& expected) {
  constexpr double hopeless = std::numeric_limits<double>::infinity();
  if (actual.dtype() != expected.dtype() || !(actual.shape() == expected.shape())) return hopeless;
  if (expected.dtype() != lazyfx::DType::f32) return equal(actual, expected) ? 0 : hopeless;
  const lazyfx::Tensor dense = actual.contiguous();
  const auto a = dense.values<float>(), b = expected.values<float>();
  double largest = 0, worst = 0;
  for (const float v : b) largest = std::max(largest, std::abs(double{v}));
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(double{a[i]} - double{b[i]});
    if (off == 0) continue;
    const double part = off / (of_largest * largest + of_each * std::abs(double{b[i]}));
    worst = part <= worst ? worst : std::isnan(part) ? hopeless : part;
  }
  return worst;
}

inline std::vector<lazyfx::Tensor> tensors_of(const lazyfx::Value& result) {
  if (result.is_tensor()) return {result.as_tensor()};
  std::vector<lazyfx::Tensor> all;
  for (const auto& item : result.items()) all.push_back(item.as_tensor());
  return all;
}

}  // namespace peers
