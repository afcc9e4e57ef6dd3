#include <limits>

#include "ops/families.hpp"
#include "ops/shipped.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Value = Composer::Value;
using Sizes = std::vector<std::int64_t>;

constexpr DTypeSet bytes{DType::i8, DType::u8};

/// A scale or zero point seen beside `x`: a vector lies along `axis`, one element everywhere.
Value along(Composer& c, Value v, Value x, std::int64_t axis) {
  const Shape shape = c.shape(v);
  if (shape.size() == 1) return c.reshape(v, {});
  const Shape whole = c.shape(x);
  if (shape.rank() != 1) fail("a scale or zero point has shape " + to_string(shape) + " where a scalar or a vector is expected");
  const std::size_t at = axis_in(axis, whole.rank());
  if (shape[0] != whole[at])
    fail("a scale or zero point has " + std::to_string(shape[0]) + " elements for an axis of " + std::to_string(whole[at]));
  Sizes dims(whole.rank(), 1);
  dims[at] = shape[0];
  return c.reshape(v, dims);
}

Value limited(Composer& c, Value x, DType to) {
  const bool is_signed = to == DType::i8;
  return c.cast(c.apply("Clip", {x, c.number(c.dtype(x), is_signed ? -128 : 0), c.number(c.dtype(x), is_signed ? 127 : 255)}), to);
}

/// saturate(round(x / scale) + zero_point), ties to even. `zero` may be none: u8 zero.
Value quantized(Composer& c, Value x, Value scale, Value zero, std::int64_t axis) {
  const Value real = c.cast(x, DType::f32);
  const Value rounded = c.apply("Round", {c.apply("Div", {real, along(c, scale, x, axis)})});
  if (zero == Composer::none) return limited(c, rounded, DType::u8);
  return limited(c, c.apply("Add", {rounded, along(c, c.cast(zero, DType::f32), x, axis)}), c.dtype(zero));
}

/// x - zero_point as i32.
Value centred(Composer& c, Value x, Value zero, std::int64_t axis) {
  const Value wide = c.cast(x, DType::i32);
  return zero == Composer::none ? wide : c.apply("Sub", {wide, along(c, c.cast(zero, DType::i32), x, axis)});
}

Value optional_input(Composer& c, std::size_t i) { return c.has_input(i) ? c.input(i) : Composer::none; }

std::vector<TensorType> quantize_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, {DType::f32, DType::i32}, "x");
  input(c, 1, {DType::f32}, "y_scale");
  return {typed(has_input(c, 2) ? input(c, 2, bytes, "y_zero_point").dtype : DType::u8, x.dims)};
}

std::vector<TensorType> dequantize_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, bytes | DTypeSet{DType::i32}, "x");
  input(c, 1, {DType::f32}, "x_scale");
  if (has_input(c, 2)) require_same_dtype(c, 0, 2);
  return {typed(DType::f32, x.dims)};
}

Composer::Values dequantize(Composer& c) {
  const std::int64_t axis = c.attributes().get_int("axis", 1);
  const Value x = c.input(0);
  const Value real = c.cast(centred(c, x, optional_input(c, 2), axis), DType::f32);
  return {c.apply("Mul", {real, along(c, c.input(1), x, axis)})};
}

// DynamicQuantizeLinear chooses scale and zero point so that the range of x, widened to hold zero, fills a byte.

std::vector<TensorType> dynamic_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, {DType::f32}, "x");
  std::vector<TensorType> types{typed(DType::u8, x.dims), TensorType(DType::f32, Dims{}), TensorType(DType::u8, Dims{})};
  types.resize(c.output_count);
  return types;
}

