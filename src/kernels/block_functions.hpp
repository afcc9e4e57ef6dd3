#pragma once

#include <cstddef>

#include "lazyfx/ops/primitive.hpp"

namespace lazyfx::kernels {

/// One instruction over `n` consecutive elements of its operands; unused operands are ignored. `out` may be one of the operands.
using BlockFunction = void (*)(const void* a, const void* b, const void* c, void* out, std::size_t n);

/// Each of these gives nullptr for what it does not know.

/// `op` on operands of type `operand` (select: `operand` is the type of its second and third), by plain loops.
/// f16 and bf16 are not here: they are computed in f32.
BlockFunction plain_function(ScalarOp op, DType operand);
/// Conversion between any two numeric types.
BlockFunction cast_function(DType from, DType to);
/// `op` on f32 operands with the widest vectors of this processor.
BlockFunction vector_function(ScalarOp op);

}  // namespace lazyfx::kernels
