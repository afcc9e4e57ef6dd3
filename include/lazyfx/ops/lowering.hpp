// Stability: experimental.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/ops/attributes.hpp"
#include "lazyfx/ops/primitive.hpp"
#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx {

/// Names a value while one application is lowered.
enum class ValueRef : std::uint32_t {};

/// What a Lowering sees and writes to: the application with every type known, and a list of primitives that it appends to. Used on one
/// thread at a time, by the compiler; lives only during the call.
///
/// Example, x * sigmoid(x):
///
///     ScalarProgram p; p.inputs = {c.dtype(c.input(0))};
///     auto s = p.add(ScalarOp::sigmoid, p.inputs[0], 0); p.add(ScalarOp::mul, p.inputs[0], 0, s);
///     c.emit(primitive::Elementwise{p}, {c.input(0)}, c.output(0)); return true;
class LAZYFX_API LoweringContext {
 public:
  virtual ~LoweringContext() = default;

  virtual const Attributes& attributes() const = 0;
  virtual std::size_t input_count() const = 0;
  virtual bool has_input(std::size_t i) const = 0;
  virtual ValueRef input(std::size_t i) const = 0;
  virtual std::size_t output_count() const = 0;
  virtual ValueRef output(std::size_t i) const = 0;

  virtual DType dtype(ValueRef v) const = 0;
  virtual const Shape& shape(ValueRef v) const = 0;
  /// The value, if it is known now; undefined otherwise.
  virtual Tensor constant_value(ValueRef v) const = 0;

  /// A new intermediate value.
  virtual ValueRef temporary(DType dtype, const Shape& shape) = 0;
  virtual ValueRef constant(Tensor value) = 0;
  /// The elements of a row-major value under another shape of the same size; costs nothing at run time.
  virtual ValueRef reshape(ValueRef v, const Shape& shape) = 0;
  /// Appends a primitive that writes `out`. Each output and temporary is written exactly once.
  virtual void emit(Primitive primitive, std::vector<ValueRef> inputs, ValueRef out) = 0;
  /// Makes `out` the elements of `v` (same size and dtype), by renaming where possible.
  virtual void alias(ValueRef v, ValueRef out) = 0;
};

}  // namespace lazyfx
