#include "ops/support/values.hpp"

#include "ops/support/definition.hpp"
#include "ops/support/elements.hpp"

namespace lazyfx::ops {

Tensor joined(const std::vector<Tensor>& parts, std::size_t axis) {
  const Shape& first = parts.front().shape();
  std::vector<std::int64_t> dims(first.begin(), first.end());
  if (axis >= dims.size()) fail("axis " + std::to_string(axis) + " is outside of rank " + std::to_string(dims.size()));
  dims[axis] = 0;
  for (const Tensor& t : parts) {
    bool fits = t.rank() == dims.size() && t.dtype() == parts.front().dtype();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) fits = i == axis || t.shape()[i] == dims[i];
    if (!fits)
      fail(to_string(TensorType(t.dtype(), t.shape())) + " does not fit behind " + to_string(TensorType(parts.front().dtype(), first)));
    dims[axis] += t.shape()[axis];
  }
  Tensor out = Tensor::empty(parts.front().dtype(), Shape(dims));
  const auto strides = out.shape().row_major_strides();
  std::int64_t start = 0;
  for (const Tensor& t : parts) {
    copy_into(out, start * strides[axis], {strides.data(), dims.size()}, t);
    start += t.shape()[axis];
  }
  return out;
}

Tensor without_axis(const Tensor& t, std::size_t axis) {
  std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  return t.contiguous().reshape(Shape(dims));
}

Tensor filled(const Tensor& t, std::int64_t size) {
  if (t.rank() == 0 || t.shape()[0] >= size) return t;
  std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
  dims[0] = size - dims[0];
  return joined({t, Tensor::zeros(t.dtype(), Shape(dims))}, 0);
}

}  // namespace lazyfx::ops
