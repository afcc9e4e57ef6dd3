// Stability: experimental.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/shape.hpp"

namespace lazyfx {

/// The small closed set of computations that kernels exist for. Operators are lowered to these; the compiler fuses, places and
/// orders them; nothing below it knows an operator. Shapes are known when a primitive is made.

enum class ScalarOp : std::uint8_t {
  // one operand
  copy,
  neg,
  abs,
  sign,
  exp,
  log,
  sqrt,
  reciprocal,
  floor,
  ceil,
  round_even,
  tanh,
  sigmoid,
  erf,
  softplus,
  softsign,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  logical_not,
  is_nan,
  bit_not,
  cast,  ///< to the dtype of the instruction
  // two operands
  add,
  sub,
  mul,
  div,
  min,
  max,
  pow,
  fmod,
  floor_mod,
  prelu,
  logical_and,
  logical_or,
  logical_xor,
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
  equal,
  less,
  less_equal,
  greater,
  greater_equal,
  // three operands
  select,     ///< a ? b : c
  multiply_add,  ///< a * b + c
  clip,       ///< min(max(a, b), c)
};
LAZYFX_API const char* to_string(ScalarOp op) noexcept;
LAZYFX_API std::size_t operand_count(ScalarOp op) noexcept;

/// A straight-line program over one element. Registers 0..inputs-1 are the operands of the primitive (broadcast to the output's
/// shape), then one per constant, then one per instruction; the last instruction is the result.
struct LAZYFX_API ScalarProgram {
  struct Constant {
    DType dtype = DType::f32;
    double real = 0;           ///< value for floating dtypes
    std::int64_t integer = 0;  ///< value for integer and bool dtypes (u64 by its bits)
    friend bool operator==(const Constant&, const Constant&) = default;
  };
  struct Instruction {
    ScalarOp op = ScalarOp::copy;
    DType dtype = DType::f32;  ///< of the result; comparisons and logic give boolean
    std::uint16_t a = 0, b = 0, c = 0;
    friend bool operator==(const Instruction&, const Instruction&) = default;
  };
  std::vector<DType> inputs;  ///< dtypes of the operands
  std::vector<Constant> constants;
  std::vector<Instruction> code;

  /// The register of a new constant; integers saturate. All constants come before the first instruction, because registers are
  /// numbered in that order: throws Error(invalid_argument) otherwise.
  std::uint16_t add_constant(DType dtype, double value);
  /// The register of a new instruction's result.
  std::uint16_t add(ScalarOp op, DType dtype, std::uint16_t a, std::uint16_t b = 0, std::uint16_t c = 0);
  DType dtype_of_register(std::uint16_t r) const;
  friend bool operator==(const ScalarProgram&, const ScalarProgram&) = default;
};

namespace primitive {

/// inputs... -> one output; every input broadcasts (NumPy) to the output's shape.
struct Elementwise {
  ScalarProgram body;
};

enum class ReduceKind : std::uint8_t { sum, mean, max, min, prod, sum_square, l1, l2, log_sum, log_sum_exp };
/// Reduces `axes` (normalised, sorted); the output has them as 1 or has lost them (its size decides nothing else).
struct Reduce {
  ReduceKind kind = ReduceKind::sum;
  std::vector<std::size_t> axes;
};

/// Over one axis. f32 and f64.
struct Softmax {
  std::size_t axis = 0;
  bool log = false;
};

/// out = alpha * A x B + beta * C: NumPy matmul with batch broadcasting; C (optional third operand) broadcasts to the output.
/// Rank-1 operands have been reshaped away.
struct Matmul {
  bool transpose_a = false, transpose_b = false;
  double alpha = 1, beta = 1;
};

/// x: N C spatial..., w: M C/groups kernel... (transposed: C M/groups kernel...), optional bias: M. 1 to 3 spatial dimensions.
struct Convolution {
  std::vector<std::int64_t> strides, dilations, pads_begin, pads_end;
  std::int64_t groups = 1;
  bool transposed = false;
  friend bool operator==(const Convolution&, const Convolution&) = default;
};

enum class PoolKind : std::uint8_t { max, average_include_pad, average_exclude_pad };
/// x: N C spatial...; pads_end already covers what ceil mode adds.
struct Pool {
  PoolKind kind = PoolKind::max;
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;
};

/// Copies regions: for each index i below `extent`, out[out_offset + i . out_strides] = in[in_offset + i . in_strides], strides and
/// offsets in elements of row-major operands (they may be zero or negative on the input side). One operand per region: region k
/// reads input k (`regions.size() == inputs`), and together they write every element of the output, unless `fill` is set:
/// then the output is first filled with that constant. Transpose, slice, concat, pad, expand and tile are this.
struct Transfer {
  struct Region {
    std::vector<std::int64_t> extent, in_strides, out_strides;
    std::int64_t in_offset = 0, out_offset = 0;
  };
  std::vector<Region> regions;
  bool has_fill = false;
  ScalarProgram::Constant fill;
};

/// Spatial resampling of N C spatial...: out coordinate -> in coordinate by scale and the ONNX coordinate mode.
enum class ResizeMode : std::uint8_t { nearest, linear, cubic };
enum class CoordinateMode : std::uint8_t { half_pixel, pytorch_half_pixel, align_corners, asymmetric, tf_crop_and_resize };
enum class NearestMode : std::uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };
struct Resize {
  ResizeMode mode = ResizeMode::nearest;
  CoordinateMode coordinates = CoordinateMode::half_pixel;
  NearestMode nearest = NearestMode::round_prefer_floor;
  std::vector<double> scales;  ///< one per axis of the input
  double cubic_a = -0.75;
  bool exclude_outside = false;
};

/// data, indices -> data.shape[:axis] + indices.shape + data.shape[axis+1:]. Indices i32 or i64, negative ones count from the end;
/// out of range throws Error(invalid_argument) at run time.
struct Gather {
  std::size_t axis = 0;
};

}  // namespace primitive

using Primitive = std::variant<primitive::Elementwise, primitive::Reduce, primitive::Softmax, primitive::Matmul, primitive::Convolution,
                               primitive::Pool, primitive::Transfer, primitive::Resize, primitive::Gather>;

/// "elementwise", "reduce", ...
LAZYFX_API const char* name_of(const Primitive& primitive) noexcept;

}  // namespace lazyfx
