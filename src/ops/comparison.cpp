#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

constexpr DTypeSet booleans{DType::boolean};

template <class F>
Operator comparison(const char* type, int since, DTypeSet allowed, F f, ScalarOp op) {
  return onnx(
      type, {since}, schema({"A", "B"}, {"C"}), broadcasting(allowed, DType::boolean),
      [f](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector{map(in[0], in[1], DType::boolean, f)}; },
      lower_binary(op));
}

std::vector<Tensor> not_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return {map(in[0], DType::boolean, [](auto x) { return x == 0; })};
}

std::vector<TensorType> to_boolean(const TypeContext& c) { return {typed(DType::boolean, input(c, 0, floats, "X").dims)}; }

std::vector<Tensor> is_nan_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return {map(in[0], DType::boolean, [](auto x) { return x != x; })};
}

struct Signs {
  bool negative, positive;
};

Signs detected(const Attributes& attributes) {
  return {attributes.get_int("detect_negative", 1) != 0, attributes.get_int("detect_positive", 1) != 0};
}

std::vector<Tensor> is_inf_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Signs signs = detected(attributes);
  return {map(in[0], DType::boolean,
              [signs](auto x) { return std::isinf(static_cast<double>(x)) && (x < 0 ? signs.negative : signs.positive); })};
}

bool lower_is_inf(LoweringContext& c) {
  const Signs signs = detected(c.attributes());
  constexpr double infinity = std::numeric_limits<double>::infinity();
  emit_elementwise(c, {c.input(0)}, c.output(0), [&](Body& b) {
    const Scalar x = b.input(0);
    if (signs.negative && signs.positive) return apply(ScalarOp::equal, apply(ScalarOp::abs, x), infinity);
    if (signs.positive) return apply(ScalarOp::equal, x, infinity);
    if (signs.negative) return apply(ScalarOp::equal, x, -infinity);
    return b.constant(DType::boolean, 0);
  });
  return true;
}

std::vector<TensorType> where_type(const TypeContext& c) {
  input(c, 0, booleans, "condition");
  const TensorType& x = input(c, 1);
  require_same_dtype(c, 1, 2);
  return {typed(x.dtype, broadcast_inputs(c))};
}

std::vector<Tensor> where_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Shape shape = broadcast_shapes(in);
  const std::vector<std::uint64_t> condition = read<std::uint64_t>(in[0], shape);
  const Tensor yes = in[1].expand(shape).contiguous();
  const Tensor no = in[2].expand(shape).contiguous();
  Tensor out = Tensor::empty(yes.dtype(), shape);
  visit_dtype(yes.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto from_yes = yes.values<T>();
    const auto from_no = no.values<T>();
    const auto to = out.mutable_values<T>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = condition[i] != 0 ? from_yes[i] : from_no[i];
  });
  return {out};
}

bool lower_where(LoweringContext& c) {
  if (!inputs_are(c, fixed_size)) return false;
  emit_elementwise(c, {c.input(0), c.input(1), c.input(2)}, c.output(0),
                   [](Body& b) { return select(b.input(0), b.input(1), b.input(2)); });
  return true;
}

std::vector<TensorType> shift_type(const TypeContext& c) {
  auto types = broadcasting(unsigned_integers)(c);
  const std::string direction = c.attributes.get_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") fail("attribute direction is \"" + direction + "\", which is neither LEFT nor RIGHT");
  return types;
}

std::vector<Tensor> shift_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const bool left = attributes.get_string("direction", "") == "LEFT";
  return {map(in[0], in[1], in[0].dtype(), [left](auto x, auto by) {
    const auto bits = static_cast<std::uint64_t>(x);
    const auto places = static_cast<std::uint64_t>(by);
    return places >= 64 ? std::uint64_t{0} : left ? bits << places : bits >> places;
  })};
}

}  // namespace

void add_comparison(OperatorRegistry& registry) {
  registry.add(comparison("Equal", 7, fixed_size, [](auto a, auto b) { return a == b; }, ScalarOp::equal));
  registry.add(comparison("Less", 7, numbers, [](auto a, auto b) { return a < b; }, ScalarOp::less));
  registry.add(comparison("LessOrEqual", 12, numbers, [](auto a, auto b) { return a <= b; }, ScalarOp::less_equal));
  registry.add(comparison("Greater", 7, numbers, [](auto a, auto b) { return a > b; }, ScalarOp::greater));
  registry.add(comparison("GreaterOrEqual", 12, numbers, [](auto a, auto b) { return a >= b; }, ScalarOp::greater_equal));
  registry.add(comparison("And", 7, booleans, [](auto a, auto b) { return a != 0 && b != 0; }, ScalarOp::logical_and));
  registry.add(comparison("Or", 7, booleans, [](auto a, auto b) { return a != 0 || b != 0; }, ScalarOp::logical_or));
  registry.add(comparison("Xor", 7, booleans, [](auto a, auto b) { return (a != 0) != (b != 0); }, ScalarOp::logical_xor));
  registry.add(onnx("Not", {1}, schema({"X"}, {"Y"}), same_as_input(booleans), not_kernel, lower_unary(ScalarOp::logical_not)));
  registry.add(onnx("IsNaN", {9}, schema({"X"}, {"Y"}), to_boolean, is_nan_kernel, lower_unary(ScalarOp::is_nan)));
  registry.add(onnx("IsInf", {10}, schema({"X"}, {"Y"}, {integer("detect_negative", 1), integer("detect_positive", 1)}), to_boolean,
                    is_inf_kernel, lower_is_inf));
  registry.add(onnx("Where", {9}, schema({"condition", "X", "Y"}, {"output"}), where_type, where_kernel, lower_where));
  registry.add(onnx("BitShift", {11}, schema({"X", "Y"}, {"Z"}, {required(text("direction"))}), shift_type, shift_kernel));
}

}  // namespace lazyfx::ops
