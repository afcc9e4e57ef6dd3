#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// `getitem(value, index)` picks an item of a list or tuple, which is a matter of the graph's structure: whoever runs or compiles a graph
// resolves that without asking here. What is defined here is its meaning for a tensor: the sub-tensor at `index` of the first axis.

std::int64_t place(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) fail("index " + std::to_string(index) + " is outside of a first axis of " + std::to_string(size));
  return index < 0 ? index + size : index;
}

std::vector<TensorType> type_rule(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  input(c, 1, integers_of_any_sign, "index");
  if (!x.dims) return {x};
  if (x.dims->empty()) fail("input 0 (value) is a scalar, which has no items");
  if (const Tensor index = constant(c, 1); index.defined() && x.dims->front().known()) place(int_of(index, "input 1 (index)"), x.dims->front().size);
  return {TensorType(x.dtype, Dims(x.dims->begin() + 1, x.dims->end()))};
}

Shape item_shape(const Shape& shape) { return Shape(shape.dims().subspan(1)); }

std::vector<Tensor> kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Tensor& x = in[0];
  if (x.rank() == 0) fail("input 0 (value) is a scalar, which has no items");
  const std::int64_t at = place(int_of(in[1], "input 1 (index)"), x.shape()[0]);
  return {x.slice(0, at, 1).reshape(item_shape(x.shape()))};
}

bool lower(LoweringContext& c) {
  const Tensor index = c.constant_value(c.input(1));
  if (!index.defined() || !fixed_size.contains(c.dtype(c.input(0)))) return false;
  const Shape shape = c.shape(c.input(0));
  const auto strides = shape.row_major_strides();
  const std::int64_t at = place(int_of(index, "input 1 (index)"), shape[0]);
  emit_view(c, c.input(0), at * strides[0], std::vector<std::int64_t>(strides.begin() + 1, strides.begin() + static_cast<std::ptrdiff_t>(shape.rank())),
            c.output(0));
  return true;
}

}  // namespace

void add_getitem(OperatorRegistry& registry) {
  registry.add({.name = "getitem",
                .since_version = 1,
                .until_version = 0,
                .effect = Effect::pure,
                .schema = schema({"value", "index"}, {"item"}),
                .type_rule = type_rule,
                .reference = kernel,
                .lowering = lower});
}

}  // namespace lazyfx::ops
