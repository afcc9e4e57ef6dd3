#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// With a seed the numbers are a function of it, the same at every run; without one they are drawn anew. ONNX says nothing about how they are
// drawn, so they equal nobody else's.

std::mt19937_64 generator(const Attributes& attributes) {
  if (attributes.has("seed")) return std::mt19937_64(std::bit_cast<std::uint64_t>(attributes.get_float("seed")));
  std::random_device entropy;
  return std::mt19937_64((std::uint64_t{entropy()} << 32) | entropy());
}

/// In [0, 1), by the upper 53 bits.
double unit(std::mt19937_64& numbers) { return static_cast<double>(numbers() >> 11) * 0x1p-53; }

/// Box and Muller's transform.
double normal(std::mt19937_64& numbers) {
  const double radius = std::sqrt(-2 * std::log(1 - unit(numbers)));
  return radius * std::cos(2 * std::numbers::pi * unit(numbers));
}

Operator random(Operator op) {
  op.effect = Effect::random;
  return op;
}

struct Distribution {
  const char* type;
  const char *first, *second;  ///< the attributes that are its parameters
  double first_default, second_default;
  double (*draw)(std::mt19937_64&, double first, double second);
};

Tensor drawn(const Distribution& d, DType dtype, const Shape& shape, const Attributes& attributes) {
  static_cast<void>(Tensor::empty(DType::f64, shape));  // refuses what cannot be held
  std::mt19937_64 numbers = generator(attributes);
  const double first = attributes.get_float(d.first, d.first_default), second = attributes.get_float(d.second, d.second_default);
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  for (double& v : values) v = d.draw(numbers, first, second);
  return write(dtype, shape, values);
}

void add_distribution(OperatorRegistry& registry, const Distribution& d) {
  const auto attributes = [&] {
    return std::vector{dtype("dtype"), real(d.first, d.first_default), real(d.second, d.second_default), real("seed")};
  };
  const auto dtype_for = [](const Attributes& a, DType fallback) {
    const DType chosen = a.get_dtype("dtype", fallback);
    if (!is_floating(chosen)) fail(std::string("attribute dtype is ") + to_string(chosen) + ", which is no floating dtype");
    return chosen;
  };
  auto own = attributes();
  own.push_back(required(integers("shape")));
  registry.add(random(onnx(
      d.type, {1}, schema({}, {"output"}, own),
      [=](const TypeContext& c) {
        return std::vector{TensorType(dtype_for(c.attributes, DType::f32), Shape(c.attributes.get_ints("shape")))};
      },
      [=](std::span<const Tensor>, const Attributes& a, std::size_t) {
        return std::vector{drawn(d, dtype_for(a, DType::f32), Shape(a.get_ints("shape")), a)};
      })));
  registry.add(random(onnx(
      std::string(d.type) + "Like", {1}, schema({"input"}, {"output"}, attributes()),
      [=](const TypeContext& c) { return std::vector{typed(dtype_for(c.attributes, input(c, 0).dtype), c.inputs[0]->dims)}; },
      [=](std::span<const Tensor> in, const Attributes& a, std::size_t) {
        return std::vector{drawn(d, dtype_for(a, in[0].dtype()), in[0].shape(), a)};
      })));
}

// Bernoulli: true with the probability that the input names.

std::vector<Tensor> bernoulli_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  std::mt19937_64 numbers = generator(attributes);
  std::vector<double> values = read<double>(in[0]);
  for (double& v : values) v = unit(numbers) < v ? 1 : 0;
  return {write(attributes.get_dtype("dtype", in[0].dtype()), in[0].shape(), values)};
}

// Multinomial: classes drawn by unnormalised log-probabilities, batch x classes.

DType class_dtype(const Attributes& attributes) {
  const DType chosen = attributes.get_dtype("dtype", DType::i32);
  if (!index_dtypes.contains(chosen)) fail(std::string("attribute dtype is ") + to_string(chosen) + ", which is neither i32 nor i64");
  return chosen;
}

std::vector<TensorType> multinomial_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "input");
  if (x.dims && x.dims->size() != 2) fail("input 0 (input) has " + std::to_string(x.dims->size()) + " dimensions where 2 are expected");
  const std::int64_t samples = c.attributes.get_int("sample_size", 1);
  if (samples < 1) fail("attribute sample_size is " + std::to_string(samples) + ", which is out of range");
  return {TensorType(class_dtype(c.attributes), Dims{x.dims ? x.dims->front() : Dim(), samples})};
}

std::vector<Tensor> multinomial_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  std::mt19937_64 numbers = generator(attributes);
  const std::int64_t batch = in[0].shape()[0], classes = in[0].shape()[1];
  const Shape shape{batch, attributes.get_int("sample_size", 1)};
  if (classes == 0 && shape.size() != 0) throw Error(ErrorKind::invalid_argument, "there are no classes to draw from");
  static_cast<void>(Tensor::empty(DType::i64, shape));
  const std::vector<double> logits = read<double>(in[0]);
  std::vector<std::int64_t> out;
  for (std::int64_t b = 0; b < batch; ++b) {
    const double* row = logits.data() + b * classes;
    const double most = *std::max_element(row, row + classes);
    double total = 0;
    for (std::int64_t k = 0; k < classes; ++k) total += std::exp(row[k] - most);
    for (std::int64_t s = 0; s < shape[1]; ++s) {
      double left = unit(numbers) * total;
      std::int64_t chosen = 0;
      for (; chosen + 1 < classes; ++chosen) {
        left -= std::exp(row[chosen] - most);
        if (left < 0) break;
      }
      out.push_back(chosen);
    }
  }
  return {write(class_dtype(attributes), shape, out)};
}

}  // namespace

void add_random(OperatorRegistry& registry) {
  add_distribution(registry, {"RandomUniform", "low", "high", 0, 1,
                              [](std::mt19937_64& from, double low, double high) { return low + (high - low) * unit(from); }});
  add_distribution(registry, {"RandomNormal", "mean", "scale", 0, 1,
                              [](std::mt19937_64& from, double mean, double scale) { return mean + scale * normal(from); }});
  registry.add(random(onnx(
      "Bernoulli", {15}, schema({"input"}, {"output"}, {dtype("dtype"), real("seed")}),
      [](const TypeContext& c) {
        const TensorType& x = input(c, 0, floats, "input");
        return std::vector{typed(c.attributes.get_dtype("dtype", x.dtype), x.dims)};
      },
      bernoulli_kernel)));
  registry.add(random(onnx("Multinomial", {7}, schema({"input"}, {"output"}, {dtype("dtype"), integer("sample_size", 1), real("seed")}),
                           multinomial_type, multinomial_kernel)));
}

}  // namespace lazyfx::ops
