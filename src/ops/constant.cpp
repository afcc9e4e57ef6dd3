#include <cmath>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

template <class T, class From>
Tensor vector_of(const std::vector<From>& values) {
  std::vector<T> converted;
  for (const From& v : values) converted.push_back(static_cast<T>(v));
  return Tensor::from<T>(converted, Shape{static_cast<std::int64_t>(values.size())});
}

/// The one value among the attributes of Constant.
Tensor value_of(const Attributes& a) {
  if (a.has("value")) return a.get_tensor("value");
  if (a.has("value_float")) return Tensor::scalar(static_cast<float>(a.get_float("value_float")));
  if (a.has("value_floats")) return vector_of<float>(a.get_floats("value_floats"));
  if (a.has("value_int")) return Tensor::scalar(a.get_int("value_int"));
  if (a.has("value_ints")) return ints_tensor(a.get_ints("value_ints"));
  if (a.has("value_string")) return Tensor::scalar(a.get_string("value_string", ""));
  if (a.has("value_strings")) return vector_of<std::string>(a.get_strings("value_strings"));
  fail("no attribute gives a value");
}

std::vector<TensorType> constant_type(const TypeContext& c) {
  const Tensor value = value_of(c.attributes);
  return {TensorType(value.dtype(), value.shape())};
}

bool lower_constant(LoweringContext& c) {
  c.alias(c.constant(value_of(c.attributes())), c.output(0));
  return true;
}

// ConstantOfShape

Tensor fill_of(const Attributes& attributes) {
  const Tensor value = attributes.get_tensor("value");
  if (!value.defined()) return Tensor::scalar(0.0F);
  if (value.size() != 1) fail("attribute value has shape " + to_string(value.shape()) + " where one element is expected");
  return value.reshape(Shape{});
}

std::vector<TensorType> constant_of_shape_type(const TypeContext& c) {
  const DType dtype = fill_of(c.attributes).dtype();
  const auto& given = input(c, 0, {DType::i64}, "input").dims;
  if (const auto shape = constant_ints(c, 0)) return {TensorType(dtype, Shape(*shape))};
  const bool rank_known =
      given && given->size() == 1 && given->front().known() && given->front().size <= static_cast<std::int64_t>(Shape::max_rank);
  return {typed(dtype, rank_known ? std::optional(unknown_dims(static_cast<std::size_t>(given->front().size))) : std::nullopt)};
}

std::vector<Tensor> constant_of_shape_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return {fill_of(attributes).expand(Shape(ints_of(in[0], "input 0 (input)"))).contiguous()};
}

bool lower_constant_of_shape(LoweringContext& c) {
  const Shape to = c.shape(c.output(0));
  const Tensor fill = fill_of(c.attributes());
  if (!fixed_size.contains(fill.dtype())) return false;
  emit_view(c, c.constant(fill), 0, std::vector<std::int64_t>(to.rank()), c.output(0));
  return true;
}

// Range

constexpr DTypeSet range_dtypes{DType::f32, DType::f64, DType::i16, DType::i32, DType::i64};

template <class C>
std::int64_t count_of(C start, C limit, C delta) {
  if (delta == 0) fail("input 2 (delta) is 0");
  const double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
  if (!(count < 0x1p62)) fail("the range has more elements than a tensor can hold");
  return count > 0 ? static_cast<std::int64_t>(count) : 0;
}

template <class C>
std::vector<C> scalars(std::span<const Tensor> in) {
  std::vector<C> values;
  for (std::size_t i = 0; i < 3; ++i) {
    if (in[i].size() != 1) fail("input " + std::to_string(i) + " has shape " + to_string(in[i].shape()) + " where a scalar is expected");
    values.push_back(read<C>(in[i])[0]);
  }
  return values;
}

std::vector<TensorType> range_type(const TypeContext& c) {
  const DType dtype = input(c, 0, range_dtypes, "start").dtype;
  require_same_dtype(c, 0, 1);
  require_same_dtype(c, 0, 2);
  Dim count;
  if (constant(c, 0).defined() && constant(c, 1).defined() && constant(c, 2).defined()) {
    const auto s = scalars<double>(c.constants);
    count = count_of(s[0], s[1], s[2]);
  }
  return {TensorType(dtype, {count})};
}

std::vector<Tensor> range_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return visit_compute(in[0].dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    const std::vector<C> s = scalars<C>(in);
    const Shape shape{count_of(s[0], s[1], s[2])};
    Tensor::empty(in[0].dtype(), shape);  // refuses, by what it costs, before the wider numbers are laid out
    std::vector<C> values;
    for (std::int64_t i = 0; i < shape[0]; ++i) values.push_back(static_cast<C>(s[0] + static_cast<C>(i) * s[2]));
    return std::vector{write(in[0].dtype(), shape, values)};
  });
}

// EyeLike

DType eye_dtype(const Attributes& attributes, DType fallback) { return attributes.get_dtype("dtype", fallback); }

Tensor eye(DType dtype, const Shape& shape, std::int64_t k) {
  if (shape.rank() != 2) fail("input 0 (input) has " + std::to_string(shape.rank()) + " dimensions where 2 are expected");
  std::vector<std::int64_t> values(static_cast<std::size_t>(shape.size()));
  if (values.empty()) return Tensor::empty(dtype, shape);
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    std::int64_t column = 0;
    if (__builtin_add_overflow(row, k, &column) || column < 0 || column >= shape[1]) continue;
    values[static_cast<std::size_t>(row * shape[1] + column)] = 1;
  }
  return write(dtype, shape, values);
}

std::vector<TensorType> eye_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, fixed_size, "input");
  if (x.dims && x.dims->size() != 2) fail("input 0 (input) has " + std::to_string(x.dims->size()) + " dimensions where 2 are expected");
  return {typed(eye_dtype(c.attributes, x.dtype), x.dims)};
}

bool lower_eye(LoweringContext& c) {
  const Shape shape = c.shape(c.output(0));
  c.alias(c.constant(eye(c.dtype(c.output(0)), shape, c.attributes().get_int("k", 0))), c.output(0));
  return true;
}

}  // namespace

void add_constant(OperatorRegistry& registry) {
  // Newer versions add attributes that give the value in other forms.
  registry.add(onnx(
      "Constant", {1},
      schema({}, {"output"},
             {tensor("value"), real("value_float"), reals("value_floats"), integer("value_int"), integers("value_ints"),
              text("value_string"), texts("value_strings")}),
      constant_type, [](std::span<const Tensor>, const Attributes& attributes, std::size_t) { return std::vector{value_of(attributes)}; },
      lower_constant));
  registry.add(onnx("ConstantOfShape", {9}, schema({"input"}, {"output"}, {tensor("value")}), constant_of_shape_type,
                    constant_of_shape_kernel, lower_constant_of_shape));
  registry.add(onnx("Range", {11}, schema({"start", "limit", "delta"}, {"output"}), range_type, range_kernel));
  registry.add(onnx(
      "EyeLike", {9}, schema({"input"}, {"output"}, {dtype("dtype"), integer("k", 0)}), eye_type,
      [](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
        return std::vector{eye(eye_dtype(attributes, in[0].dtype()), in[0].shape(), attributes.get_int("k", 0))};
      },
      lower_eye));
}

}  // namespace lazyfx::ops
