#include "kernels/pool_vector.hpp"

#include <algorithm>
#include <limits>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

struct Maximum {
  static constexpr bool averages = false;
  static constexpr float neutral = -std::numeric_limits<float>::infinity();
  static HWY_INLINE V join(V a, V b) { return greatest(a, b); }
  static HWY_INLINE float join(float a, float b) { return a != a || a > b ? a : b; }
};
struct Average {
  static constexpr bool averages = true;
  static constexpr float neutral = 0;
  static HWY_INLINE V join(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE float join(float a, float b) { return a + b; }
};

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F())); }
HWY_INLINE const PoolTaps& at(const PoolPlan& p, std::size_t axis, std::int64_t i) { return p.taps[axis][static_cast<std::size_t>(i)]; }

/// One window: where its first tap lies, and how many there are along each axis, how far apart.
struct Taps {
  const float* first;
  std::array<std::int64_t, 3> count, step;
};

// `vectors` vectors of channels of one window; when vectors is 1, only the first `count` lanes are there.
template <class Fold, int vectors>
HWY_INLINE void window_of(const Taps& t, std::int64_t channel, std::int64_t count, float scale, float* out) {
  const std::int64_t lane = lanes();
  const bool whole = vectors > 1 || count == lane;
  V sum[vectors];
  LAZYFX_UNROLL
  for (int v = 0; v < vectors; ++v) sum[v] = set(Fold::neutral);
  for (std::int64_t i = 0; i < t.count[0]; ++i) {
    for (std::int64_t j = 0; j < t.count[1]; ++j) {
      // Rows are folded for themselves, so that the sums of large windows stay short.
      const float* p = t.first + i * t.step[0] + j * t.step[1] + channel;
      V row[vectors];
      LAZYFX_UNROLL
      for (int v = 0; v < vectors; ++v) row[v] = set(Fold::neutral);
      for (std::int64_t k = 0; k < t.count[2]; ++k, p += t.step[2]) {
        LAZYFX_UNROLL
        for (int v = 0; v < vectors; ++v) {
          row[v] = Fold::join(row[v], whole ? hn::LoadU(F(), p + v * lane) : load_some(p, static_cast<std::size_t>(count)));
        }
      }
      LAZYFX_UNROLL
      for (int v = 0; v < vectors; ++v) sum[v] = Fold::join(sum[v], row[v]);
    }
  }
  LAZYFX_UNROLL
  for (int v = 0; v < vectors; ++v) {
    const V y = Fold::averages ? hn::Mul(sum[v], set(scale)) : sum[v];
    if (whole)
      hn::StoreU(y, F(), out + channel + v * lane);
    else
      store_some(y, out + channel, static_cast<std::size_t>(count));
  }
}

template <class Fold>
void channels_last(const PoolPlan& p, const float* in, float* out, float*) {
  const Window& w = p.window;
  const std::int64_t lane = lanes();
  Taps t{};
  for (std::size_t d = 0; d < 3; ++d) t.step[d] = w.dilation[d] * w.in_strides[2 + d];
  for (std::int64_t n = 0; n < w.batch; ++n, in += w.in_strides[0]) {
    for (std::int64_t z = 0; z < w.out[0]; ++z) {
      for (std::int64_t y = 0; y < w.out[1]; ++y) {
        for (std::int64_t x = 0; x < w.out[2]; ++x, out += p.channels) {
          const PoolTaps &a = at(p, 0, z), &b = at(p, 1, y), &c = at(p, 2, x);
          t.count = {a.count, b.count, c.count};
          t.first = in + a.first * w.in_strides[2] + b.first * w.in_strides[3] + c.first * w.in_strides[4];
          const float scale = Fold::averages ? p.scale(z, y, x) : 1;
          std::int64_t channel = 0;
          for (; channel + 4 * lane <= p.channels; channel += 4 * lane) window_of<Fold, 4>(t, channel, lane, scale, out);
          for (; channel < p.channels; channel += lane) window_of<Fold, 1>(t, channel, std::min(lane, p.channels - channel), scale, out);
        }
      }
    }
  }
}

// Every step-th element from p on: a vector of them. Reads up to lanes * step elements.
HWY_INLINE V every(const float* p, std::int64_t step) {
  if (step == 1) return hn::LoadU(F(), p);
  if (step == 2) return hn::ConcatEven(F(), hn::LoadU(F(), p + lanes()), hn::LoadU(F(), p));
  alignas(64) float each[16];
  for (std::int64_t i = 0; i < lanes(); ++i) each[i] = p[i * step];
  return hn::Load(F(), each);
}

// First all rows of a window into one, which the line has between its pads; then along the line.
template <class Fold>
void planar(const PoolPlan& p, const float* in, float* out, float* line) {
  const Window& w = p.window;
  const std::int64_t lane = lanes(), pad = w.pad_begin[2], width = w.in[2];
  std::fill_n(line, p.line(), Fold::neutral);
  for (std::int64_t plane = 0; plane < w.batch * p.channels; ++plane, in += w.in[0] * w.in[1] * w.in[2]) {
    for (std::int64_t z = 0; z < w.out[0]; ++z) {
      for (std::int64_t y = 0; y < w.out[1]; ++y, out += w.out[2]) {
        const PoolTaps &a = at(p, 0, z), &b = at(p, 1, y);
        for (std::int64_t x = 0; x < width; x += lane) {
          const std::int64_t count = std::min(lane, width - x);
          V sum = set(Fold::neutral);
          for (std::int64_t i = 0; i < a.count; ++i) {
            for (std::int64_t j = 0; j < b.count; ++j) {
              const float* row = in + ((a.first + i * w.dilation[0]) * w.in[1] + b.first + j * w.dilation[1]) * width + x;
              sum = Fold::join(sum, count == lane ? hn::LoadU(F(), row) : load_some(row, static_cast<std::size_t>(count)));
            }
          }
          store_some(sum, line + pad + x, static_cast<std::size_t>(count));
        }
        for (std::int64_t x = 0; x < w.out[2]; x += lane) {
          const std::int64_t count = std::min(lane, w.out[2] - x);
          V sum = set(Fold::neutral);
          const float* from = line + x * w.stride[2];
          for (std::int64_t k = 0; k < w.kernel[2]; ++k) sum = Fold::join(sum, every(from + k * w.dilation[2], w.stride[2]));
          if constexpr (Fold::averages) {
            alignas(64) float scales[16] = {};
            for (std::int64_t i = 0; i < count; ++i) scales[i] = p.scale(z, y, x + i);
            sum = hn::Mul(sum, hn::Load(F(), scales));
          }
          store_some(sum, out + x, static_cast<std::size_t>(count));
        }
      }
    }
  }
}

}  // namespace

PoolFunction find_vector_pool(bool max, bool last) {
  if (max) return last ? &channels_last<Maximum> : &planar<Maximum>;
  return last ? &channels_last<Average> : &planar<Average>;
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

std::int64_t PoolPlan::line() const {
  // Vectors of positions may begin at the last one, and reach as far as a whole vector of strides beyond it.
  const Window& w = window;
  const std::int64_t seen = (w.out[2] + 16) * w.stride[2] + w.kernel[2] * w.dilation[2];
  return std::max(w.pad_begin[2] + w.in[2], seen) + 16;
}

HWY_EXPORT(find_vector_pool);
PoolFunction vector_pool(bool max, bool channels_last) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_pool)(max, channels_last);
}

}  // namespace lazyfx::kernels
#endif
