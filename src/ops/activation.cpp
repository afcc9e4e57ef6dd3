#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

/// An activation of one real variable and at most two attributes, written once for the reference and once for kernels.
struct Activation {
  const char* type;
  int since;
  std::vector<AttributeSpec> attributes;  ///< the first is `a`, the second `b`
  double (*reference)(double x, double a, double b);
  Scalar (*formula)(Scalar x, double a, double b);
};

double attribute_or_zero(const std::vector<AttributeSpec>& specs, std::size_t i, const Attributes& attributes) {
  return i < specs.size() ? attributes.get_float(specs[i].name, specs[i].default_value.as_double()) : 0;
}

Operator define(const Activation& activation) {
  const auto specs = activation.attributes;
  const ReferenceKernel kernel = [specs, f = activation.reference](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
    const double a = attribute_or_zero(specs, 0, attributes);
    const double b = attribute_or_zero(specs, 1, attributes);
    std::vector<double> values = read<double>(in[0]);
    for (double& v : values) v = f(v, a, b);
    return std::vector{write(in[0].dtype(), in[0].shape(), values)};
  };
  const Lowering lowering = [specs, formula = activation.formula](LoweringContext& c) {
    if (!inputs_are(c, floats)) return false;
    const double a = attribute_or_zero(specs, 0, c.attributes());
    const double b = attribute_or_zero(specs, 1, c.attributes());
    emit_elementwise(c, {c.input(0)}, c.output(0), [&](Body& body) { return formula(body.input(0), a, b); });
    return true;
  };
  return onnx(activation.type, {activation.since}, schema({"X"}, {"Y"}, specs), same_as_input(floats), kernel, lowering);
}

Scalar exp_minus_one(Scalar x) { return apply(ScalarOp::exp, x) - 1; }
Scalar below_zero(Scalar x) { return apply(ScalarOp::less, x, 0); }

const double selu_alpha = 1.67326319217681884765625;
const double selu_gamma = 1.05070102214813232421875;

std::vector<Activation> activations() {
  return {
      {"LeakyRelu",
       6,
       {real("alpha", 0.01)},
       [](double x, double a, double) { return x < 0 ? a * x : x; },
       [](Scalar x, double a, double) { return apply(ScalarOp::prelu, x, a); }},
      {"Elu",
       6,
       {real("alpha", 1)},
       [](double x, double a, double) { return x < 0 ? a * std::expm1(x) : x; },
       [](Scalar x, double a, double) { return select(below_zero(x), exp_minus_one(x) * a, x); }},
      {"Selu",
       6,
       {real("alpha", selu_alpha), real("gamma", selu_gamma)},
       [](double x, double a, double g) { return g * (x < 0 ? a * std::expm1(x) : x); },
       [](Scalar x, double a, double g) { return select(below_zero(x), exp_minus_one(x) * (a * g), x * g); }},
      {"Celu",
       12,
       {real("alpha", 1)},
       [](double x, double a, double) { return x < 0 ? a * std::expm1(x / a) : x; },
       [](Scalar x, double a, double) { return select(below_zero(x), exp_minus_one(x * (1 / a)) * a, x); }},
      {"ThresholdedRelu",
       10,
       {real("alpha", 1)},
       [](double x, double a, double) { return x <= a ? 0 : x; },
       [](Scalar x, double a, double) { return select(apply(ScalarOp::less_equal, x, a), 0, x); }},
      {"HardSigmoid",
       6,
       {real("alpha", 0.2), real("beta", 0.5)},
       [](double x, double a, double b) {
         const double y = a * x + b;
         return y < 0 ? 0 : y > 1 ? 1 : y;
       },
       [](Scalar x, double a, double b) { return clip(multiply_add(x, a, b), 0, 1); }},
      {"HardSwish",
       14,
       {},
       [](double x, double, double) {
         const double y = x / 6 + 0.5;
         return x * (y < 0 ? 0 : y > 1 ? 1 : y);
       },
       [](Scalar x, double, double) { return x * clip(multiply_add(x, 1.0 / 6, 0.5), 0, 1); }},
      {"Softplus",
       1,
       {},
       [](double x, double, double) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); },
       [](Scalar x, double, double) { return apply(ScalarOp::softplus, x); }},
      {"Softsign",
       1,
       {},
       [](double x, double, double) { return x / (1 + std::fabs(x)); },
       [](Scalar x, double, double) { return apply(ScalarOp::softsign, x); }},
      {"Shrink",
       9,
       {real("bias", 0), real("lambd", 0.5)},
       [](double x, double bias, double l) { return x < -l  ? x + bias
                                                    : x > l ? x - bias
                                                            : 0; },
       [](Scalar x, double bias, double l) {
         const Scalar upper = select(apply(ScalarOp::greater, x, l), x - bias, 0);
         return select(apply(ScalarOp::less, x, -l), x + bias, upper);
       }},
  };
}

std::vector<Tensor> relu_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return {map(in[0], in[0].dtype(), [](auto x) { return x < 0 ? decltype(x){0} : x; })};
}

bool lower_relu(LoweringContext& c) {
  emit_elementwise(c, {c.input(0)}, c.output(0), [](Body& b) { return apply(ScalarOp::max, b.input(0), 0); });
  return true;
}

