#include "lazyfx/tensor/shape.hpp"

#include <algorithm>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

std::string join(std::span<const std::int64_t> dims) {
  constexpr std::size_t shown = 16;
  std::string text;
  for (std::size_t i = 0; i < std::min(dims.size(), shown); ++i) {
    if (i != 0) text += 'x';
    text += std::to_string(dims[i]);
  }
  if (dims.size() > shown) text += "x...";
  return text;
}

}  // namespace

Shape::Shape(std::span<const std::int64_t> dims) {
  if (dims.size() > max_rank) {
    throw Error(ErrorKind::invalid_argument, "shape " + join(dims) + " has rank " + std::to_string(dims.size()) + ", more than the " +
                                                 std::to_string(max_rank) + " that a shape can hold");
  }
  // Zeros are left out of the product, so that row-major strides cannot overflow either.
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t d : dims) {
    if (d < 0) throw Error(ErrorKind::invalid_argument, "shape " + join(dims) + " has a negative dimension");
    if (d == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, d, &product)) {
      throw Error(ErrorKind::invalid_argument, "shape " + join(dims) + " has more elements than 63 bits can count");
    }
  }
  std::copy(dims.begin(), dims.end(), dims_.begin());
  rank_ = static_cast<std::uint8_t>(dims.size());
  size_ = empty ? 0 : product;
}

std::array<std::int64_t, Shape::max_rank> Shape::row_major_strides() const noexcept {
  std::array<std::int64_t, max_rank> strides{};
  std::int64_t stride = 1;
  for (std::size_t i = rank_; i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(dims_[i], 1);
  }
  return strides;
}

std::string to_string(const Shape& shape) { return shape.rank() == 0 ? "scalar" : join(shape.dims()); }

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const std::size_t offset = longer.rank() - shorter.rank();
  std::array<std::int64_t, Shape::max_rank> dims{};
  std::copy(longer.begin(), longer.end(), dims.begin());
  for (std::size_t i = 0; i < shorter.rank(); ++i) {
    std::int64_t& d = dims[offset + i];
    if (d == 1) {
      d = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != d) {
      return std::nullopt;
    }
  }
  return Shape(std::span<const std::int64_t>(dims.data(), longer.rank()));
}

std::size_t normalize_axis(std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    throw Error(ErrorKind::invalid_argument, "axis " + std::to_string(axis) + " is outside of rank " + std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace lazyfx
