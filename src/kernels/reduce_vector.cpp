#include "kernels/reduce_vector.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

using primitive::ReduceKind;

constexpr std::int64_t widest = 16;           // floats in the largest vector
constexpr std::int64_t block = 4 * widest;    // results that are finished together
constexpr std::int64_t flush_after = 256;     // additions per f32 lane before the sum moves on to f64
constexpr float infinity = std::numeric_limits<float>::infinity();

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F())); }

// How elements are folded: `neutral` changes nothing, `step` takes one more element, `join` merges two partial results, `lane` all lanes.
struct Added {
  static constexpr float neutral = 0;
  static HWY_INLINE V join(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE float lane(V x) { return sum_of_lanes(x); }
  static double join(double a, double b) { return a + b; }
};
struct Sum : Added {
  static HWY_INLINE V step(V sum, V x, V) { return hn::Add(sum, x); }
};
struct Squares : Added {
  static HWY_INLINE V step(V sum, V x, V) { return hn::MulAdd(x, x, sum); }
};
struct Magnitudes : Added {
  static HWY_INLINE V step(V sum, V x, V) { return hn::Add(sum, hn::Abs(x)); }
};
/// exp(x - top)
struct Exponentials : Added {
  static constexpr float neutral = -infinity;
  static HWY_INLINE V step(V sum, V x, V top) { return hn::Add(sum, normal_exp_of(hn::Sub(x, top))); }
};
struct Product {
  static constexpr float neutral = 1;
  static HWY_INLINE V step(V product, V x, V) { return hn::Mul(product, x); }
  static HWY_INLINE V join(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE float lane(V x) {
    alignas(64) float each[widest];
    hn::Store(x, F(), each);
    float product = 1;
    for (std::int64_t i = 0; i < lanes(); ++i) product *= each[i];
    return product;
  }
  static double join(double a, double b) { return a * b; }
};
struct Greatest {
  static constexpr float neutral = -infinity;
  static HWY_INLINE V step(V top, V x, V) { return greatest(top, x); }
  static HWY_INLINE V join(V a, V b) { return greatest(a, b); }
  static HWY_INLINE float lane(V x) { return greatest_lane(x); }
  static double join(double a, double b) { return a != a || a > b ? a : b; }
};
struct Least {
  static constexpr float neutral = infinity;
  static HWY_INLINE V step(V bottom, V x, V) { return least(bottom, x); }
  static HWY_INLINE V join(V a, V b) { return least(a, b); }
  static HWY_INLINE float lane(V x) { return least_lane(x); }
  static double join(double a, double b) { return a != a || a < b ? a : b; }
};

template <class Fold>
constexpr bool adds = std::is_base_of_v<Added, Fold>;
/// What a fold begins with: nothing added, or the element that changes nothing.
template <class Fold>
constexpr float start = adds<Fold> ? 0.0f : Fold::neutral;

/// One result from rows of elements that lie side by side.
template <class Fold>
double fold_run(const ReduceBlock& b, const float* in, float top) {
  constexpr int ways = 4;
  const std::int64_t lane = lanes();
  const V shift = set(top);
  double total = start<Fold>;
  V part[ways] = {set(start<Fold>), set(start<Fold>), set(start<Fold>), set(start<Fold>)};
  std::int64_t pending = 0;
  const auto flush = [&]() HWY_ATTR {
    total = Fold::join(total, static_cast<double>(Fold::lane(Fold::join(Fold::join(part[0], part[1]), Fold::join(part[2], part[3])))));
    for (V& p : part) p = set(start<Fold>);
    pending = 0;
  };
  for (std::int64_t i = 0; i < b.rows[0].count; ++i) {
    for (std::int64_t j = 0; j < b.rows[1].count; ++j) {
      const float* p = in + i * b.rows[0].step + j * b.rows[1].step;
      std::int64_t left = b.length;
      while (left >= ways * lane) {
        const std::int64_t rounds = std::min(left / (ways * lane), flush_after - pending);
        for (std::int64_t r = 0; r < rounds; ++r, p += ways * lane) {
          LAZYFX_UNROLL
          for (int w = 0; w < ways; ++w) part[w] = Fold::step(part[w], hn::LoadU(F(), p + w * lane), shift);
        }
        left -= rounds * ways * lane;
        pending += rounds;
        if (pending >= flush_after) flush();
      }
      if (left >= lane) part[0] = Fold::step(part[0], hn::LoadU(F(), p), shift);
      if (left >= 2 * lane) part[1] = Fold::step(part[1], hn::LoadU(F(), p + lane), shift);
      if (left >= 3 * lane) part[2] = Fold::step(part[2], hn::LoadU(F(), p + 2 * lane), shift);
      const std::int64_t rest = left % lane;
      if (rest > 0) part[3] = Fold::step(part[3], load_some(p + left - rest, static_cast<std::size_t>(rest), Fold::neutral), shift);
      if (++pending >= flush_after) flush();
    }
  }
  if (pending > 0) flush();
  return total;
}

/// `vectors` vectors of results side by side, each lane one result; the last one has only its first `count` lanes when vectors is 1.
template <class Fold, int vectors, int ways>
void fold_columns(const ReduceBlock& b, const float* in, std::int64_t count, const float* tops, float* out) {
  const std::int64_t lane = lanes();
  V part[ways][vectors], shift[vectors];
  alignas(64) double total[vectors * widest];
  bool carried = false;
  std::int64_t pending = 0;
  for (int v = 0; v < vectors; ++v) {
    shift[v] = hn::Load(F(), tops + v * lane);
    for (int w = 0; w < ways; ++w) part[w][v] = set(start<Fold>);
  }
  const bool whole = vectors > 1 || count == lane;
  const auto load = [&](const float* p)
                        HWY_ATTR { return whole ? hn::LoadU(F(), p) : load_some(p, static_cast<std::size_t>(count), Fold::neutral); };
  const auto joined = [&](int v) HWY_ATTR {
    V all = part[0][v];
    for (int w = 1; w < ways; ++w) all = Fold::join(all, part[w][v]);
    return all;
  };
  const auto flush = [&]() HWY_ATTR {
    alignas(64) float now[widest];
    for (int v = 0; v < vectors; ++v) {
      hn::Store(joined(v), F(), now);
      for (std::int64_t i = 0; i < lane; ++i) {
        double& sum = total[v * lane + i];
        sum = carried ? Fold::join(sum, static_cast<double>(now[i])) : static_cast<double>(now[i]);
      }
      for (int w = 0; w < ways; ++w) part[w][v] = set(start<Fold>);
    }
    carried = true;
    pending = 0;
  };
  const std::int64_t step = b.rows[1].step;
  for (std::int64_t i = 0; i < b.rows[0].count; ++i) {
    const float* p = in + i * b.rows[0].step;
    for (std::int64_t j = 0; j < b.rows[1].count;) {
      const std::int64_t end = std::min(b.rows[1].count, j + ways * (flush_after - pending));
      for (; j + ways <= end; j += ways, p += ways * step, ++pending) {
        LAZYFX_UNROLL
        for (int w = 0; w < ways; ++w) {
          LAZYFX_UNROLL
          for (int v = 0; v < vectors; ++v) part[w][v] = Fold::step(part[w][v], load(p + w * step + v * lane), shift[v]);
        }
      }
      for (; j < end; ++j, p += step) {
        LAZYFX_UNROLL
        for (int v = 0; v < vectors; ++v) part[0][v] = Fold::step(part[0][v], load(p + v * lane), shift[v]);
        ++pending;
      }
      if (pending >= flush_after) flush();
    }
  }
  if (!carried) {
    for (int v = 0; v < vectors; ++v) hn::Store(joined(v), F(), out + v * lane);
    return;
  }
  if (pending > 0) flush();
  for (std::int64_t i = 0; i < vectors * lane; ++i) out[i] = static_cast<float>(total[i]);
}

template <ReduceKind kind>
HWY_INLINE V finish(V x, V top, V elements) {
  if constexpr (kind == ReduceKind::mean)
    return hn::Div(x, elements);
  else if constexpr (kind == ReduceKind::l2)
    return hn::Sqrt(x);
  else if constexpr (kind == ReduceKind::log_sum)
    return log_of(x);
  else if constexpr (kind == ReduceKind::log_sum_exp) {
    // An infinity or NaN at the top is the answer.
    return hn::IfThenElse(hn::Lt(hn::Abs(top), hn::Inf(F())), hn::Add(top, log_of(x)), top);
  } else
    return x;
}

template <ReduceKind kind>
struct FoldOf {
  using type = Sum;
};
template <> struct FoldOf<ReduceKind::max> {
  using type = Greatest;
};
template <> struct FoldOf<ReduceKind::min> {
  using type = Least;
};
template <> struct FoldOf<ReduceKind::prod> {
  using type = Product;
};
template <> struct FoldOf<ReduceKind::sum_square> {
  using type = Squares;
};
template <> struct FoldOf<ReduceKind::l2> {
  using type = Squares;
};
template <> struct FoldOf<ReduceKind::l1> {
  using type = Magnitudes;
};
template <> struct FoldOf<ReduceKind::log_sum_exp> {
  using type = Exponentials;
};

// Folds up to `block` results, columns or runs.
template <class Fold, bool by_columns>
void fold(const ReduceBlock& b, const float* in, std::int64_t count, const float* tops, float* out) {
  if constexpr (by_columns) {
    const std::int64_t lane = lanes();
    std::int64_t i = 0;
    for (; i + 4 * lane <= count; i += 4 * lane) fold_columns<Fold, 4, 2>(b, in + i, lane, tops + i, out + i);
    for (; i < count; i += lane) fold_columns<Fold, 1, 8>(b, in + i, std::min(lane, count - i), tops + i, out + i);
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(fold_run<Fold>(b, in + i * b.in_step, tops[i]));
  }
}

template <ReduceKind kind, bool by_columns>
void reduce(const ReduceBlock& b) {
  const std::int64_t lane = lanes();
  const V elements = set(static_cast<float>(b.rows[0].count * b.rows[1].count * b.length));
  alignas(64) float values[block + widest] = {}, tops[block + widest] = {};
  for (std::int64_t from = 0; from < b.results; from += block) {
    const std::int64_t count = std::min(block, b.results - from);
    const float* in = b.in + from * b.in_step;
    if constexpr (kind == ReduceKind::log_sum_exp) fold<Greatest, by_columns>(b, in, count, tops, tops);
    fold<typename FoldOf<kind>::type, by_columns>(b, in, count, tops, values);
    for (std::int64_t i = 0; i < count; i += lane) {
      hn::Store(finish<kind>(hn::Load(F(), values + i), hn::Load(F(), tops + i), elements), F(), values + i);
    }
    float* out = b.out + from * b.out_step;
    for (std::int64_t i = 0; i < count; ++i) out[i * b.out_step] = values[i];
  }
}

template <bool by_columns>
ReduceFunction find(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum: return &reduce<ReduceKind::sum, by_columns>;
    case ReduceKind::mean: return &reduce<ReduceKind::mean, by_columns>;
    case ReduceKind::max: return &reduce<ReduceKind::max, by_columns>;
    case ReduceKind::min: return &reduce<ReduceKind::min, by_columns>;
    case ReduceKind::prod: return &reduce<ReduceKind::prod, by_columns>;
    case ReduceKind::sum_square: return &reduce<ReduceKind::sum_square, by_columns>;
    case ReduceKind::l1: return &reduce<ReduceKind::l1, by_columns>;
    case ReduceKind::l2: return &reduce<ReduceKind::l2, by_columns>;
    case ReduceKind::log_sum: return &reduce<ReduceKind::log_sum, by_columns>;
    case ReduceKind::log_sum_exp: return &reduce<ReduceKind::log_sum_exp, by_columns>;
  }
  return nullptr;
}

}  // namespace

ReduceFunction find_vector_reduce(ReduceKind kind, bool by_columns) { return by_columns ? find<true>(kind) : find<false>(kind); }

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

HWY_EXPORT(find_vector_reduce);
ReduceFunction vector_reduce(primitive::ReduceKind kind, bool by_columns) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_reduce)(kind, by_columns);
}

}  // namespace lazyfx::kernels
#endif
