#include "kernels/transpose_vector.hpp"

#include <algorithm>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t block_bytes = 16, line_bytes = 64;

/// Elements of a block of 128 bits, within which vectors are shuffled.
template <class T>
constexpr std::int64_t block = block_bytes / static_cast<std::int64_t>(sizeof(T));

/// Vectors of `blocks` blocks.
template <class T, int blocks>
using Tag = hn::CappedTag<T, static_cast<std::size_t>(block<T>) * blocks>;

constexpr int most_blocks() { return static_cast<int>(HWY_MAX_BYTES / block_bytes); }

/// One block each from `blocks` places that lie `apart` elements from each other.
template <class T, int blocks>
HWY_INLINE auto load_blocks(const T* p, std::int64_t apart) {
  if constexpr (blocks == 1) {
    return hn::LoadU(Tag<T, 1>(), p);
  } else {
    return hn::Combine(Tag<T, blocks>(), load_blocks<T, blocks / 2>(p + apart * (blocks / 2), apart), load_blocks<T, blocks / 2>(p, apart));
  }
}

// A tile: `block` rows of the output, as many columns as a vector has elements. Vector i has in its block b the input's line
// b * block + i, so that shuffles within blocks, which are the cheap ones, leave every vector a row of the output.
template <class T, int blocks>
HWY_INLINE void tile(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride) {
  constexpr int n = static_cast<int>(block<T>);
  const Tag<T, blocks> d;
  using Vec = hn::Vec<Tag<T, blocks>>;
  Vec a[n], b[n];
  LAZYFX_UNROLL
  for (int i = 0; i < n; ++i) a[i] = load_blocks<T, blocks>(in + i * in_stride, n * in_stride);
  // Each round interleaves the first half with the second; after as many rounds as an index has bits, the indices have changed places.
  LAZYFX_UNROLL
  for (int width = 1; width < n; width *= 2) {
    LAZYFX_UNROLL
    for (int i = 0; i < n / 2; ++i) {
      b[2 * i] = hn::InterleaveLower(d, a[i], a[i + n / 2]);
      b[2 * i + 1] = hn::InterleaveUpper(d, a[i], a[i + n / 2]);
    }
    LAZYFX_UNROLL
    for (int i = 0; i < n; ++i) a[i] = b[i];
  }
  LAZYFX_UNROLL
  for (int i = 0; i < n; ++i) hn::StoreU(a[i], d, out + i * out_stride);
}

// Where the last tile would reach too far it begins earlier instead, and writes a part of its neighbour once more.
template <class T, int blocks>
void tiles(const TransposePlan& p, const void* in_, void* out_) {
  const auto* in = static_cast<const T*>(in_);
  auto* out = static_cast<T*>(out_);
  constexpr std::int64_t high = block<T>, wide = block<T> * blocks;
  // Blocks of a few cache lines either way: lines and pages stay near until all of them is moved.
  constexpr std::int64_t side = 4 * line_bytes / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t top = 0; top < p.rows; top += side) {
    const std::int64_t bottom = std::min(p.rows, top + side);
    for (std::int64_t left = 0; left < p.columns; left += side) {
      const std::int64_t right = std::min(p.columns, left + side);
      for (std::int64_t column = left; column < right; column += wide) {
        const std::int64_t c = std::min(column, p.columns - wide);
        for (std::int64_t row = top; row < bottom; row += high) {
          const std::int64_t r = std::min(row, p.rows - high);
          tile<T, blocks>(in + c * p.in_stride + r, p.in_stride, out + r * p.out_stride + c, p.out_stride);
        }
      }
    }
  }
}

/// Few columns, dense: rows of several planes become groups of neighbours.
template <class T, int columns>
void interleave(const TransposePlan& p, const void* in_, void* out_) {
  const auto* in = static_cast<const T*>(in_);
  auto* out = static_cast<T*>(out_);
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t s = p.in_stride;
  for (std::int64_t row = 0; row < p.rows; row += lanes) {
    const std::int64_t r = std::min(row, p.rows - lanes);
    const T* from = in + r;
    const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + s);
    if constexpr (columns == 2) hn::StoreInterleaved2(a, b, d, out + r * 2);
    if constexpr (columns == 3) hn::StoreInterleaved3(a, b, hn::LoadU(d, from + 2 * s), d, out + r * 3);
    if constexpr (columns == 4) hn::StoreInterleaved4(a, b, hn::LoadU(d, from + 2 * s), hn::LoadU(d, from + 3 * s), d, out + r * 4);
  }
}

/// Few rows, dense: groups of neighbours become rows of several planes.
template <class T, int rows>
void part(const TransposePlan& p, const void* in_, void* out_) {
  const auto* in = static_cast<const T*>(in_);
  auto* out = static_cast<T*>(out_);
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t s = p.out_stride;
  for (std::int64_t column = 0; column < p.columns; column += lanes) {
    const std::int64_t c = std::min(column, p.columns - lanes);
    T* to = out + c;
    hn::Vec<hn::ScalableTag<T>> v[4];
    if constexpr (rows == 2) hn::LoadInterleaved2(d, in + c * 2, v[0], v[1]);
    if constexpr (rows == 3) hn::LoadInterleaved3(d, in + c * 3, v[0], v[1], v[2]);
    if constexpr (rows == 4) hn::LoadInterleaved4(d, in + c * 4, v[0], v[1], v[2], v[3]);
    LAZYFX_UNROLL
    for (int i = 0; i < rows; ++i) hn::StoreU(v[i], d, to + i * s);
  }
}

template <class T>
TransposeFunction find(const TransposePlan& p) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  if (p.out_stride == p.columns && p.rows >= lanes) {
    if (p.columns == 2) return &interleave<T, 2>;
    if (p.columns == 3) return &interleave<T, 3>;
    if (p.columns == 4) return &interleave<T, 4>;
  }
  if (p.in_stride == p.rows && p.columns >= lanes) {
    if (p.rows == 2) return &part<T, 2>;
    if (p.rows == 3) return &part<T, 3>;
    if (p.rows == 4) return &part<T, 4>;
  }
  if (p.rows < block<T>) return nullptr;
  if constexpr (most_blocks() >= 4) {
    if (p.columns >= 4 * block<T>) return &tiles<T, 4>;
  }
  if constexpr (most_blocks() >= 2) {
    if (p.columns >= 2 * block<T>) return &tiles<T, 2>;
  }
  return p.columns >= block<T> ? &tiles<T, 1> : nullptr;
}

}  // namespace

TransposeFunction find_vector_transpose(const TransposePlan& plan, std::size_t width) {
  switch (width) {
    case 1: return find<std::uint8_t>(plan);
    case 2: return find<std::uint16_t>(plan);
    case 4: return find<std::uint32_t>(plan);
    default: return find<std::uint64_t>(plan);
  }
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

HWY_EXPORT(find_vector_transpose);
TransposeFunction vector_transpose(const TransposePlan& plan, std::size_t width) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_transpose)(plan, width);
}

}  // namespace lazyfx::kernels
#endif
