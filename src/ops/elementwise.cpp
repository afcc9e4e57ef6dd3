#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// int64 arithmetic wraps as the narrower integers do, without overflow in the eyes of C++.
template <class C, class F>
C wrapping(C a, C b, F f) {
  if constexpr (std::is_same_v<C, std::int64_t>) {
    return static_cast<C>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  } else {
    return f(a, b);
  }
}

constexpr auto plus = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x + y; }); };
constexpr auto minus = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x - y; }); };
constexpr auto times = [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x * y; }); };

// ONNX leaves integers divided by zero open: quotient and remainder are 0, as NumPy has it.
constexpr auto quotient = [](auto a, auto b) {
  if constexpr (std::is_floating_point_v<decltype(a)>) {
    return a / b;
  } else {
    if (b == 0) return decltype(a){0};
    if constexpr (std::is_signed_v<decltype(a)>) {
      if (b == -1) return minus(decltype(a){0}, a);
    }
    return a / b;
  }
};

/// C's remainder: the sign of the dividend.
constexpr auto remainder_c = [](auto a, auto b) {
  if constexpr (std::is_floating_point_v<decltype(a)>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) return decltype(a){0};
    if constexpr (std::is_signed_v<decltype(a)>) {
      if (b == -1) return decltype(a){0};
    }
    return a % b;
  }
};

/// Python's remainder: the sign of the divisor.
constexpr auto remainder_floor = [](auto a, auto b) {
  auto r = remainder_c(a, b);
  if (r != 0 && (r < 0) != (b < 0)) r += b;
  return r;
};

/// NaN wins, whichever operand it is.
constexpr auto smaller = [](auto a, auto b) { return a < b || a != a ? a : b; };
constexpr auto larger = [](auto a, auto b) { return a > b || a != a ? a : b; };

template <class C>
C integer_power(C base, C exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == static_cast<C>(-1) ? (exponent % 2 == 0 ? 1 : base) : 0;
  C result = 1;
  for (auto e = static_cast<std::uint64_t>(exponent); e != 0; e >>= 1) {
    if ((e & 1) != 0) result = times(result, base);
    base = times(base, base);
  }
  return result;
}

template <class F>
ReferenceKernel binary_kernel(F f) {
  return [f](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector{map(in[0], in[1], in[0].dtype(), f)}; };
}

template <class F>
Operator binary(const char* type, DTypeSet allowed, F f, ScalarOp op) {
  return onnx(type, {7}, schema({"A", "B"}, {"C"}), broadcasting(allowed), binary_kernel(f), lower_binary(op));
}

std::vector<Tensor> pow_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Shape shape = broadcast_shapes(in);
  const DType base = in[0].dtype();
  if (is_floating(base) || is_floating(in[1].dtype())) {
    std::vector<double> x = read<double>(in[0], shape);
    const std::vector<double> y = read<double>(in[1], shape);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::pow(x[i], y[i]);
    return {write(base, shape, x)};
  }
  std::vector<std::int64_t> x = read<std::int64_t>(in[0], shape);
  const std::vector<std::int64_t> y = read<std::int64_t>(in[1], shape);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = integer_power(x[i], y[i]);
  return {write(base, shape, x)};
}

/// Exponents that are written as numbers in most models have cheaper forms than a power.
bool lower_known_power(LoweringContext& c, double exponent) {
  const auto emit = [&](auto formula) {
    emit_elementwise(c, {c.input(0)}, c.output(0), [&](Body& b) { return formula(b.input(0)); });
    return true;
  };
  if (exponent == 1) return emit([](Scalar x) { return x; });
  if (exponent == 2) return emit([](Scalar x) { return x * x; });
  if (exponent == 3) return emit([](Scalar x) { return x * x * x; });
  if (exponent == 0.5) return emit([](Scalar x) { return apply(ScalarOp::sqrt, x); });
  if (exponent == -1) return emit([](Scalar x) { return apply(ScalarOp::reciprocal, x); });
  return false;
}

bool lower_pow(LoweringContext& c) {
  if (!floats.contains(c.dtype(c.input(0)))) return false;
  const Tensor exponent = c.constant_value(c.input(1));
  const bool plain = exponent.defined() && exponent.size() == 1 && c.shape(c.output(0)) == c.shape(c.input(0));
  if (plain && lower_known_power(c, real_of(exponent, "the exponent"))) return true;
  emit_elementwise(c, {c.input(0), c.input(1)}, c.output(0),
                   [](Body& b) { return apply(ScalarOp::pow, b.input(0), cast(b.input(1), b.input(0).dtype)); });
  return true;
}