Composer::Values dynamic_quantize(Composer& c) {
  const Value x = c.input(0);
  const Value nothing = c.number(DType::f32, 0);
  const Value low = c.apply("Min", {nothing, c.apply("ReduceMin", {x}, {{"keepdims", 0}})});
  const Value high = c.apply("Max", {nothing, c.apply("ReduceMax", {x}, {{"keepdims", 0}})});
  const Value scale = c.apply("Div", {c.apply("Sub", {high, low}), c.number(DType::f32, 255)});
  // All zeros have no range: any scale will do.
  const Value safe = c.apply("Where", {c.apply("Equal", {scale, nothing}), c.number(DType::f32, 1), scale});
  const Value zero = limited(c, c.apply("Round", {c.apply("Sub", {nothing, c.apply("Div", {low, safe})})}), DType::u8);
  Composer::Values results{quantized(c, x, safe, zero, 0), scale, zero};
  results.resize(c.output_count());
  return results;
}

// Products of integers, exactly.

/// A zero point of a matmul operand: per row of A or column of B where it is a vector.
Value matrix_centred(Composer& c, Value x, Value zero, bool rows) {
  const Value wide = c.cast(x, DType::i32);
  if (zero == Composer::none) return wide;
  Value point = c.cast(zero, DType::i32);
  const Shape shape = c.shape(point);
  if (shape.rank() <= 1 && shape.size() == 1)
    point = c.reshape(point, {});
  else if (shape.rank() == 1 && rows)
    point = c.reshape(point, {shape[0], 1});
  return c.apply("Sub", {wide, point});
}

std::vector<TensorType> integer_product_type(const TypeContext& c, std::size_t b, DType result) {
  const TensorType& left = input(c, 0, bytes, "A");
  const TensorType& right = input(c, b, bytes, "B");
  if (!left.dims || !right.dims) return {TensorType(result)};
  if (left.dims->empty() || right.dims->empty()) fail("an operand is a scalar");
  Dims a_dims = *left.dims;
  Dims b_dims = *right.dims;
  if (a_dims.size() == 1) a_dims.insert(a_dims.begin(), Dim(1));
  if (b_dims.size() == 1) b_dims.emplace_back(1);
  merge(a_dims.back(), b_dims[b_dims.size() - 2], "the columns of A and the rows of B");
  Dims out = *broadcast_dims(Dims(a_dims.begin(), a_dims.end() - 2), Dims(b_dims.begin(), b_dims.end() - 2));
  if (left.dims->size() > 1) out.push_back(a_dims[a_dims.size() - 2]);
  if (right.dims->size() > 1) out.push_back(b_dims.back());
  return {TensorType(result, out)};
}

Composer::Values matmul_integer(Composer& c) {
  return {c.apply("MatMul",
                  {matrix_centred(c, c.input(0), optional_input(c, 2), true), matrix_centred(c, c.input(1), optional_input(c, 3), false)})};
}

Value matrix_scale(Composer& c, Value scale, bool rows) {
  const Shape shape = c.shape(scale);
  if (shape.rank() <= 1 && shape.size() == 1) return c.reshape(scale, {});
  return shape.rank() == 1 && rows ? c.reshape(scale, {shape[0], 1}) : scale;
}

/// a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
Composer::Values qlinear_matmul(Composer& c) {
  const Value product =
      c.apply("MatMul", {matrix_centred(c, c.input(0), c.input(2), true), matrix_centred(c, c.input(3), c.input(5), false)});
  const Value scaled = c.apply(
      "Mul", {c.apply("Mul", {c.cast(product, DType::f32), matrix_scale(c, c.input(1), true)}), matrix_scale(c, c.input(4), false)});
  const Value rounded = c.apply("Round", {c.apply("Div", {scaled, matrix_scale(c, c.input(6), true)})});
  return {limited(c, c.apply("Add", {rounded, matrix_scale(c, c.cast(c.input(7), DType::f32), true)}), c.dtype(c.input(7)))};
}

Keywords convolution_keywords(const Attributes& attributes) {
  Keywords given;
  for (const auto& entry : attributes.entries()) given.push_back(entry);
  return given;
}

