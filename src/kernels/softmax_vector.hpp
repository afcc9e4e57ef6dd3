#pragma once

#include <cstdint>

namespace lazyfx::kernels {

/// A line of f32 softmaxes, each over `length` elements `step` apart; softmax i begins at i * in_step and i * out_step. In and out may be
/// the same memory when the steps are the same.
struct SoftmaxBlock {
  const float* in = nullptr;
  float* out = nullptr;
  std::int64_t results = 1, in_step = 0, out_step = 0;
  std::int64_t length = 1, in_element = 1, out_element = 1;
};

using SoftmaxFunction = void (*)(const SoftmaxBlock&);

/// For this processor. `by_columns`: softmaxes lie side by side (in_step and out_step are 1), so that lanes are softmaxes; otherwise the
/// elements of each lie side by side (in_element and out_element are 1).
SoftmaxFunction vector_softmax(bool log, bool by_columns);

}  // namespace lazyfx::kernels