std::vector<TensorType> prelu_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, numbers, "X");
  require_same_dtype(c, 0, 1);
  const auto dims = broadcast_dims(x.dims, input(c, 1).dims);
  if (x.dims && dims && x.dims->size() != dims->size()) fail("input 1 (slope) has more dimensions than X");
  return {x};
}

std::vector<Tensor> prelu_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return {map(in[0], in[1].expand(in[0].shape()), in[0].dtype(), [](auto x, auto slope) {
    using C = decltype(x);
    return x < 0 ? static_cast<C>(x * slope) : x;
  })};
}

bool lower_prelu(LoweringContext& c) { return inputs_are(c, floats) && lower_binary(ScalarOp::prelu)(c); }

/// min(max(x, low), high) in the number type of x, NaN staying; an undefined bound does not bind.
Tensor clipped(const Tensor& x, const Tensor& low, const Tensor& high) {
  return visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    std::vector<C> values = read<C>(x);
    if (low.defined()) {
      const C bound = read<C>(low).at(0);
      for (C& v : values) v = v < bound ? bound : v;
    }
    if (high.defined()) {
      const C bound = read<C>(high).at(0);
      for (C& v : values) v = v > bound ? bound : v;
    }
    return write(x.dtype(), x.shape(), values);
  });
}

void emit_clip(LoweringContext& c, std::optional<double> low, std::optional<double> high) {
  emit_elementwise(c, {c.input(0)}, c.output(0), [&](Body& b) {
    if (low && high) return clip(b.input(0), *low, *high);
    if (low) return apply(ScalarOp::max, b.input(0), *low);
    if (high) return apply(ScalarOp::min, b.input(0), *high);
    return b.input(0);
  });
}

/// A bound from an attribute, if it binds at all.
std::optional<double> bound(const Attributes& attributes, const char* name) {
  if (!attributes.has(name)) return std::nullopt;
  const double value = attributes.get_float(name);
  return std::fabs(value) >= static_cast<double>(std::numeric_limits<float>::max()) ? std::nullopt : std::optional(value);
}

std::vector<Tensor> clip6_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const auto tensor = [](std::optional<double> value) { return value ? Tensor::scalar(*value) : Tensor(); };
  return {clipped(in[0], tensor(bound(attributes, "min")), tensor(bound(attributes, "max")))};
}

bool lower_clip6(LoweringContext& c) {
  if (!inputs_are(c, floats)) return false;
  emit_clip(c, bound(c.attributes(), "min"), bound(c.attributes(), "max"));
  return true;
}

std::vector<TensorType> clip_type(const TypeContext& c) {
  for (const std::size_t i : {1U, 2U}) {
    if (!has_input(c, i)) continue;
    require_same_dtype(c, 0, i);
    const auto& dims = c.inputs[i]->dims;
    if (dims && product(*dims, 0, dims->size()) != Dim(1) && product(*dims, 0, dims->size()).known()) {
      fail("input " + std::to_string(i) + (i == 1 ? " (min)" : " (max)") + " is not a scalar");
    }
  }
  return {input(c, 0, numbers, "input")};
}

std::vector<Tensor> clip_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return {clipped(in[0], argument(in, 1), argument(in, 2))};
}

bool lower_clip(LoweringContext& c) {
  const auto known = [&](std::size_t i) -> std::optional<double> {
    if (!c.has_input(i)) return std::nullopt;
    const Tensor t = c.constant_value(c.input(i));
    return t.defined() ? std::optional(real_of(t, "a bound")) : std::nullopt;
  };
  const auto low = known(1);
  const auto high = known(2);
  // Bounds of 64-bit integers may not be exact as reals, so those stay operands.
  const DType dtype = c.dtype(c.input(0));
  const bool exact = is_floating(dtype) || (dtype != DType::i64 && dtype != DType::u64);
  if (exact && low.has_value() == c.has_input(1) && high.has_value() == c.has_input(2)) {
    emit_clip(c, low, high);
    return true;
  }
  std::vector<ValueRef> inputs{c.input(0)};
  for (const std::size_t i : {1U, 2U}) {
    if (c.has_input(i)) inputs.push_back(c.reshape(c.input(i), Shape{}));
  }
  emit_elementwise(c, inputs, c.output(0), [&](Body& b) {
    Scalar x = b.input(0);
    if (c.has_input(1)) x = apply(ScalarOp::max, x, b.input(1));
    if (c.has_input(2)) x = apply(ScalarOp::min, x, b.input(c.has_input(1) ? 2 : 1));
    return x;
  });
  return true;
}

}  // namespace

void add_activation(OperatorRegistry& registry) {
  for (const Activation& activation : activations()) registry.add(define(activation));
  registry.add(onnx("Relu", {6}, schema({"X"}, {"Y"}), same_as_input(floats | signed_integers), relu_kernel, lower_relu));
  registry.add(onnx("PRelu", {7}, schema({"X", "slope"}, {"Y"}), prelu_type, prelu_kernel, lower_prelu));
  registry.add(onnx("Clip", {11}, schema({"input", "min?", "max?"}, {"output"}), clip_type, clip_kernel, lower_clip));
  registry.add(
      onnx("Clip@6", {6, 10}, schema({"input"}, {"output"}, {real("min"), real("max")}), same_as_input(floats), clip6_kernel, lower_clip6));
}

}  // namespace lazyfx::ops
