#pragma once

#include <memory>
#include <vector>

#include "kernels/matmul_plan.hpp"
#include "kernels/packing.hpp"
#include "kernels/tail.hpp"

namespace lazyfx::kernels {

/// A matmul plan and what its tail needs. The tail's operands are further operands of the batch loops, from the fifth on.
struct GemmPlan : MatmulPlan {
  static constexpr std::size_t most_steps = 12, most_operands = 4;

  /// Where an epilogue's operand lies next to the output; `column` is 0 or 1.
  struct TailOperand {
    std::int64_t row = 0, column = 0;
  };
  Tail tail;
  std::vector<TailOperand> tail_operands;

  /// Makes batches that share one b and lie behind each other one taller product.
  void merge_batches();
};

/// f32. Inputs: a, b, addend if the plan has one, then the tail's operands. `b` is packed if it is defined and shared by all batches.
/// REQUIRES: at most most_steps - 2 tail steps and most_operands operands.
std::unique_ptr<Kernel> make_gemm_kernel(GemmPlan plan, const Tensor& b, Packing* packing);

}  // namespace lazyfx::kernels