/// The convolution of integers in f64, where every sum that i32 holds is exact.
Value integer_convolution(Composer& c, Value x, Value x_zero, Value w, Value w_zero) {
  const Value product = c.apply("Conv", {c.cast(centred(c, x, x_zero, 1), DType::f64), c.cast(centred(c, w, w_zero, 0), DType::f64)},
                                convolution_keywords(c.attributes()));
  return c.cast(product, DType::i32);
}

/// The types that Conv gives, for inputs of other dtypes.
TypeRule convolution_type(std::size_t w, DTypeSet allowed, DType result, std::size_t zero) {
  return [w, allowed, result, zero](const TypeContext& c) {
    std::vector<std::optional<TensorType>> types{input(c, 0, allowed, "x"), input(c, w, allowed, "w")};
    types[0]->dtype = types[1]->dtype = DType::f32;
    const std::vector<Tensor> unknown(2);
    auto made = find_shipped("onnx::Conv")->type_rule(TypeContext{types, unknown, c.attributes, 1});
    made[0].dtype = zero == 0 ? result : input(c, zero, allowed, "y_zero_point").dtype;
    return made;
  };
}

/// x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B
Composer::Values qlinear_conv(Composer& c) {
  Value sum = integer_convolution(c, c.input(0), c.input(2), c.input(3), c.input(5));
  if (c.has_input(8)) sum = c.apply("Add", {sum, along(c, c.cast(c.input(8), DType::i32), sum, 1)});
  const Value scaled =
      c.apply("Mul", {c.apply("Mul", {c.cast(sum, DType::f32), along(c, c.input(1), sum, 1)}), along(c, c.input(4), sum, 1)});
  return {quantized(c, scaled, c.input(6), c.input(7), 1)};
}

std::vector<AttributeSpec> convolution_attributes() {
  return {text("auto_pad", "NOTSET"), integers("dilations"), integer("group", 1),
          integers("kernel_shape"),   integers("pads"),      integers("strides")};
}

}  // namespace

void add_quantize(OperatorRegistry& registry) {
  // axis came with version 13; before it scales are scalars, for which it changes nothing.
  registry.add(
      composed("QuantizeLinear", {10, 20}, schema({"x", "y_scale", "y_zero_point?"}, {"y"}, {integer("axis", 1), integer("saturate", 1)}),
               quantize_type, [](Composer& c) {
                 return Composer::Values{quantized(c, c.input(0), c.input(1), optional_input(c, 2), c.attributes().get_int("axis", 1))};
               }));
  registry.add(composed("DequantizeLinear", {10, 18}, schema({"x", "x_scale", "x_zero_point?"}, {"y"}, {integer("axis", 1)}),
                        dequantize_type, dequantize));
  registry.add(composed("DynamicQuantizeLinear", {11}, schema({"x"}, {"y", "y_scale?", "y_zero_point?"}), dynamic_type, dynamic_quantize));
  registry.add(composed(
      "MatMulInteger", {10}, schema({"A", "B", "a_zero_point?", "b_zero_point?"}, {"Y"}),
      [](const TypeContext& c) { return integer_product_type(c, 1, DType::i32); }, matmul_integer));
  registry.add(composed(
      "QLinearMatMul", {10}, schema({"a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"}, {"y"}),
      [](const TypeContext& c) { return integer_product_type(c, 3, input(c, 7, bytes, "y_zero_point").dtype); }, qlinear_matmul));
  registry.add(composed("ConvInteger", {10}, schema({"x", "w", "x_zero_point?", "w_zero_point?"}, {"y"}, convolution_attributes()),
                        convolution_type(1, bytes, DType::i32, 0), [](Composer& c) {
                          return Composer::Values{
                              integer_convolution(c, c.input(0), optional_input(c, 2), c.input(1), optional_input(c, 3))};
                        }));
  registry.add(composed("QLinearConv", {10},
                        schema({"x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"}, {"y"},
                               convolution_attributes()),
                        convolution_type(3, bytes, DType::u8, 7), qlinear_conv));
}

}  // namespace lazyfx::ops