std::vector<TensorType> pow_type(const TypeContext& c) {
  const TensorType& base = input(c, 0, numbers, "X");
  return {typed(base.dtype, broadcast_dims(base.dims, input(c, 1, numbers, "Y").dims))};
}

std::vector<TensorType> mod_type(const TypeContext& c) {
  auto types = broadcasting(numbers)(c);
  const bool truncates = c.attributes.get_int("fmod", 0) != 0;
  if (!truncates && is_floating(input(c, 0).dtype)) fail("floating operands need fmod = 1");
  return types;
}

std::vector<Tensor> mod_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  if (attributes.get_int("fmod", 0) != 0) return {map(in[0], in[1], in[0].dtype(), remainder_c)};
  return {map(in[0], in[1], in[0].dtype(), remainder_floor)};
}

bool lower_mod(LoweringContext& c) {
  return lower_binary(c.attributes().get_int("fmod", 0) != 0 ? ScalarOp::fmod : ScalarOp::floor_mod)(c);
}

template <class F>
ReferenceKernel folding_kernel(F f) {
  return [f](std::span<const Tensor> in, const Attributes&, std::size_t) {
    Tensor result = in[0].contiguous();
    for (const Tensor& next : in.subspan(1)) result = map(result, next, in[0].dtype(), f);
    return std::vector{result};
  };
}

/// Folds all inputs with `op`, a bounded number of operands to a primitive, then scales the result.
bool lower_folding(LoweringContext& c, ScalarOp op, double scale) {
  constexpr std::size_t operands_at_once = 8;
  ValueRef folded = c.input(0);
  std::size_t next = 1;
  Shape shape = c.shape(folded);
  do {
    std::vector<ValueRef> inputs{folded};
    for (; next < c.input_count() && inputs.size() < operands_at_once; ++next) {
      inputs.push_back(c.input(next));
      shape = broadcast(shape, c.shape(c.input(next))).value();
    }
    const bool last = next == c.input_count();
    const ValueRef out = last ? c.output(0) : c.temporary(c.dtype(folded), shape);
    emit_elementwise(c, inputs, out, [&](Body& b) {
      Scalar result = b.input(0);
      for (std::size_t i = 1; i < inputs.size(); ++i) result = apply(op, result, b.input(i));
      return last && scale != 1 ? result * scale : result;
    });
    folded = out;
  } while (next < c.input_count());
  return true;
}

template <class F>
Operator folding(const char* type, DTypeSet allowed, F f, ScalarOp op) {
  return onnx(type, {8}, schema({"data_0..."}, {"result"}), broadcasting(allowed), folding_kernel(f),
              [op](LoweringContext& c) { return lower_folding(c, op, 1); });
}

std::vector<Tensor> mean_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Shape shape = broadcast_shapes(in);
  std::vector<double> sum(static_cast<std::size_t>(shape.size()));
  for (const Tensor& t : in) {
    const std::vector<double> values = read<double>(t, shape);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  for (double& s : sum) s /= static_cast<double>(in.size());
  return {write(in[0].dtype(), shape, sum)};
}

template <class F>
ReferenceKernel unary_kernel(F f) {
  return [f](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector{map(in[0], in[0].dtype(), f)}; };
}

template <class F>
Operator unary(const char* type, int since, DTypeSet allowed, F f, ScalarOp op) {
  return onnx(type, {since}, schema({"X"}, {"Y"}), same_as_input(allowed), unary_kernel(f), lower_unary(op));
}

using RealFunction = double (*)(double);

Operator real_unary(const char* type, int since, RealFunction f, ScalarOp op) {
  const ReferenceKernel kernel = [f](std::span<const Tensor> in, const Attributes&, std::size_t) {
    std::vector<double> values = read<double>(in[0]);
    for (double& v : values) v = f(v);
    return std::vector{write(in[0].dtype(), in[0].shape(), values)};
  };
  return onnx(type, {since}, schema({"X"}, {"Y"}), same_as_input(floats), kernel, lower_unary(op));
}

constexpr auto absolute = [](auto x) {
  if constexpr (std::is_unsigned_v<decltype(x)>) {
    return x;
  } else if constexpr (std::is_floating_point_v<decltype(x)>) {
    return std::fabs(x);
  } else {
    return x < 0 ? minus(decltype(x){0}, x) : x;
  }
};

