// Stability: stable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/shape.hpp"

namespace lazyfx {

class Tensor;
namespace detail {
Tensor wrap_expecting(std::uint64_t digest, std::string origin, DType dtype, const Shape& shape, const void* data,
                      std::shared_ptr<const void> owner);
}

/// A reference-counted n-dimensional array. Copying a Tensor shares its elements; nobody writes to shared elements, so a
/// Tensor may be read from any thread and passed between threads freely. `mutable_data()` is for whoever just made one:
/// it throws unless this handle is the only one.
///
/// Memory made here is aligned to 64 bytes and padded so that a whole 64-byte vector may be read at its last element.
/// Views (reshape, transpose, slice, expand) share elements and may be strided; `contiguous()` copies only if it must.
/// A default-constructed Tensor is undefined: `defined()` is false. What can throw says so with Error(invalid_argument);
/// the noexcept members, from dtype() to raw(), REQUIRE defined().
/// One handle is not to be assigned on one thread while another copies it, as with std::shared_ptr.
class LAZYFX_API Tensor {
 public:
  Tensor() noexcept = default;
  Tensor(const Tensor& other) noexcept;
  Tensor(Tensor&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Tensor();

  /// Elements are not initialised (strings are empty). Throws Error(resource) when the bytes cannot be had.
  static Tensor empty(DType dtype, const Shape& shape);
  static Tensor zeros(DType dtype, const Shape& shape);
  template <class T> static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T> static Tensor from(std::initializer_list<T> values, const Shape& shape) {
    return from<T>(std::span<const T>(values.begin(), values.size()), shape);
  }
  template <class T> static Tensor scalar(const T& value) { return from<T>(std::span<const T>(&value, 1), Shape{}); }
  /// Wraps memory that `owner` keeps alive, without copying. Never written through. `data` needs the natural alignment of
  /// the dtype only; kernels that want 64 bytes copy. Bytes of booleans are 0 or 1. The owner is let go on the thread that
  /// drops the last handle. Throws Error(invalid_argument) for strings, and for a null or misaligned pointer.
  static Tensor wrap(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner);
  /// As above with strides in elements (may be zero or negative), one per axis. Throws Error(invalid_argument) also when
  /// they lead out of the address space; whether all that they reach is readable is the caller's promise.
  static Tensor wrap(DType dtype, const Shape& shape, std::span<const std::int64_t> strides, const void* data,
                     std::shared_ptr<const void> owner);

  bool defined() const noexcept { return impl_ != nullptr; }
  explicit operator bool() const noexcept { return defined(); }
  DType dtype() const noexcept;
  const Shape& shape() const noexcept;
  std::size_t rank() const noexcept { return shape().rank(); }
  std::int64_t size() const noexcept { return shape().size(); }
  /// Strides in elements, rank() of them.
  std::span<const std::int64_t> strides() const noexcept;
  bool is_contiguous() const noexcept;
  /// size() * size_of(dtype()): what the elements take when contiguous.
  std::size_t byte_size() const noexcept { return static_cast<std::size_t>(size()) * size_of(dtype()); }

  /// Address of element (0, 0, ...). Walk it with strides().
  const void* raw() const noexcept;
  /// The elements in row-major order. Throws Error(invalid_argument) if T is not the dtype or the tensor is strided.
  template <class T> std::span<const T> values() const {
    return {static_cast<const T*>(checked(dtype_of<T>)), static_cast<std::size_t>(size())};
  }
  /// The single element. Throws Error(invalid_argument) unless size() is 1 and T is the dtype.
  template <class T> T item() const;
  /// Writable elements. Throws Error(invalid_argument) if shared, strided or wrapped. Ask again after digest() or after
  /// sharing: an older pointer writes behind the back of the kept digest and of other handles.
  void* mutable_raw();
  template <class T> std::span<T> mutable_values() {
    checked(dtype_of<T>);
    return {static_cast<T*>(mutable_raw()), static_cast<std::size_t>(size())};
  }
  /// True when no other handle shares these elements (and they were not wrapped).
  bool unique() const noexcept;

  Tensor contiguous() const;
  Tensor clone() const;
  /// Same elements under another shape of equal size; copies only if strided.
  Tensor reshape(const Shape& shape) const;
  Tensor transpose(std::span<const std::size_t> permutation) const;
  /// Elements start, start+step, ... of one axis, `count` of them; step may be negative. Throws when out of range.
  Tensor slice(std::size_t axis, std::int64_t start, std::int64_t count, std::int64_t step = 1) const;
  /// NumPy broadcasting to `shape` with zero strides. Throws if it does not fit.
  Tensor expand(const Shape& shape) const;

  /// Content hash over dtype, shape and the elements in row-major order, so strided views and their copies agree. Computed
  /// at the first call, at the speed of reading memory, and kept with the elements or view. Any thread may ask; threads that
  /// are first together may each compute it. Throws Error(invalid_model) when the elements come from a saved file that was damaged since.
  std::uint64_t digest() const;
  /// True for the same object: same elements by address, shape and strides. See equal() for contents.
  bool is_same(const Tensor& other) const noexcept;

  struct Impl;  // in src/tensor/tensor.cpp

 private:
  friend Tensor detail::wrap_expecting(std::uint64_t, std::string, DType, const Shape&, const void*, std::shared_ptr<const void>);
  explicit Tensor(Impl* impl) noexcept : impl_(impl) {}
  const void* checked(DType dtype) const;
  [[noreturn]] static void throw_size_mismatch(std::size_t given, const Shape& shape);
  Impl* impl_ = nullptr;
};

/// Same dtype, shape and elements, bit for bit (so NaN equals the same NaN, and 0.0 differs from -0.0).
LAZYFX_API bool equal(const Tensor& a, const Tensor& b);
/// "f32[2x3] {1, 2, 3, ...}" with at most `limit` elements.
LAZYFX_API std::string to_string(const Tensor& tensor, std::size_t limit = 8);

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  if (values.size() != static_cast<std::size_t>(shape.size())) throw_size_mismatch(values.size(), shape);
  Tensor t = empty(dtype_of<T>, shape);
  std::copy(values.begin(), values.end(), t.mutable_values<T>().begin());
  return t;
}

template <class T>
T Tensor::item() const {
  const auto* first = static_cast<const T*>(checked(dtype_of<T>));
  if (size() != 1) throw_size_mismatch(1, shape());
  return *first;
}

}  // namespace lazyfx
