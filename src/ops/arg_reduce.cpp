#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

std::vector<TensorType> type_rule(const TypeContext& c) {
  const TensorType& x = input(c, 0, numbers, "data");
  if (!x.dims) return {TensorType(DType::i64)};
  const std::size_t axis = axis_in(c.attributes.get_int("axis", 0), x.dims->size());
  if ((*x.dims)[axis] == Dim(0)) fail("axis " + std::to_string(axis) + " has no elements to choose from");
  Dims out = *x.dims;
  if (c.attributes.get_int("keepdims", 1) != 0) {
    out[axis] = 1;
  } else {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return {TensorType(DType::i64, out)};
}

/// Positions of the element of each row that no other beats; of equal ones the first, or the last.
template <class C>
std::vector<std::int64_t> winners(const std::vector<C>& rows, std::int64_t length, bool largest, bool last) {
  const auto beats = [largest](C a, C b) { return largest ? a > b : a < b; };
  std::vector<std::int64_t> result;
  for (auto row = rows.begin(); row != rows.end(); row += static_cast<std::ptrdiff_t>(length)) {
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < length; ++i) {
      if (beats(row[i], row[best]) || (last && row[i] == row[best])) best = i;
    }
    result.push_back(best);
  }
  return result;
}

ReferenceKernel kernel(bool largest) {
  return [largest](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
    const Shape& shape = in[0].shape();
    const std::size_t axis = axis_in(attributes.get_int("axis", 0), shape.rank());
    const bool last = attributes.get_int("select_last_index", 0) != 0;
    if (shape[axis] == 0) fail("axis " + std::to_string(axis) + " has no elements to choose from");
    const std::vector<std::int64_t> chosen = visit_compute(in[0].dtype(), [&](auto type) {
      return winners(read_rows<typename decltype(type)::type>(in[0], axis), shape[axis], largest, last);
    });
    const Tensor kept_axis = write_rows(DType::i64, shape, axis, 1, chosen);
    if (attributes.get_int("keepdims", 1) != 0) return std::vector{kept_axis};
    std::vector<std::int64_t> dims(shape.begin(), shape.end());
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    return std::vector{kept_axis.reshape(Shape(dims))};
  };
}

// TopK: k from an attribute (until version 9) or an input; largest and sorted came with version 11.

Dims with_axis(Dims dims, std::size_t axis, const Dim& k) {
  const Dim& size = dims[axis];
  if (k.known() && (k.size < 0 || (size.known() && k.size > size.size))) {
    fail("k is " + std::to_string(k.size) + " but axis " + std::to_string(axis) + " has size " + std::to_string(size.size));
  }
  dims[axis] = k;
  return dims;
}

std::vector<TensorType> top_k_type(const TypeContext& c, bool from_input) {
  const TensorType& x = input(c, 0, numbers, "X");
  Dim k;
  if (!from_input) {
    k = c.attributes.get_int("k");
  } else if (const Tensor known = constant(c, 1); known.defined()) {
    k = int_of(known, "input 1 (K)");
  }
  std::optional<Dims> dims;
  if (x.dims) dims = with_axis(*x.dims, axis_in(c.attributes.get_int("axis", -1), x.dims->size()), k);
  std::vector<TensorType> types{typed(x.dtype, dims), typed(DType::i64, dims)};
  types.resize(c.output_count);
  return types;
}

template <class C>
void top_of_row(const C* row, std::int64_t length, std::int64_t k, bool largest, std::vector<C>& values,
                std::vector<std::int64_t>& indices) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(length));
  for (std::int64_t i = 0; i < length; ++i) order[static_cast<std::size_t>(i)] = i;
  // NaN counts as larger than everything, and of equal elements the one with the lower index comes first.
  const auto greater = [](C a, C b) { return a > b || (a != a && b == b); };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), [&](std::int64_t i, std::int64_t j) {
    const bool first = largest ? greater(row[i], row[j]) : greater(row[j], row[i]);
    const bool second = largest ? greater(row[j], row[i]) : greater(row[i], row[j]);
    return first || (!second && i < j);
  });
  for (std::int64_t i = 0; i < k; ++i) {
    indices.push_back(order[static_cast<std::size_t>(i)]);
    values.push_back(row[indices.back()]);
  }
}

std::vector<Tensor> top_k(const Tensor& x, std::int64_t k, const Attributes& attributes, std::size_t output_count) {
  const std::size_t axis = axis_in(attributes.get_int("axis", -1), x.rank());
  const std::int64_t length = x.shape()[axis];
  with_axis(Dims(x.shape().begin(), x.shape().end()), axis, Dim(std::max<std::int64_t>(k, 0)));
  if (k < 0) fail("k is " + std::to_string(k));
  const bool largest = attributes.get_int("largest", 1) != 0;
  std::vector<Tensor> outputs = visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    const std::vector<C> rows = read_rows<C>(x, axis);
    std::vector<C> values;
    std::vector<std::int64_t> indices;
    for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(length))
      top_of_row(rows.data() + at, length, k, largest, values, indices);
    return std::vector{write_rows(x.dtype(), x.shape(), axis, k, values), write_rows(DType::i64, x.shape(), axis, k, indices)};
  });
  outputs.resize(output_count);
  return outputs;
}

std::vector<Tensor> top_k_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  return top_k(in[0], int_of(in[1], "input 1 (K)"), attributes, output_count);
}

std::vector<Tensor> top_k1_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  return top_k(in[0], attributes.get_int("k"), attributes, output_count);
}

}  // namespace

void add_arg_reduce(OperatorRegistry& registry) {
  // select_last_index came with version 12; absent it changes nothing.
  const auto attributes = [] { return std::vector{integer("axis", 0), integer("keepdims", 1), integer("select_last_index", 0)}; };
  registry.add(onnx("ArgMax", {1}, schema({"data"}, {"reduced"}, attributes()), type_rule, kernel(true)));
  registry.add(onnx("ArgMin", {1}, schema({"data"}, {"reduced"}, attributes()), type_rule, kernel(false)));
  registry.add(onnx(
      "TopK", {10}, schema({"X", "K"}, {"Values", "Indices?"}, {integer("axis", -1), integer("largest", 1), integer("sorted", 1)}),
      [](const TypeContext& c) { return top_k_type(c, true); }, top_k_kernel));
  registry.add(onnx(
      "TopK@1", {1, 9}, schema({"X"}, {"Values", "Indices?"}, {integer("axis", -1), required(integer("k"))}),
      [](const TypeContext& c) { return top_k_type(c, false); }, top_k1_kernel));
}

}  // namespace lazyfx::ops