constexpr auto negated = [](auto x) {
  if constexpr (std::is_floating_point_v<decltype(x)>) {
    return -x;
  } else {
    return minus(decltype(x){0}, x);
  }
};

constexpr auto sign = [](auto x) {
  using C = decltype(x);
  return x > 0 ? C{1} : x < 0 ? static_cast<C>(-1) : x;  // zero and NaN stay
};

void add_real_functions(OperatorRegistry& registry) {
  struct Row {
    const char* type;
    int since;
    RealFunction f;
    ScalarOp op;
  };
  const Row rows[] = {
      {"Exp", 6, [](double x) { return std::exp(x); }, ScalarOp::exp},
      {"Log", 6, [](double x) { return std::log(x); }, ScalarOp::log},
      {"Sqrt", 6, [](double x) { return std::sqrt(x); }, ScalarOp::sqrt},
      {"Reciprocal", 6, [](double x) { return 1 / x; }, ScalarOp::reciprocal},
      {"Floor", 6, [](double x) { return std::floor(x); }, ScalarOp::floor},
      {"Ceil", 6, [](double x) { return std::ceil(x); }, ScalarOp::ceil},
      {"Round", 11, [](double x) { return std::nearbyint(x); }, ScalarOp::round_even},
      {"Tanh", 6, [](double x) { return std::tanh(x); }, ScalarOp::tanh},
      {"Sigmoid", 6, [](double x) { return 1 / (1 + std::exp(-x)); }, ScalarOp::sigmoid},
      {"Erf", 9, [](double x) { return std::erf(x); }, ScalarOp::erf},
      {"Sin", 7, [](double x) { return std::sin(x); }, ScalarOp::sin},
      {"Cos", 7, [](double x) { return std::cos(x); }, ScalarOp::cos},
      {"Tan", 7, [](double x) { return std::tan(x); }, ScalarOp::tan},
      {"Asin", 7, [](double x) { return std::asin(x); }, ScalarOp::asin},
      {"Acos", 7, [](double x) { return std::acos(x); }, ScalarOp::acos},
      {"Atan", 7, [](double x) { return std::atan(x); }, ScalarOp::atan},
      {"Sinh", 9, [](double x) { return std::sinh(x); }, ScalarOp::sinh},
      {"Cosh", 9, [](double x) { return std::cosh(x); }, ScalarOp::cosh},
      {"Asinh", 9, [](double x) { return std::asinh(x); }, ScalarOp::asinh},
      {"Acosh", 9, [](double x) { return std::acosh(x); }, ScalarOp::acosh},
      {"Atanh", 9, [](double x) { return std::atanh(x); }, ScalarOp::atanh},
  };
  for (const Row& row : rows) registry.add(real_unary(row.type, row.since, row.f, row.op));
}

}  // namespace

void add_elementwise(OperatorRegistry& registry) {
  registry.add(binary("Add", numbers, plus, ScalarOp::add));
  registry.add(binary("Sub", numbers, minus, ScalarOp::sub));
  registry.add(binary("Mul", numbers, times, ScalarOp::mul));
  registry.add(binary("Div", numbers, quotient, ScalarOp::div));
  registry.add(onnx("Pow", {7}, schema({"X", "Y"}, {"Z"}), pow_type, pow_kernel, lower_pow));
  registry.add(onnx("Mod", {10}, schema({"A", "B"}, {"C"}, {integer("fmod", 0)}), mod_type, mod_kernel, lower_mod));
  registry.add(folding("Min", numbers, smaller, ScalarOp::min));
  registry.add(folding("Max", numbers, larger, ScalarOp::max));
  registry.add(folding("Sum", floats, plus, ScalarOp::add));
  registry.add(onnx("Mean", {8}, schema({"data_0..."}, {"mean"}), broadcasting(floats), mean_kernel,
                    [](LoweringContext& c) { return lower_folding(c, ScalarOp::add, 1.0 / static_cast<double>(c.input_count())); }));
  registry.add(unary("Abs", 6, numbers, absolute, ScalarOp::abs));
  registry.add(unary("Neg", 6, floats | signed_integers, negated, ScalarOp::neg));
  registry.add(unary("Sign", 9, numbers, sign, ScalarOp::sign));
  add_real_functions(registry);
}

}  // namespace lazyfx::ops
