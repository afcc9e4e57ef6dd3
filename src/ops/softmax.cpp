#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

enum class Kind : std::uint8_t { softmax, log_softmax, hardmax };

/// Rows of `length` elements, each replaced by its result.
void apply_to_rows(Kind kind, std::vector<double>& values, std::int64_t length) {
  if (length == 0) return;
  for (auto row = values.begin(); row != values.end(); row += static_cast<std::ptrdiff_t>(length)) {
    const auto end = row + static_cast<std::ptrdiff_t>(length);
    const auto largest = std::max_element(row, end);
    if (kind == Kind::hardmax) {
      const auto at = largest - row;
      std::fill(row, end, 0.0);
      row[at] = 1;
      continue;
    }
    const double most = *largest;
    double sum = 0;
    for (auto v = row; v != end; ++v) sum += std::exp(*v - most);
    for (auto v = row; v != end; ++v) *v = kind == Kind::softmax ? std::exp(*v - most) / sum : *v - most - std::log(sum);
  }
}

/// The shape in which one axis, the second, holds what is normalised together: before version 13 the input counted as a matrix.
Shape as_matrix(const Shape& shape, std::size_t axis) {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  for (std::size_t i = 0; i < shape.rank(); ++i) (i < axis ? rows : columns) *= shape[i];
  return Shape{rows, columns};
}

/// The axis attribute; the older meaning allows rank itself, "no columns".
std::size_t axis_of(const Attributes& attributes, std::size_t rank, bool matrix) {
  const std::int64_t axis = attributes.get_int("axis", matrix ? 1 : -1);
  if (matrix && axis == static_cast<std::int64_t>(rank)) return rank;
  return axis_in(axis, std::max<std::size_t>(rank, 1));
}

std::vector<TensorType> type_rule(const TypeContext& c, bool matrix) {
  const TensorType& x = input(c, 0, floats, "input");
  if (x.dims) axis_of(c.attributes, x.dims->size(), matrix);
  return {x};
}

std::vector<Tensor> kernel(Kind kind, bool matrix, const Tensor& x, const Attributes& attributes) {
  const std::size_t axis = axis_of(attributes, x.rank(), matrix);
  if (matrix || x.rank() == 0) {
    std::vector<double> values = read<double>(x);
    apply_to_rows(kind, values, as_matrix(x.shape(), axis)[1]);
    return {write(x.dtype(), x.shape(), values)};
  }
  std::vector<double> values = read_rows<double>(x, axis);
  apply_to_rows(kind, values, x.shape()[axis]);
  return {write_rows(x.dtype(), x.shape(), axis, x.shape()[axis], values)};
}

bool lower(Kind kind, bool matrix, LoweringContext& c) {
  const Shape shape = c.shape(c.input(0));
  if (!inputs_are(c, {DType::f32, DType::f64}) || shape.rank() == 0) return false;
  const std::size_t axis = axis_of(c.attributes(), shape.rank(), matrix);
  const bool log = kind == Kind::log_softmax;
  if (!matrix || axis + 1 == shape.rank()) {
    c.emit(primitive::Softmax{.axis = axis, .log = log}, {c.input(0)}, c.output(0));
    return true;
  }
  const Shape rows = as_matrix(shape, axis);
  const ValueRef out = c.temporary(c.dtype(c.input(0)), rows);
  c.emit(primitive::Softmax{.axis = 1, .log = log}, {c.reshape(c.input(0), rows)}, out);
  c.alias(out, c.output(0));
  return true;
}

}  // namespace

void add_softmax(OperatorRegistry& registry) {
  const auto both_meanings = [&](const std::string& type, Kind kind) {
    for (const bool matrix : {false, true}) {
      registry.add(onnx(
          matrix ? type + "@1" : type, matrix ? Versions{1, 12} : Versions{13},
          schema({"input"}, {"output"}, {integer("axis", matrix ? 1 : -1)}),
          [matrix](const TypeContext& c) { return type_rule(c, matrix); },
          [=](std::span<const Tensor> in, const Attributes& attributes, std::size_t) { return kernel(kind, matrix, in[0], attributes); },
          kind == Kind::hardmax ? Lowering() : [=](LoweringContext& c) { return lower(kind, matrix, c); }));
    }
  };
  both_meanings("Softmax", Kind::softmax);
  both_meanings("LogSoftmax", Kind::log_softmax);
  both_meanings("Hardmax", Kind::hardmax);
}

}  // namespace lazyfx::ops
