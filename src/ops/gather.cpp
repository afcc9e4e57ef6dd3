#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t place(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) {
    throw Error(ErrorKind::invalid_argument, "index " + std::to_string(index) + " is outside of an axis of " + std::to_string(size));
  }
  return index < 0 ? index + size : index;
}

// Gather

std::vector<TensorType> gather_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& indices = input(c, 1, index_dtypes, "indices");
  if (!x.dims) return {x};
  const std::size_t axis = axis_in(c.attributes.get_int("axis", 0), x.dims->size());
  if (!indices.dims) return {TensorType(x.dtype)};
  Dims out(x.dims->begin(), x.dims->begin() + static_cast<std::ptrdiff_t>(axis));
  out.insert(out.end(), indices.dims->begin(), indices.dims->end());
  out.insert(out.end(), x.dims->begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.dims->end());
  return {TensorType(x.dtype, out)};
}

std::vector<Tensor> gather_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& x = in[0].shape();
  const std::size_t axis = axis_in(attributes.get_int("axis", 0), x.rank());
  Sizes indices = read<std::int64_t>(in[1]);
  for (std::int64_t& index : indices) index = place(index, x[axis]);
  Sizes dims(x.begin(), x.begin() + axis);
  dims.insert(dims.end(), in[1].shape().begin(), in[1].shape().end());
  dims.insert(dims.end(), x.begin() + axis + 1, x.end());
  return {take(in[0], axis, indices).reshape(Shape(dims))};
}

bool lower_gather(LoweringContext& c) {
  const Shape x = c.shape(c.input(0));
  if (!fixed_size.contains(c.dtype(c.input(0))) || x.size() == 0) return false;
  const std::size_t axis = axis_in(c.attributes().get_int("axis", 0), x.rank());
  const Tensor known = c.constant_value(c.input(1));
  if (known.defined() && known.size() == 1) {  // one place: a view
    const auto strides = x.row_major_strides();
    const std::int64_t offset = place(int_of(known, "input 1 (indices)"), x[axis]) * strides[axis];
    Sizes steps(strides.begin(), strides.begin() + static_cast<std::ptrdiff_t>(x.rank()));
    steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(axis));
    steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(axis), known.rank(), 0);
    emit_view(c, c.input(0), offset, steps, c.output(0));
    return true;
  }
  c.emit(primitive::Gather{axis}, {c.input(0), c.input(1)}, c.output(0));
  return true;
}

// GatherElements

std::vector<TensorType> gather_elements_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& indices = input(c, 1, index_dtypes, "indices");
  if (x.dims) axis_in(c.attributes.get_int("axis", 0), x.dims->size());
  if (x.dims && indices.dims && x.dims->size() != indices.dims->size()) {
    fail("input 1 (indices) has " + std::to_string(indices.dims->size()) + " dimensions but data has " + std::to_string(x.dims->size()));
  }
  return {typed(x.dtype, indices.dims)};
}

std::vector<Tensor> gather_elements_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Tensor x = in[0].contiguous();
  const Shape& to = in[1].shape();
  const std::size_t axis = axis_in(attributes.get_int("axis", 0), x.rank());
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (i != axis && to[i] > x.shape()[i]) fail("input 1 (indices) is larger than data on axis " + std::to_string(i));
  }
  const Sizes indices = read<std::int64_t>(in[1]);
  const auto strides = x.shape().row_major_strides();
  Tensor out = Tensor::empty(x.dtype(), to);
  visit_dtype(x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto from = x.values<T>();
    const auto results = out.mutable_values<T>();
    std::size_t next = 0;
    for_each_index(to, [&](std::span<const std::int64_t> index) {
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < index.size(); ++i) {
        offset += (i == axis ? place(indices[next], x.shape()[axis]) : index[i]) * strides[i];
      }
      results[next++] = from[static_cast<std::size_t>(offset)];
    });
  });
  return {out};
}

// OneHot

std::vector<TensorType> one_hot_type(const TypeContext& c) {
  const TensorType& indices = input(c, 0, numbers, "indices");
  input(c, 1, numbers, "depth");
  const TensorType& values = input(c, 2);
  if (!indices.dims) return {TensorType(values.dtype)};
  const std::size_t axis = axis_in(c.attributes.get_int("axis", -1), indices.dims->size() + 1);
  Dims out = *indices.dims;
  const Tensor depth = constant(c, 1);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(axis), depth.defined() ? Dim(int_of(depth, "input 1 (depth)")) : Dim());
  return {TensorType(values.dtype, out)};
}

std::vector<Tensor> one_hot_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const std::size_t axis = axis_in(attributes.get_int("axis", -1), shape.rank() + 1);
  const std::int64_t depth = int_of(in[1], "input 1 (depth)");
  if (in[2].rank() != 1 || in[2].size() != 2)
    fail("input 2 (values) has shape " + to_string(in[2].shape()) + " where 2 elements are expected");
  Sizes dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  Tensor out = in[2].slice(0, 0, 1).reshape(Shape{}).expand(Shape(dims)).clone();
  const auto strides = out.shape().row_major_strides();
  const Tensor on = in[2].slice(0, 1, 1).reshape(Shape{});
  const Sizes indices = read<std::int64_t>(in[0]);
  std::size_t next = 0;
  for_each_index(shape, [&](std::span<const std::int64_t> index) {
    std::int64_t hot = indices[next++];
    if (hot < 0) hot += depth;
    if (hot < 0 || hot >= depth) return;
    std::int64_t offset = hot * strides[axis];
    for (std::size_t i = 0; i < index.size(); ++i) offset += index[i] * strides[i < axis ? i : i + 1];
    copy_into(out, offset, {}, on);
  });
  return {out};
}

}  // namespace

void add_gather(OperatorRegistry& registry) {
  registry.add(
      onnx("Gather", {1}, schema({"data", "indices"}, {"output"}, {integer("axis", 0)}), gather_type, gather_kernel, lower_gather));
  registry.add(onnx("GatherElements", {11}, schema({"data", "indices"}, {"output"}, {integer("axis", 0)}), gather_elements_type,
                    gather_elements_kernel));
  registry.add(
      onnx("OneHot", {9}, schema({"indices", "depth", "values"}, {"output"}, {integer("axis", -1)}), one_hot_type, one_hot_kernel));
}

}  // namespace lazyfx::ops
