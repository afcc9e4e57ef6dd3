#pragma once

#include "kernels/placement.hpp"

namespace lazyfx::kernels {

/// A matmul as loops over batches of one M x K times K x N product. Strides are in elements; transposition is in the strides.
struct MatmulPlan {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t a_row = 0, a_column = 0, b_row = 0, b_column = 0;
  LoopNest batch;  ///< strides of a, b, c, output, and of further operands
  double alpha = 1, beta = 1;
  bool has_addend = false;
  std::int64_t c_row = 0, c_column = 0;

  std::int64_t batches() const { return batch.size(); }
  bool b_is_shared() const;  ///< one B for every batch
};

/// `more`: strides along the output's axes of operands that the batch loops walk too.
/// Throws Error(invalid_argument) for operands that do not fit together, Error(unsupported) for channels_last ones.
MatmulPlan plan_matmul(const primitive::Matmul& matmul, std::span<const Operand> inputs, const Operand& output,
                       std::span<const Strides> more);

/// Any numeric dtype, by plain loops.
std::unique_ptr<Kernel> make_plain_matmul(const MatmulPlan& plan, DType dtype);

}  // namespace lazyfx::kernels
