#pragma once

#include <array>
#include <cstdint>

#include "lazyfx/ops/primitive.hpp"

namespace lazyfx::kernels {

/// f32 elements that give a line of results. Result i is made of `rows[0].count` times `rows[1].count` times `length` elements, from
/// in + i * in_step on; elements of one length lie side by side.
struct ReduceBlock {
  struct Rows {
    std::int64_t count = 1, step = 0;
  };
  const float* in = nullptr;
  float* out = nullptr;
  std::int64_t results = 1, in_step = 0, out_step = 1;
  std::array<Rows, 2> rows{};
  std::int64_t length = 1;
};

using ReduceFunction = void (*)(const ReduceBlock&);

/// For this processor. `by_columns`: results lie side by side (in_step is 1, length is 1), so that lanes are results; otherwise lanes are
/// elements of one result. Sums of more elements than f32 adds up well are carried on in f64.
ReduceFunction vector_reduce(primitive::ReduceKind kind, bool by_columns);

}  // namespace lazyfx::kernels
