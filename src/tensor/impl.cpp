#include "impl.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "tensor/memory.hpp"

namespace lazyfx {
namespace {

constexpr std::size_t alignment = 64;

}  // namespace

void Tensor::Impl::set_row_major() noexcept {
  std::int64_t stride = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(shape[i], 1);
  }
  contiguous = true;
}

void Tensor::Impl::set_strides(std::span<const std::int64_t> given) noexcept {
  std::copy(given.begin(), given.end(), strides.begin());
  contiguous = true;
  if (shape.size() == 0) return;
  std::int64_t expected = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) contiguous = false;
    expected *= shape[i];
  }
}

Tensor::Impl* Tensor::Impl::allocate(DType dtype, const Shape& shape, bool zeroed) {
  // The slack lets the elements start at the next multiple of 64 behind the header, and a 64-byte read start at the last one.
  constexpr std::size_t extra = sizeof(Impl) + 2 * alignment;
  std::size_t bytes = bytes_for(dtype, shape);
  if (__builtin_add_overflow(bytes, extra, &bytes)) throw_no_memory(dtype, shape);
  void* memory = zeroed ? std::calloc(1, bytes) : std::malloc(bytes);
  if (memory == nullptr) throw_no_memory(dtype, shape);

  auto* impl = new (memory) Impl(Kind::owned, dtype, shape);
  impl->set_row_major();
  void* first = static_cast<std::byte*>(memory) + sizeof(Impl);
  std::size_t space = bytes - sizeof(Impl);
  std::align(alignment, space - alignment, first, space);
  impl->data = static_cast<const std::byte*>(first);
  if (dtype == DType::string) std::uninitialized_default_construct_n(static_cast<std::string*>(first), shape.size());
  return impl;
}

void Tensor::Impl::destroy(Impl* impl) noexcept {
  switch (impl->kind) {
    case Kind::owned:
      if (impl->dtype == DType::string) {
        std::destroy_n(reinterpret_cast<std::string*>(const_cast<std::byte*>(impl->data)), impl->shape.size());
      }
      impl->~Impl();
      std::free(impl);
      return;
    case Kind::wrapped: delete static_cast<WrappedImpl*>(impl); return;
    case Kind::view: {
      Impl* base = impl->base;
      delete impl;
      base->release();
      return;
    }
  }
}

}  // namespace lazyfx
