#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/tail.hpp"

namespace lazyfx::kernels {

/// One operation on every element that a product writes, with where its operand lies: element (i, j) at operand[i * row + j * column],
/// column being 0 or 1.
struct GemmStep {
  Tail::Op op;
  float alpha = 0, beta = 0;
  const float* operand = nullptr;
  std::int64_t row = 0, column = 0;
};

/// c = steps(a x b), all f32. a: m x k, rows `a_row` apart, elements of a row side by side. b: in panels of gemm().panel columns,
/// panel p at b + p * b_panel, its rows `b_row` apart. c: m x n, rows `c_row` apart. Nothing beyond m x n is written.
struct GemmArguments {
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  std::int64_t a_row = 0;
  const float* b = nullptr;
  std::int64_t b_row = 0, b_panel = 0;
  const float* b_last = nullptr;  ///< when not null: the last panel, if it is not whole, packed and padded
  float* c = nullptr;
  std::int64_t c_row = 0;
  const GemmStep* steps = nullptr;
  std::size_t step_count = 0;
  const float* bias = nullptr;  ///< what the first step adds, if that is a number per column
  /// When `simple`, the steps are no more than that and a clip to [low, high] if `clips`.
  bool simple = false, clips = false;
  float low = 0, high = 0;

  /// Sets the five members above from the steps.
  void simplify();
};

/// The product for this processor.
struct Gemm {
  std::int64_t panel = 0;
  void (*run)(const GemmArguments&) = nullptr;
};
const Gemm& gemm();

/// Floats that k x n take in panels, padded with zeros.
std::size_t packed_floats(std::int64_t k, std::int64_t n);
/// Packs columns [from, n) of b, whose element (i, j) is at b[i * row + j * column], times `scale`.
void pack_panels(const float* b, std::int64_t row, std::int64_t column, std::int64_t k, std::int64_t n, float scale, float* packed);

}  // namespace lazyfx::kernels
