#include <string>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

enum class Reduction : std::uint8_t { none, add, mul, min, max };

Reduction reduction_of(const Attributes& attributes) {
  const std::string name = attributes.get_string("reduction", "none");
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::mul;
  if (name == "min") return Reduction::min;
  if (name == "max") return Reduction::max;
  fail("attribute reduction is \"" + name + "\", which is none of none, add, mul, min, max");
}

std::int64_t place(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) {
    throw Error(ErrorKind::invalid_argument, "index " + std::to_string(index) + " is outside of an axis of " + std::to_string(size));
  }
  return index < 0 ? index + size : index;
}

template <class C>
C combined(Reduction reduction, C old, C update) {
  switch (reduction) {
    case Reduction::add:
      if constexpr (std::is_same_v<C, std::int64_t>)
        return static_cast<C>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(update));
      return old + update;
    case Reduction::mul:
      if constexpr (std::is_same_v<C, std::int64_t>)
        return static_cast<C>(static_cast<std::uint64_t>(old) * static_cast<std::uint64_t>(update));
      return old * update;
    case Reduction::min: return update < old || update != update ? update : old;
    case Reduction::max: return update > old || update != update ? update : old;
    case Reduction::none: break;
  }
  return update;
}

/// Puts the elements of `updates`, in order, at `places` of `data`: each in turn, so of equal places the last one wins.
Tensor scattered(const Tensor& data, const Tensor& updates, const Sizes& places, Reduction reduction) {
  if (reduction == Reduction::none) {
    Tensor out = data.clone();
    const Tensor from = updates.contiguous();
    visit_dtype(data.dtype(), [&](auto type) {
      using T = typename decltype(type)::type;
      const auto values = from.values<T>();
      const auto to = out.mutable_values<T>();
      for (std::size_t i = 0; i < places.size(); ++i) to[static_cast<std::size_t>(places[i])] = values[i];
    });
    return out;
  }
  return visit_compute(data.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    std::vector<C> to = read<C>(data);
    const std::vector<C> values = read<C>(updates);
    for (std::size_t i = 0; i < places.size(); ++i) {
      C& element = to[static_cast<std::size_t>(places[i])];
      element = combined(reduction, element, values[i]);
    }
    return write(data.dtype(), data.shape(), to);
  });
}

// ScatterElements

std::vector<TensorType> scatter_elements_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& indices = input(c, 1, index_dtypes, "indices");
  require_same_dtype(c, 0, 2);
  const TensorType& updates = input(c, 2);
  reduction_of(c.attributes);
  if (x.dims) axis_in(c.attributes.get_int("axis", 0), x.dims->size());
  for (const TensorType* other : {&indices, &updates}) {
    if (x.dims && other->dims && x.dims->size() != other->dims->size()) {
      fail("the indices or updates have " + std::to_string(other->dims->size()) + " dimensions but data has " +
           std::to_string(x.dims->size()));
    }
  }
  if (indices.dims && updates.dims) {
    for (std::size_t i = 0; i < indices.dims->size(); ++i) {
      merge((*indices.dims)[i], (*updates.dims)[i], "the sizes of indices and updates on axis " + std::to_string(i));
    }
  }
  return {x};
}

std::vector<Tensor> scatter_elements_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const std::size_t axis = axis_in(attributes.get_int("axis", 0), shape.rank());
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis && in[1].shape()[i] > shape[i]) fail("input 1 (indices) is larger than data on axis " + std::to_string(i));
  }
  const Sizes indices = read<std::int64_t>(in[1]);
  const auto strides = shape.row_major_strides();
  Sizes places;
  places.reserve(indices.size());
  for_each_index(in[1].shape(), [&](std::span<const std::int64_t> index) {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < index.size(); ++i)
      offset += (i == axis ? place(indices[places.size()], shape[axis]) : index[i]) * strides[i];
    places.push_back(offset);
  });
  return {scattered(in[0], in[2], places, reduction_of(attributes))};
}

// ScatterND and GatherND: the last axis of the indices names a slice of data.

/// How many leading axes of data (behind `batch` shared ones) an index tuple names.
std::size_t tuple_length(const Dims& data, const Dims& indices, std::size_t batch) {
  if (indices.empty()) fail("input 1 (indices) is a scalar");
  if (data.empty()) fail("input 0 (data) is a scalar");
  const std::int64_t length = indices.back().size;
  if (length < 1 || static_cast<std::size_t>(length) + batch > data.size()) {
    fail("the last dimension of input 1 (indices) is " + std::to_string(length) + " where data has " + std::to_string(data.size()) +
         " dimensions");
  }
  return static_cast<std::size_t>(length);
}

/// indices.shape[:-1] + data.shape[batch + tuple:], once that is known.
std::optional<Dims> slices_dims(const TensorType& data, const TensorType& indices, std::size_t batch) {
  if (!data.dims || !indices.dims || (!indices.dims->empty() && !indices.dims->back().known())) return std::nullopt;
  const std::size_t named = batch + tuple_length(*data.dims, *indices.dims, batch);
  Dims dims(indices.dims->begin(), indices.dims->end() - 1);
  dims.insert(dims.end(), data.dims->begin() + static_cast<std::ptrdiff_t>(named), data.dims->end());
  return dims;
}

