#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "impl.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "strided.hpp"

namespace lazyfx {
namespace {

using Strides = std::array<std::int64_t, Shape::max_rank>;

template <class T>
void copy_elements(const Tensor& from, void* to) {
  const auto* source = static_cast<const T*>(from.raw());
  auto* target = static_cast<T*>(to);
  const Strides packed = from.shape().row_major_strides();
  detail::for_each_row<2>(from.shape(), {std::span(packed.data(), from.rank()), from.strides()},
                          [&](const auto& offsets, std::int64_t count, const auto& strides) {
                            T* out = target + offsets[0];
                            const T* in = source + offsets[1];
                            if (strides[1] == 1 || count == 1) {
                              std::copy_n(in, count, out);
                            } else {
                              for (std::int64_t i = 0; i < count; ++i) out[i] = in[i * strides[1]];
                            }
                            return true;
                          });
}

// The number's meaning does not matter for a copy, and a bool of a foreign library may hold any byte.
void copy_elements(const Tensor& from, void* to) {
  if (from.dtype() == DType::string) return copy_elements<std::string>(from, to);
  if (from.is_contiguous()) {
    if (from.size() != 0) std::memcpy(to, from.raw(), from.byte_size());
    return;
  }
  switch (size_of(from.dtype())) {
    case 1: return copy_elements<std::uint8_t>(from, to);
    case 2: return copy_elements<std::uint16_t>(from, to);
    case 4: return copy_elements<std::uint32_t>(from, to);
    default: return copy_elements<std::uint64_t>(from, to);
  }
}

Tensor::Impl* make_view(Tensor::Impl& of, const Shape& shape, std::span<const std::int64_t> strides, std::int64_t offset) {
  auto* view = new Tensor::Impl(Tensor::Impl::Kind::view, of.dtype, shape);
  view->base = of.kind == Tensor::Impl::Kind::view ? of.base : &of;
  view->base->retain();
  view->data = of.data + offset * static_cast<std::int64_t>(size_of(of.dtype));
  view->set_strides(strides);
  return view;
}

void check_defined(const Tensor& tensor) {
  if (!tensor.defined()) throw Error(ErrorKind::invalid_argument, "an undefined tensor has no elements");
}

}  // namespace

Tensor Tensor::clone() const {
  check_defined(*this);
  Tensor copy = empty(dtype(), shape());
  copy_elements(*this, copy.mutable_raw());
  return copy;
}

Tensor Tensor::contiguous() const {
  check_defined(*this);
  return is_contiguous() ? *this : clone();
}

Tensor Tensor::reshape(const Shape& to) const {
  check_defined(*this);
  if (to.size() != size()) {
    throw Error(ErrorKind::invalid_argument, "a tensor of shape " + to_string(shape()) + " cannot be reshaped to " + to_string(to));
  }
  if (to == shape()) return *this;
  const Tensor packed = contiguous();
  const Strides strides = to.row_major_strides();
  return Tensor(make_view(*packed.impl_, to, {strides.data(), to.rank()}, 0));
}

Tensor Tensor::transpose(std::span<const std::size_t> permutation) const {
  check_defined(*this);
  std::array<bool, Shape::max_rank> used{};
  bool valid = permutation.size() == rank();
  for (std::size_t i = 0; valid && i < rank(); ++i) { valid = permutation[i] < rank() && !std::exchange(used[permutation[i]], true); }
  if (!valid) {
    throw Error(ErrorKind::invalid_argument, "what was given to transpose a tensor of shape " + to_string(shape()) +
                                                 " is not a permutation of its " + std::to_string(rank()) + " axes");
  }
  Strides dims{};
  Strides permuted{};
  for (std::size_t i = 0; i < rank(); ++i) {
    dims[i] = shape()[permutation[i]];
    permuted[i] = strides()[permutation[i]];
  }
  return Tensor(make_view(*impl_, Shape(std::span<const std::int64_t>(dims.data(), rank())), {permuted.data(), rank()}, 0));
}

Tensor Tensor::slice(std::size_t axis, std::int64_t start, std::int64_t count, std::int64_t step) const {
  check_defined(*this);
  if (axis >= rank()) {
    throw Error(ErrorKind::invalid_argument, "axis " + std::to_string(axis) + " to slice is outside of shape " + to_string(shape()));
  }
  const std::int64_t size = shape()[axis];
  std::int64_t last = 0;
  bool inside = start >= 0 && start <= size && count >= 0;
  if (inside && count > 0) {
    inside = start < size && !__builtin_mul_overflow(count - 1, step, &last) && !__builtin_add_overflow(last, start, &last) && last >= 0 &&
             last < size;
  }
  if (!inside) {
    throw Error(ErrorKind::invalid_argument, "slice of " + std::to_string(count) + " from " + std::to_string(start) + " by " +
                                                 std::to_string(step) + " leaves axis " + std::to_string(axis) + " of shape " +
                                                 to_string(shape()));
  }
  Strides dims{};
  Strides stepped{};
  std::copy(shape().begin(), shape().end(), dims.begin());
  std::copy(strides().begin(), strides().end(), stepped.begin());
  dims[axis] = count;
  if (count > 1) stepped[axis] *= step;  // a single element's step leads nowhere, and may be any number
  const Shape sliced{std::span<const std::int64_t>(dims.data(), rank())};
  return Tensor(make_view(*impl_, sliced, {stepped.data(), rank()}, sliced.size() == 0 ? 0 : start * strides()[axis]));
}

Tensor Tensor::expand(const Shape& to) const {
  check_defined(*this);
  const std::optional<Shape> fitted = broadcast(shape(), to);
  if (!fitted || *fitted != to) {
    throw Error(ErrorKind::invalid_argument, "a tensor of shape " + to_string(shape()) + " cannot be expanded to " + to_string(to));
  }
  if (to == shape()) return *this;
  Strides stretched{};
  const std::size_t added = to.rank() - rank();
  for (std::size_t i = 0; i < rank(); ++i) {
    if (shape()[i] == to[added + i]) stretched[added + i] = strides()[i];
  }
  return Tensor(make_view(*impl_, to, {stretched.data(), to.rank()}, 0));
}

}  // namespace lazyfx
