#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// Operators whose results depend on the order of elements.

std::vector<TensorType> cum_sum_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, numbers, "x");
  input(c, 1, index_dtypes, "axis");
  if (const Tensor axis = constant(c, 1); axis.defined() && x.dims) axis_in(int_of(axis, "input 1 (axis)"), x.dims->size());
  return {x};
}

/// Running sums of one row, from the front or the back, each with or without its own element.
template <class C>
void accumulate(C* row, std::int64_t length, bool exclusive, bool reverse) {
  C sum{};
  for (std::int64_t n = 0; n < length; ++n) {
    C& element = row[reverse ? length - 1 - n : n];
    const C own = element;
    if (exclusive) element = sum;
    sum += own;
    if (!exclusive) element = sum;
  }
}

std::vector<Tensor> cum_sum_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Tensor& x = in[0];
  const std::size_t axis = axis_in(int_of(in[1], "input 1 (axis)"), x.rank());
  const bool exclusive = attributes.get_int("exclusive", 0) != 0;
  const bool reverse = attributes.get_int("reverse", 0) != 0;
  const std::int64_t length = x.shape()[axis];
  const auto run = [&](auto rows) {
    for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(length))
      accumulate(rows.data() + at, length, exclusive, reverse);
    return std::vector{write_rows(x.dtype(), x.shape(), axis, length, rows)};
  };
  // Signed sums wrap like unsigned ones, bit for bit.
  return is_floating(x.dtype()) ? run(read_rows<double>(x, axis)) : run(read_rows<std::uint64_t>(x, axis));
}

std::vector<TensorType> non_zero_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, fixed_size, "X");
  return {TensorType(DType::i64, {x.dims ? Dim(static_cast<std::int64_t>(x.dims->size())) : Dim(), Dim()})};
}

std::vector<Tensor> non_zero_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Tensor& x = in[0];
  std::vector<std::int64_t> found;  // one index after the other
  std::int64_t count = 0;
  visit_compute(x.dtype(), [&](auto type) {
    const auto values = read<typename decltype(type)::type>(x);
    std::size_t next = 0;
    for_each_index(x.shape(), [&](std::span<const std::int64_t> index) {
      if (values[next++] == 0) return;
      found.insert(found.end(), index.begin(), index.end());
      ++count;
    });
  });
  const auto rank = static_cast<std::int64_t>(x.rank());
  return {write(DType::i64, Shape{count, rank}, found).transpose(std::vector<std::size_t>{1, 0}).contiguous()};
}

}  // namespace

void add_ordering(OperatorRegistry& registry) {
  registry.add(
      onnx("CumSum", {11}, schema({"x", "axis"}, {"y"}, {integer("exclusive", 0), integer("reverse", 0)}), cum_sum_type, cum_sum_kernel));
  registry.add(onnx("NonZero", {9}, schema({"X"}, {"Y"}), non_zero_type, non_zero_kernel));
}

}  // namespace lazyfx::ops
