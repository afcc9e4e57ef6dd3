#include "lazyfx/tensor/tensor.hpp"

#include <bit>
#include <limits>
#include <string>

#include "impl.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

std::size_t natural_alignment(DType dtype) {
  return visit_dtype(dtype, []<class T>(std::type_identity<T>) { return alignof(T); });
}

std::string name_of(DType dtype, const Shape& shape) { return std::string(to_string(dtype)) + "[" + to_string(shape) + "]"; }

void check_wrapped_memory(DType dtype, const Shape& shape, const void* data) {
  if (dtype == DType::string) throw Error(ErrorKind::invalid_argument, "memory of strings cannot be wrapped as a tensor");
  if (shape.size() == 0) return;
  if (data == nullptr) throw Error(ErrorKind::invalid_argument, "a null pointer cannot be wrapped as tensor " + name_of(dtype, shape));
  if (std::bit_cast<std::uintptr_t>(data) % natural_alignment(dtype) != 0) {
    throw Error(ErrorKind::invalid_argument, "memory wrapped as tensor " + name_of(dtype, shape) + " is not aligned to " +
                                                 std::to_string(natural_alignment(dtype)) + " bytes");
  }
}

// The distance to the farthest element, in bytes, must be a number that offsets and pointers can hold.
void check_reach(DType dtype, const Shape& shape, std::span<const std::int64_t> strides) {
  std::int64_t reach = 1;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    std::int64_t along = 0;
    if (strides[i] == std::numeric_limits<std::int64_t>::min() ||
        __builtin_mul_overflow(shape[i] - 1, strides[i] < 0 ? -strides[i] : strides[i], &along) ||
        __builtin_add_overflow(reach, along, &reach)) {
      reach = std::numeric_limits<std::int64_t>::max();
      break;
    }
  }
  if (reach > std::numeric_limits<std::int64_t>::max() / 4 / static_cast<std::int64_t>(size_of(dtype))) {
    throw Error(ErrorKind::invalid_argument, "the strides of wrapped tensor " + name_of(dtype, shape) + " leave the address space");
  }
}

}  // namespace

Tensor::Tensor(const Tensor& other) noexcept : impl_(other.impl_) {
  if (impl_ != nullptr) impl_->retain();
}

Tensor::~Tensor() {
  if (impl_ != nullptr) impl_->release();
}

Tensor Tensor::empty(DType dtype, const Shape& shape) { return Tensor(Impl::allocate(dtype, shape, false)); }
Tensor Tensor::zeros(DType dtype, const Shape& shape) { return Tensor(Impl::allocate(dtype, shape, true)); }

Tensor Tensor::wrap(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner) {
  const auto strides = shape.row_major_strides();
  return wrap(dtype, shape, std::span(strides.data(), shape.rank()), data, std::move(owner));
}

Tensor Tensor::wrap(DType dtype, const Shape& shape, std::span<const std::int64_t> strides, const void* data,
                    std::shared_ptr<const void> owner) {
  if (strides.size() != shape.rank()) {
    throw Error(ErrorKind::invalid_argument, std::to_string(strides.size()) + " strides do not fit shape " + to_string(shape));
  }
  check_wrapped_memory(dtype, shape, data);
  if (shape.size() != 0) check_reach(dtype, shape, strides);
  auto* impl = new WrappedImpl(dtype, shape, std::move(owner));
  impl->data = static_cast<const std::byte*>(data);
  if (shape.size() == 0) {
    impl->set_row_major();  // strides that reach nothing may hold anything; do not calculate with them
  } else {
    impl->set_strides(strides);
  }
  return Tensor(impl);
}

DType Tensor::dtype() const noexcept { return impl_->dtype; }
const Shape& Tensor::shape() const noexcept { return impl_->shape; }
std::span<const std::int64_t> Tensor::strides() const noexcept { return impl_->stride_span(); }
bool Tensor::is_contiguous() const noexcept { return impl_->contiguous; }
const void* Tensor::raw() const noexcept { return impl_->data; }

const void* Tensor::checked(DType dtype) const {
  if (!defined()) throw Error(ErrorKind::invalid_argument, "an undefined tensor has no elements");
  if (impl_->dtype != dtype) {
    throw Error(ErrorKind::invalid_argument,
                "elements of tensor " + name_of(impl_->dtype, impl_->shape) + " were asked for as " + to_string(dtype));
  }
  if (!impl_->contiguous) {
    throw Error(ErrorKind::invalid_argument,
                "tensor " + name_of(impl_->dtype, impl_->shape) + " is strided; call contiguous() before values()");
  }
  return impl_->data;
}

void Tensor::throw_size_mismatch(std::size_t given, const Shape& shape) {
  throw Error(ErrorKind::invalid_argument, std::to_string(given) + (given == 1 ? " element does" : " elements do") + " not fit shape " +
                                               to_string(shape) + " of " + std::to_string(shape.size()));
}

bool Tensor::unique() const noexcept {
  if (impl_ == nullptr || impl_->refs.load(std::memory_order_acquire) != 1) return false;
  if (impl_->kind != Impl::Kind::view) return impl_->kind == Impl::Kind::owned;
  return impl_->base->kind == Impl::Kind::owned && impl_->base->refs.load(std::memory_order_acquire) == 1;
}

void* Tensor::mutable_raw() {
  if (!defined()) throw Error(ErrorKind::invalid_argument, "an undefined tensor has no elements");
  if (!impl_->contiguous) {
    throw Error(ErrorKind::invalid_argument, "tensor " + name_of(impl_->dtype, impl_->shape) + " is strided and cannot be written");
  }
  if (!unique()) {
    throw Error(ErrorKind::invalid_argument,
                "tensor " + name_of(impl_->dtype, impl_->shape) + " is shared or wraps foreign memory and cannot be written; clone() it");
  }
  impl_->digest.store(0, std::memory_order_relaxed);
  return const_cast<std::byte*>(impl_->data);
}

bool Tensor::is_same(const Tensor& other) const noexcept {
  if (impl_ == other.impl_) return true;
  if (impl_ == nullptr || other.impl_ == nullptr) return false;
  return impl_->data == other.impl_->data && impl_->dtype == other.impl_->dtype && impl_->shape == other.impl_->shape &&
         std::equal(strides().begin(), strides().end(), other.strides().begin());
}

}  // namespace lazyfx
