#include "kernels/softmax_vector.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();
constexpr std::int64_t flush_after = 512;  // additions per f32 lane before the sum moves on to f64

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F())); }
HWY_INLINE V part_of(const float* p, std::int64_t n) { return load_some(p, static_cast<std::size_t>(n), lowest); }

float top_of(const float* in, std::int64_t n) {
  constexpr int ways = 4;
  const std::int64_t lane = lanes();
  V top[ways] = {set(lowest), set(lowest), set(lowest), set(lowest)};
  std::int64_t i = 0;
  for (; i + ways * lane <= n; i += ways * lane) {
    LAZYFX_UNROLL
    for (int w = 0; w < ways; ++w) top[w] = greatest(top[w], hn::LoadU(F(), in + i + w * lane));
  }
  for (; i + lane <= n; i += lane) top[0] = greatest(top[0], hn::LoadU(F(), in + i));
  if (i < n) top[1] = greatest(top[1], part_of(in + i, n - i));
  return greatest_lane(greatest(greatest(top[0], top[1]), greatest(top[2], top[3])));
}

// The sum of exp(x - top); when `keep`, out gets what is added.
template <bool keep>
double sum_of(const float* in, float* out, std::int64_t n, float top_) {
  const std::int64_t lane = lanes();
  const V top = set(top_);
  double total = 0;
  for (std::int64_t from = 0; from < n;) {
    const std::int64_t to = std::min(n, from + 2 * flush_after * lane);
    V first = hn::Zero(F()), second = hn::Zero(F());
    std::int64_t i = from;
    for (; i + 2 * lane <= to; i += 2 * lane) {
      const V a = normal_exp_of(hn::Sub(hn::LoadU(F(), in + i), top)), b = normal_exp_of(hn::Sub(hn::LoadU(F(), in + i + lane), top));
      if constexpr (keep) {
        hn::StoreU(a, F(), out + i);
        hn::StoreU(b, F(), out + i + lane);
      }
      first = hn::Add(first, a);
      second = hn::Add(second, b);
    }
    for (; i < to; i += lane) {
      const std::int64_t left = std::min(lane, to - i);
      const V a = normal_exp_of(hn::Sub(left == lane ? hn::LoadU(F(), in + i) : part_of(in + i, left), top));
      first = hn::Add(first, a);
      if constexpr (keep) store_some(a, out + i, static_cast<std::size_t>(left));
    }
    total += static_cast<double>(sum_of_lanes(hn::Add(first, second)));
    from = to;
  }
  return total;
}

// out = f(in), whole vectors and then the rest.
template <class Op>
HWY_INLINE void rewrite(const float* in, float* out, std::int64_t n, Op&& f) {
  const std::int64_t lane = lanes();
  std::int64_t i = 0;
  for (; i + lane <= n; i += lane) hn::StoreU(f(hn::LoadU(F(), in + i)), F(), out + i);
  if (i < n) store_some(f(part_of(in + i, n - i)), out + i, static_cast<std::size_t>(n - i));
}

// A softmax that fits into one vector never leaves it.
template <bool log>
HWY_INLINE void single(const float* in, float* out, std::int64_t n) {
  const V top = set(greatest_lane(part_of(in, n)));
  const V x = hn::Sub(part_of(in, n), top);
  const V y = normal_exp_of(x);
  const V sum = hn::SumOfLanes(F(), y);
  store_some(log ? hn::Sub(x, log_of(sum)) : hn::Div(y, sum), out, static_cast<std::size_t>(n));
}

template <bool log>
void by_runs(const SoftmaxBlock& b) {
  for (std::int64_t r = 0; r < b.results; ++r) {
    const float* in = b.in + r * b.in_step;
    float* out = b.out + r * b.out_step;
    if (b.length <= lanes()) {
      single<log>(in, out, b.length);
      continue;
    }
    const float top = top_of(in, b.length);
    const double sum = sum_of<!log>(in, out, b.length, top);
    const V by = set(static_cast<float>(log ? std::log(sum) : 1 / sum)), shift = set(top);
    if constexpr (log)
      rewrite(in, out, b.length, [&](V x) HWY_ATTR { return hn::Sub(hn::Sub(x, shift), by); });
    else
      rewrite(out, out, b.length, [&](V x) HWY_ATTR { return hn::Mul(x, by); });
  }
}

// `vectors` vectors of softmaxes side by side; when vectors is 1, only the first `count` lanes are there.
template <bool log, int vectors>
HWY_INLINE void columns(const SoftmaxBlock& b, const float* in, float* out, std::int64_t count) {
  const std::int64_t lane = lanes();
  const bool whole = vectors > 1 || count == lane;
  const auto load = [&](const float* p) HWY_ATTR { return whole ? hn::LoadU(F(), p) : part_of(p, count); };
  const auto store = [&](V x, float* p) HWY_ATTR {
    if (whole)
      hn::StoreU(x, F(), p);
    else
      store_some(x, p, static_cast<std::size_t>(count));
  };
  V top[vectors], sum[vectors], carried[vectors];
  LAZYFX_UNROLL
  for (int v = 0; v < vectors; ++v) {
    top[v] = set(lowest);
    sum[v] = carried[v] = hn::Zero(F());
  }
  for (std::int64_t i = 0; i < b.length; ++i) {
    LAZYFX_UNROLL
    for (int v = 0; v < vectors; ++v) top[v] = greatest(top[v], load(in + i * b.in_element + v * lane));
  }
  for (std::int64_t i = 0; i < b.length;) {
    for (const std::int64_t end = std::min(b.length, i + flush_after); i < end; ++i) {
      LAZYFX_UNROLL
      for (int v = 0; v < vectors; ++v) {
        const V x = normal_exp_of(hn::Sub(load(in + i * b.in_element + v * lane), top[v]));
        if constexpr (!log) store(x, out + i * b.out_element + v * lane);
        sum[v] = hn::Add(sum[v], x);
      }
    }
    // Sums of sums: each stays short, so that little is lost to rounding.
    LAZYFX_UNROLL
    for (int v = 0; v < vectors; ++v) {
      carried[v] = hn::Add(carried[v], sum[v]);
      sum[v] = hn::Zero(F());
    }
  }
  V by[vectors];
  LAZYFX_UNROLL
  for (int v = 0; v < vectors; ++v) by[v] = log ? log_of(carried[v]) : hn::Div(set(1), carried[v]);
  for (std::int64_t i = 0; i < b.length; ++i) {
    LAZYFX_UNROLL
    for (int v = 0; v < vectors; ++v) {
      float* const to = out + i * b.out_element + v * lane;
      if constexpr (log)
        store(hn::Sub(hn::Sub(load(in + i * b.in_element + v * lane), top[v]), by[v]), to);
      else
        store(hn::Mul(load(to), by[v]), to);
    }
  }
}

template <bool log>
void by_columns(const SoftmaxBlock& b) {
  const std::int64_t lane = lanes();
  std::int64_t i = 0;
  for (; i + 4 * lane <= b.results; i += 4 * lane) columns<log, 4>(b, b.in + i, b.out + i, lane);
  for (; i < b.results; i += lane) columns<log, 1>(b, b.in + i, b.out + i, std::min(lane, b.results - i));
}

}  // namespace

SoftmaxFunction find_vector_softmax(bool log, bool columns_) {
  if (columns_) return log ? &by_columns<true> : &by_columns<false>;
  return log ? &by_runs<true> : &by_runs<false>;
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

HWY_EXPORT(find_vector_softmax);
SoftmaxFunction vector_softmax(bool log, bool by_columns) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_softmax)(log, by_columns);
}

}  // namespace lazyfx::kernels
#endif
