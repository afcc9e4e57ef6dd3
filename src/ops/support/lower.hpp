#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lazyfx/ops/lowering.hpp"
#include "lazyfx/ops/operator.hpp"
#include "ops/support/types.hpp"

namespace lazyfx::ops {

class Body;

/// One value of a scalar program under construction; arithmetic on it appends instructions. REQUIRES: operands of one Body.
struct Scalar {
  Body* body = nullptr;
  std::uint32_t id = 0;
  DType dtype = DType::f32;
};

/// Builds a ScalarProgram in the order of thought: constants may come after instructions, and equal ones are shared.
class Body {
 public:
  explicit Body(std::vector<DType> inputs);
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  Scalar input(std::size_t i) { return {this, static_cast<std::uint32_t>(i), program_.inputs[i]}; }
  Scalar constant(DType dtype, double value);
  Scalar apply(ScalarOp op, DType dtype, Scalar a, Scalar b, Scalar c);
  /// The program that computes `result`.
  ScalarProgram finish(Scalar result);

 private:
  // Ids while building: inputs from 0, constants from constant_base, instructions from instruction_base.
  static constexpr std::uint32_t constant_base = 1U << 20;
  static constexpr std::uint32_t instruction_base = 1U << 21;
  struct Step {
    ScalarOp op;
    DType dtype;
    std::uint32_t a, b, c;
  };
  ScalarProgram program_;
  std::vector<Step> steps_;
};

/// The result has the dtype of the first operand, or boolean where `op` compares or is logic.
Scalar apply(ScalarOp op, Scalar a);
Scalar apply(ScalarOp op, Scalar a, Scalar b);
Scalar apply(ScalarOp op, Scalar a, double b);
Scalar cast(Scalar a, DType dtype);
/// condition ? a : b
Scalar select(Scalar condition, Scalar a, Scalar b);
Scalar select(Scalar condition, Scalar a, double b);
Scalar select(Scalar condition, double a, Scalar b);
/// min(max(x, low), high)
Scalar clip(Scalar x, double low, double high);
/// a * b + c
Scalar multiply_add(Scalar a, Scalar b, Scalar c);
Scalar multiply_add(Scalar a, double b, double c);
inline Scalar operator+(Scalar a, Scalar b) { return apply(ScalarOp::add, a, b); }
inline Scalar operator-(Scalar a, Scalar b) { return apply(ScalarOp::sub, a, b); }
inline Scalar operator*(Scalar a, Scalar b) { return apply(ScalarOp::mul, a, b); }
inline Scalar operator/(Scalar a, Scalar b) { return apply(ScalarOp::div, a, b); }
inline Scalar operator+(Scalar a, double b) { return apply(ScalarOp::add, a, b); }
inline Scalar operator-(Scalar a, double b) { return apply(ScalarOp::sub, a, b); }
inline Scalar operator*(Scalar a, double b) { return apply(ScalarOp::mul, a, b); }

/// True when the dtypes of all present inputs are in `allowed`.
bool inputs_are(LoweringContext& c, DTypeSet allowed);

/// Emits one elementwise primitive over `inputs`: `body(Body&)` returns its result in terms of body.input(i).
template <class F>
void emit_elementwise(LoweringContext& c, const std::vector<ValueRef>& inputs, ValueRef out, F&& body) {
  std::vector<DType> dtypes;
  for (const ValueRef v : inputs) dtypes.push_back(c.dtype(v));
  Body builder(std::move(dtypes));
  ScalarProgram program = builder.finish(body(builder));
  c.emit(primitive::Elementwise{std::move(program)}, inputs, out);
}

/// Lowering: one instruction over input 0 / inputs 0 and 1.
Lowering lower_unary(ScalarOp op, DTypeSet allowed = fixed_size);
Lowering lower_binary(ScalarOp op, DTypeSet allowed = fixed_size);
/// Lowering: input 0 under the shape of the output.
Lowering lower_alias();
/// Lowering: a formula over input 0, floating dtypes only.
Lowering lower_unary_of(Scalar (*formula)(Scalar, const Attributes&));

/// Emits the copy of a strided view of `from` to the whole of `out`, or an alias when the view is all of `from` in order.
void emit_view(LoweringContext& c, ValueRef from, std::int64_t offset, const std::vector<std::int64_t>& strides, ValueRef out);
void emit_reduce(LoweringContext& c, primitive::ReduceKind kind, ValueRef x, std::vector<std::size_t> axes, ValueRef out);

/// The single element of a tensor of a fixed-size dtype, as programs and fills hold it.
ScalarProgram::Constant scalar_constant(const Tensor& value);

/// `shape` with the dims on `axes` set to 1.
Shape kept(const Shape& shape, std::span<const std::size_t> axes);
/// [C, 1, 1, ...] for `rank` dimensions N C ...: how per-channel vectors broadcast.
Shape channel_shape(std::int64_t channels, std::size_t rank);

}  // namespace lazyfx::ops
