#include <algorithm>
#include <cmath>

#include "ops/families.hpp"
#include "ops/shipped.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Value = Composer::Value;
using Sizes = std::vector<std::int64_t>;

// Normalisations and pools that others make up, and the determinant.

std::int64_t norm_of(const Attributes& attributes) {
  const std::int64_t p = attributes.get_int("p", 2);
  if (p < 1 || p > 1024) fail("attribute p is " + std::to_string(p) + ", which is out of range");
  return p;
}

// LRN: each element over a power of the mean square of its neighbours among the channels.

std::vector<TensorType> lrn_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  if (x.dims && x.dims->size() < 2) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where at least 2 are expected");
  const std::int64_t size = c.attributes.get_int("size");
  if (size < 1 || size > (1 << 20)) fail("attribute size is " + std::to_string(size) + ", which is out of range");
  return {x};
}

Composer::Values lrn(Composer& c) {
  const Value x = c.input(0);
  const Shape shape = c.shape(x);
  const DType dtype = c.dtype(x);
  const std::int64_t size = c.attributes().get_int("size");
  const std::int64_t plane = Shape(shape.dims().subspan(2)).size();
  // Channels become the height of one plane, over which a window of `size` x 1 slides; what it sees outside counts as zero.
  const Value squares = c.reshape(c.apply("Mul", {x, x}), {shape[0], 1, shape[1], plane});
  const Value mean = c.apply(
      "AveragePool", {squares},
      {{"kernel_shape", Argument::ints({size, 1})}, {"pads", Argument::ints({(size - 1) / 2, 0, size / 2, 0})}, {"count_include_pad", 1}});
  const auto number = [&](const char* name, double fallback) { return c.number(dtype, c.attributes().get_float(name, fallback)); };
  const Value base = c.apply("Add", {number("bias", 1), c.apply("Mul", {number("alpha", 1e-4), mean})});
  const Value divisor = c.reshape(c.apply("Pow", {base, number("beta", 0.75)}), Sizes(shape.begin(), shape.end()));
  return {c.apply("Div", {x, divisor})};
}

// MeanVarianceNormalization

std::vector<TensorType> mean_variance_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  if (x.dims) axes_in(c.attributes.get_ints("axes"), x.dims->size());
  return {x};
}

Composer::Values mean_variance(Composer& c) {
  const Value x = c.input(0);
  const Keywords axes{{"axes", Argument::ints(c.attributes().get_ints("axes"))}};
  const Value centred = c.apply("Sub", {x, c.apply("ReduceMean", {x}, axes)});
  const Value deviation = c.apply("Sqrt", {c.apply("ReduceMean", {c.apply("Mul", {centred, centred})}, axes)});
  return {c.apply("Div", {centred, c.apply("Add", {deviation, c.number(c.dtype(x), 1e-9)})})};
}

// LpNormalization; what has no length stays as it is.

std::vector<TensorType> lp_normalization_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "input");
  if (x.dims) axis_in(c.attributes.get_int("axis", -1), x.dims->size());
  if (norm_of(c.attributes) > 2) fail("attribute p is neither 1 nor 2");
  return {x};
}

Composer::Values lp_normalization(Composer& c) {
  const Value x = c.input(0);
  const char* reduction = norm_of(c.attributes()) == 1 ? "ReduceL1" : "ReduceL2";
  const Value length = c.apply(reduction, {x}, {{"axes", Argument::ints({c.attributes().get_int("axis", -1)})}});
  const Value divisor = c.apply("Where", {c.apply("Equal", {length, c.number(c.dtype(x), 0)}), c.number(c.dtype(x), 1), length});
  return {c.apply("Div", {x, divisor})};
}

// LpPool and GlobalLpPool: (sum of |x|^p)^(1/p).

Value power(Composer& c, Value x, double exponent) { return exponent == 1 ? x : c.apply("Pow", {x, c.number(c.dtype(x), exponent)}); }