/// Calls `f(offset of the slice in data)` for each index tuple; slices are `length` elements.
template <class F>
void for_each_slice(const Shape& data, const Tensor& indices, std::size_t batch, F&& f) {
  const Shape& shape = indices.shape();
  const auto tuple = static_cast<std::size_t>(shape[shape.rank() - 1]);
  const auto strides = data.row_major_strides();
  const Sizes values = read<std::int64_t>(indices);
  std::size_t next = 0;
  for_each_index(Shape(shape.dims().first(shape.rank() - 1)), [&](std::span<const std::int64_t> index) {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < batch; ++i) offset += index[i] * strides[i];
    for (std::size_t i = 0; i < tuple; ++i) offset += place(values[next++], data[batch + i]) * strides[batch + i];
    f(offset);
  });
}

std::int64_t slice_length(const Shape& data, std::size_t named) { return Shape(data.dims().subspan(named)).size(); }

std::vector<TensorType> scatter_nd_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& indices = input(c, 1, {DType::i64}, "indices");
  require_same_dtype(c, 0, 2);
  reduction_of(c.attributes);
  const auto dims = slices_dims(x, indices, 0);
  const auto& updates = c.inputs[2]->dims;
  if (dims && updates) {
    if (dims->size() != updates->size())
      fail("input 2 (updates) has shape " + describe(*updates) + " where " + describe(*dims) + " is expected");
    for (std::size_t i = 0; i < dims->size(); ++i) merge((*dims)[i], (*updates)[i], "the sizes of updates and of what the indices name");
  }
  return {x};
}

std::vector<Tensor> scatter_nd_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const std::int64_t length = slice_length(shape, static_cast<std::size_t>(in[1].shape()[in[1].rank() - 1]));
  Sizes places;
  places.reserve(static_cast<std::size_t>(in[2].size()));
  for_each_slice(shape, in[1], 0, [&](std::int64_t offset) {
    for (std::int64_t i = 0; i < length; ++i) places.push_back(offset + i);
  });
  return {scattered(in[0], in[2], places, reduction_of(attributes))};
}

std::size_t batch_of(const Attributes& attributes) {
  const std::int64_t batch = attributes.get_int("batch_dims", 0);
  if (batch < 0 || batch >= static_cast<std::int64_t>(Shape::max_rank))
    fail("attribute batch_dims is " + std::to_string(batch) + ", which is out of range");
  return static_cast<std::size_t>(batch);
}

std::vector<TensorType> gather_nd_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& indices = input(c, 1, {DType::i64}, "indices");
  const std::size_t batch = batch_of(c.attributes);
  if (x.dims && indices.dims) {
    if (batch >= indices.dims->size()) fail("input 1 (indices) has no dimensions beside the " + std::to_string(batch) + " shared ones");
    for (std::size_t i = 0; i < batch && i < x.dims->size(); ++i) {
      merge((*x.dims)[i], (*indices.dims)[i], "the sizes of data and indices on shared axis " + std::to_string(i));
    }
  }
  return {typed(x.dtype, slices_dims(x, indices, batch))};
}

std::vector<Tensor> gather_nd_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Tensor x = in[0].contiguous();
  const std::size_t batch = batch_of(attributes);
  const std::size_t named = batch + static_cast<std::size_t>(in[1].shape()[in[1].rank() - 1]);
  Sizes dims(in[1].shape().begin(), in[1].shape().end() - 1);
  dims.insert(dims.end(), x.shape().begin() + named, x.shape().end());
  const std::int64_t length = slice_length(x.shape(), named);
  Tensor out = Tensor::empty(x.dtype(), Shape(dims));
  visit_dtype(x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto from = x.values<T>();
    const auto to = out.mutable_values<T>();
    std::size_t next = 0;
    for_each_slice(x.shape(), in[1], batch, [&](std::int64_t offset) {
      for (std::int64_t i = 0; i < length; ++i) to[next++] = from[static_cast<std::size_t>(offset + i)];
    });
  });
  return {out};
}

}  // namespace

void add_scatter(OperatorRegistry& registry) {
  // reduction came with version 16, its min and max with 18; absent it changes nothing.
  const auto elements = [&](const char* type, Versions versions, std::vector<AttributeSpec> attributes) {
    registry.add(onnx(type, versions, schema({"data", "indices", "updates"}, {"output"}, std::move(attributes)), scatter_elements_type,
                      scatter_elements_kernel));
  };
  elements("ScatterElements", {11}, {integer("axis", 0), text("reduction", "none")});
  elements("Scatter", {9}, {integer("axis", 0)});  // the same under an older name
  registry.add(onnx("ScatterND", {11}, schema({"data", "indices", "updates"}, {"output"}, {text("reduction", "none")}), scatter_nd_type,
                    scatter_nd_kernel));
  registry.add(
      onnx("GatherND", {11}, schema({"data", "indices"}, {"output"}, {integer("batch_dims", 0)}), gather_nd_type, gather_nd_kernel));
}

}  // namespace lazyfx::ops
