#include "kernels/resize_vector.hpp"

#include <algorithm>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F())); }

// The last vector begins earlier when it would reach too far, and computes a part of its neighbour once more.
template <int taps>
void resample(const AxisTaps& axis, std::int64_t outer, std::int64_t inner, const float* in, float* out) {
  const std::int64_t lane = lanes();
  for (std::int64_t o = 0; o < outer; ++o, in += axis.in * inner) {
    const std::int32_t* index = axis.index.data();
    const float* weight = axis.weight.data();
    for (std::int64_t i = 0; i < axis.out; ++i, index += taps, weight += taps, out += inner) {
      const float* from[taps];
      V w[taps];
      LAZYFX_UNROLL
      for (int t = 0; t < taps; ++t) {
        from[t] = in + index[t] * inner;
        w[t] = set(weight[t]);
      }
      for (std::int64_t next = 0; next < inner; next += lane) {
        const std::int64_t k = std::min(next, inner - lane);
        V sum = hn::Mul(w[0], hn::LoadU(F(), from[0] + k));
        LAZYFX_UNROLL
        for (int t = 1; t < taps; ++t) sum = hn::MulAdd(w[t], hn::LoadU(F(), from[t] + k), sum);
        hn::StoreU(sum, F(), out + k);
      }
    }
  }
}

template <int taps>
void resample_rows(const AxisTaps& axis, std::int64_t outer, std::int64_t, const float* in, float* out) {
  const std::int64_t lane = lanes();
  const std::int32_t* index = axis.index.data();
  const float* weight = axis.weight.data();
  for (std::int64_t o = 0; o < outer; ++o, in += axis.in, out += axis.out) {
    if (axis.out < lane) {
      for (std::int64_t i = 0; i < axis.out; ++i) {
        float sum = 0;
        for (std::int64_t at = i; at < taps * axis.out; at += axis.out) sum += weight[at] * in[index[at]];
        out[i] = sum;
      }
      continue;
    }
    for (std::int64_t next = 0; next < axis.out; next += lane) {
      const std::int64_t i = std::min(next, axis.out - lane);
      V sum = hn::Mul(hn::LoadU(F(), weight + i), hn::GatherIndex(F(), in, hn::LoadU(I(), index + i)));
      LAZYFX_UNROLL
      for (int t = 1; t < taps; ++t) {
        const std::int64_t at = t * axis.out + i;
        sum = hn::MulAdd(hn::LoadU(F(), weight + at), hn::GatherIndex(F(), in, hn::LoadU(I(), index + at)), sum);
      }
      hn::StoreU(sum, F(), out + i);
    }
  }
}

}  // namespace

ResampleFunction find_vector_resample(std::size_t taps, bool rows) {
  if (rows) return taps == 2 ? &resample_rows<2> : &resample_rows<4>;
  return taps == 2 ? &resample<2> : &resample<4>;
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

AxisTaps taps_of_rows(const AxisTaps& axis, std::int64_t inner) {
  AxisTaps rows;
  rows.in = axis.in * inner;
  rows.out = axis.out * inner;
  rows.taps = axis.taps;
  for (std::size_t t = 0; t < axis.taps; ++t) {
    for (std::size_t i = t; i < axis.index.size(); i += axis.taps) {
      for (std::int64_t k = 0; k < inner; ++k) {
        rows.index.push_back(static_cast<std::int32_t>(axis.index[i] * inner + k));
        rows.weight.push_back(axis.weight[i]);
      }
    }
  }
  return rows;
}

HWY_EXPORT(find_vector_resample);
ResampleFunction vector_resample(std::size_t taps) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_resample)(taps, false);
}
ResampleFunction vector_resample_rows(std::size_t taps) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_resample)(taps, true);
}

}  // namespace lazyfx::kernels
#endif
