#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

std::vector<TensorType> concat_type(const TypeContext& c) {
  const DType dtype = input(c, 0).dtype;
  std::optional<Dims> out;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    require_same_dtype(c, 0, i);
    const auto& dims = input(c, i).dims;
    if (!dims) continue;
    if (out && out->size() != dims->size()) {
      fail("input " + std::to_string(i) + " has " + std::to_string(dims->size()) + " dimensions where others have " +
           std::to_string(out->size()));
    }
    out = out.value_or(unknown_dims(dims->size()));
  }
  if (!out) return {TensorType(dtype)};
  const std::size_t axis = axis_in(c.attributes.get_int("axis"), out->size());
  Dim total = 0;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const auto& dims = c.inputs[i]->dims;
    total = i == 0 && dims ? (*dims)[axis] : add(total, dims ? (*dims)[axis] : Dim());
    if (!dims) continue;
    for (std::size_t d = 0; d < out->size(); ++d) {
      if (d == axis) continue;
      (*out)[d] = merge((*out)[d], (*dims)[d], "the sizes of the inputs up to " + std::to_string(i) + " on axis " + std::to_string(d));
    }
  }
  (*out)[axis] = total;
  return {TensorType(dtype, *out)};
}

std::vector<Tensor> concat_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const std::size_t axis = axis_in(attributes.get_int("axis"), in[0].rank());
  std::vector<std::int64_t> dims(in[0].shape().begin(), in[0].shape().end());
  for (const Tensor& t : in.subspan(1)) dims[axis] += t.shape()[axis];
  Tensor out = Tensor::empty(in[0].dtype(), Shape(dims));
  const auto strides = out.shape().row_major_strides();
  std::int64_t start = 0;
  for (const Tensor& t : in) {
    copy_into(out, start * strides[axis], {strides.data(), dims.size()}, t);
    start += t.shape()[axis];
  }
  return {out};
}

bool lower_concat(LoweringContext& c) {
  if (!inputs_are(c, fixed_size)) return false;
  if (c.input_count() == 1) {
    c.alias(c.input(0), c.output(0));
    return true;
  }
  const Shape& to = c.shape(c.output(0));
  const std::size_t axis = axis_in(c.attributes().get_int("axis"), to.rank());
  const auto out_strides = to.row_major_strides();
  primitive::Transfer transfer;
  std::vector<ValueRef> inputs;
  std::int64_t start = 0;
  for (std::size_t i = 0; i < c.input_count(); ++i) {
    const Shape& from = c.shape(c.input(i));
    if (from.size() == 0) continue;
    const auto in_strides = from.row_major_strides();
    primitive::Transfer::Region region;
    region.extent.assign(from.begin(), from.end());
    region.in_strides.assign(in_strides.begin(), in_strides.begin() + static_cast<std::ptrdiff_t>(from.rank()));
    region.out_strides.assign(out_strides.begin(), out_strides.begin() + static_cast<std::ptrdiff_t>(to.rank()));
    region.out_offset = start * out_strides[axis];
    start += from[axis];
    transfer.regions.push_back(std::move(region));
    inputs.push_back(c.input(i));
  }
  if (inputs.empty()) return false;
  c.emit(std::move(transfer), std::move(inputs), c.output(0));
  return true;
}

}  // namespace

void add_concat(OperatorRegistry& registry) {
  registry.add(
      onnx("Concat", {4}, schema({"inputs..."}, {"concat_result"}, {required(integer("axis"))}), concat_type, concat_kernel, lower_concat));
}

}  // namespace lazyfx::ops
