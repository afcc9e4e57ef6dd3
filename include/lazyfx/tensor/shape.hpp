// Stability: stable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// The dimensions of a tensor, outermost first; rank 0 is a scalar. Held in place: a Shape never allocates.
/// Dimensions are not negative and the product of those that are not 0 fits in 63 bits, so that strides never overflow;
/// what breaks that, or has more than max_rank dimensions, throws Error(invalid_argument).
/// Thread safety: a value.
class LAZYFX_API Shape {
 public:
  static constexpr std::size_t max_rank = 12;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims);

  std::size_t rank() const noexcept { return rank_; }
  std::int64_t operator[](std::size_t axis) const noexcept { return dims_[axis]; }
  std::span<const std::int64_t> dims() const noexcept { return {dims_.data(), rank_}; }
  const std::int64_t* begin() const noexcept { return dims_.data(); }
  const std::int64_t* end() const noexcept { return dims_.data() + rank_; }
  /// Number of elements; 1 for a scalar, 0 if any dimension is 0.
  std::int64_t size() const noexcept { return size_; }
  /// Row-major strides in elements.
  std::array<std::int64_t, max_rank> row_major_strides() const noexcept;

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    if (a.rank_ != b.rank_) return false;
    // Every call of a module compares the shapes of its inputs: a loop, since memcmp's call costs more than a few dimensions.
    for (std::size_t i = 0; i < a.rank_; ++i) {
      if (a.dims_[i] != b.dims_[i]) return false;
    }
    return true;
  }

 private:
  std::array<std::int64_t, max_rank> dims_{};
  std::int64_t size_ = 1;
  std::uint8_t rank_ = 0;
};

/// "2x3x4"; "scalar" for rank 0.
LAZYFX_API std::string to_string(const Shape& shape);
/// NumPy's rule: align at the last axis, 1 stretches. Nothing if the two do not fit together; throws as Shape does when the
/// result has too many elements.
LAZYFX_API std::optional<Shape> broadcast(const Shape& a, const Shape& b);
/// Maps an axis in [-rank, rank) to [0, rank); throws Error(invalid_argument) outside.
LAZYFX_API std::size_t normalize_axis(std::int64_t axis, std::size_t rank);

}  // namespace lazyfx