Composer::Values global_lp_pool(Composer& c) {
  const Value x = c.input(0);
  const auto p = static_cast<double>(norm_of(c.attributes()));
  Sizes axes;
  for (std::size_t i = 2; i < c.shape(x).rank(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  const Value sum = c.apply("ReduceSum", {power(c, c.apply("Abs", {x}), p), c.ints(axes)}, {{"noop_with_empty_axes", 1}});
  return {power(c, sum, 1 / p)};
}

std::vector<TensorType> global_lp_pool_type(const TypeContext& c) {
  TensorType x = input(c, 0, floats, "X");
  norm_of(c.attributes);
  if (x.dims && x.dims->size() < 3) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where at least 3 are expected");
  if (x.dims) std::fill(x.dims->begin() + 2, x.dims->end(), Dim(1));
  return {x};
}

Keywords pool_keywords(const Attributes& attributes) {
  Keywords keywords{{"count_include_pad", 1}};
  for (const auto& entry : attributes.entries()) {
    if (entry.first != "p") keywords.push_back(entry);
  }
  return keywords;
}

Composer::Values lp_pool(Composer& c) {
  const auto p = static_cast<double>(norm_of(c.attributes()));
  double elements = 1;
  for (const std::int64_t k : c.attributes().get_ints("kernel_shape")) elements *= static_cast<double>(k);
  const Value x = c.input(0);
  const Value mean = c.apply("AveragePool", {power(c, c.apply("Abs", {x}), p)}, pool_keywords(c.attributes()));
  return {power(c, c.apply("Mul", {mean, c.number(c.dtype(x), elements)}), 1 / p)};
}

// Det

std::vector<TensorType> det_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  if (!x.dims) return {x};
  if (x.dims->size() < 2) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where at least 2 are expected");
  merge((*x.dims)[x.dims->size() - 2], x.dims->back(), "the rows and columns of X");
  return {TensorType(x.dtype, Dims(x.dims->begin(), x.dims->end() - 2))};
}

/// By elimination with the largest pivot of each column.
double determinant(double* m, std::int64_t n) {
  double result = 1;
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t pivot = k;
    for (std::int64_t i = k + 1; i < n; ++i) {
      if (std::fabs(m[i * n + k]) > std::fabs(m[pivot * n + k])) pivot = i;
    }
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(m + pivot * n, m + pivot * n + n, m + k * n);
      result = -result;
    }
    result *= m[k * n + k];
    for (std::int64_t i = k + 1; i < n; ++i) {
      const double factor = m[i * n + k] / m[k * n + k];
      for (std::int64_t j = k; j < n; ++j) m[i * n + j] -= factor * m[k * n + j];
    }
  }
  return result;
}

std::vector<Tensor> det_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Shape& shape = in[0].shape();
  const std::int64_t n = shape[shape.rank() - 1];
  const Shape result(shape.dims().first(shape.rank() - 2));
  std::vector<double> matrices = read<double>(in[0]);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(result.size()));
  for (std::int64_t i = 0; i < result.size(); ++i) out.push_back(determinant(matrices.data() + i * n * n, n));
  return {write(in[0].dtype(), result, out)};
}

}  // namespace

void add_norms(OperatorRegistry& registry) {
  registry.add(composed("LRN", {1},
                        schema({"X"}, {"Y"}, {real("alpha", 1e-4), real("beta", 0.75), real("bias", 1), required(integer("size"))}),
                        lrn_type, lrn));
  AttributeSpec axes = integers("axes");
  axes.default_value = Argument::ints({0, 2, 3});
  registry.add(composed("MeanVarianceNormalization", {9}, schema({"X"}, {"Y"}, {axes}), mean_variance_type, mean_variance));
  registry.add(composed("LpNormalization", {1}, schema({"input"}, {"output"}, {integer("axis", -1), integer("p", 2)}),
                        lp_normalization_type, lp_normalization));
  registry.add(composed("GlobalLpPool", {2}, schema({"X"}, {"Y"}, {integer("p", 2)}), global_lp_pool_type, global_lp_pool));
  // ceil_mode and dilations came with version 18; absent they change nothing.
  registry.add(composed(
      "LpPool", {2},
      schema({"X"}, {"Y"},
             {text("auto_pad", "NOTSET"), integer("ceil_mode", 0), integers("dilations"), required(integers("kernel_shape")),
              integer("p", 2), integers("pads"), integers("strides")}),
      [](const TypeContext& c) {
        norm_of(c.attributes);
        return find_shipped("onnx::AveragePool")->type_rule(c);
      },
      lp_pool));
  registry.add(onnx("Det", {11}, schema({"X"}, {"Y"}), det_type, det_kernel));
}

}  // namespace lazyfx::ops
