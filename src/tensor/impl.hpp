#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx {

/// What a Tensor points to. `owned`: the elements follow in the same allocation. `wrapped`: a WrappedImpl, whose owner keeps
/// them. `view`: they belong to `base`, which is never a view itself.
struct Tensor::Impl {
  enum class Kind : std::uint8_t { owned, wrapped, view };

  Impl(Kind k, DType d, const Shape& s) noexcept : kind(k), dtype(d), shape(s) {}

  std::atomic<std::size_t> refs{1};
  std::atomic<std::uint64_t> digest{0};  // 0: not computed yet
  const std::byte* data = nullptr;
  Impl* base = nullptr;
  Kind kind;
  DType dtype;
  bool contiguous = true;
  Shape shape;
  std::array<std::int64_t, Shape::max_rank> strides;  // the first shape.rank() are set

  std::span<const std::int64_t> stride_span() const noexcept { return {strides.data(), shape.rank()}; }
  void set_row_major() noexcept;
  /// Also finds out whether the elements are contiguous.
  void set_strides(std::span<const std::int64_t> given) noexcept;

  // Whoever copies a handle holds one already, so nothing has to be ordered by the increment.
  void retain() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  // Release: our reads of the elements come before somebody else's writes or free. Acquire: theirs before our free. The plain
  // load spares the last handle the locked instruction; nobody else can raise a count of one.
  void release() noexcept {
    if (refs.load(std::memory_order_acquire) == 1 || refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
  static void destroy(Impl* impl) noexcept;
  static Impl* allocate(DType dtype, const Shape& shape, bool zeroed);
};

struct WrappedImpl : Tensor::Impl {
  WrappedImpl(DType d, const Shape& s, std::shared_ptr<const void> o) noexcept : Impl(Kind::wrapped, d, s), owner(std::move(o)) {}
  std::shared_ptr<const void> owner;
  std::uint64_t expected = 0;  ///< what the digest must turn out to be; 0: anything
  std::string origin;          ///< where the elements come from, for the error when it does not
};

}  // namespace lazyfx
