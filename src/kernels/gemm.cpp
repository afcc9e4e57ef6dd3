#include "kernels/gemm.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cpp"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

// The sums stay in registers only if every loop over them is unrolled whole.
#ifndef LAZYFX_UNROLL
#define LAZYFX_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

// A panel is two vectors wide. Twelve rows of it leave, at 512 bits, eight of 32 registers for operands; otherwise six rows fill 16.
constexpr int vectors = 2;
#if HWY_TARGET == HWY_AVX3
constexpr int most_rows = 12;
#else
constexpr int most_rows = 6;
#endif
// A block of a (rows x depth) stays in the second-level cache while all panels of b pass by.
constexpr std::int64_t depth_block = 512, row_block = 384, shallow = 256, shallow_row_block = 192;
constexpr std::size_t widest = 16;

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F())); }

/// Sums of a tile on their way out: `rows` rows of `width` elements, the first `count` of which are the product's, from (row, column) on.
struct Patch {
  float* sums;
  std::int64_t rows, width, count, row, column;
};

// sums = op(sums, operand) for every vector of the patch.
template <class Op>
HWY_INLINE void each(const GemmStep& s, const Patch& p, Op&& op) {
  const std::int64_t lane = lanes();
  for (std::int64_t r = 0; r < p.rows; ++r) {
    float* sums = p.sums + r * p.width;
    const float* operand = s.operand == nullptr ? nullptr : s.operand + (p.row + r) * s.row + p.column * s.column;
    if (operand == nullptr || s.column == 0) {
      const V y = operand == nullptr ? hn::Zero(F()) : set(*operand);
      for (std::int64_t j = 0; j < p.count; j += lane) hn::Store(op(hn::Load(F(), sums + j), y), F(), sums + j);
      continue;
    }
    std::int64_t j = 0;
    for (; j + lane <= p.count; j += lane) hn::Store(op(hn::Load(F(), sums + j), hn::LoadU(F(), operand + j)), F(), sums + j);
    if (j < p.count) {
      alignas(64) float part[widest] = {};
      std::memcpy(part, operand + j, static_cast<std::size_t>(p.count - j) * sizeof(float));
      hn::Store(op(hn::Load(F(), sums + j), hn::Load(F(), part)), F(), sums + j);
    }
  }
}

void apply(const GemmStep& s, const Patch& p) {
  const auto with = [&](auto&& op) HWY_ATTR { each(s, p, op); };
  const V alpha = set(s.alpha), beta = set(s.beta), zero = hn::Zero(F());
  switch (s.op) {
    case Tail::Op::relu:
      if (s.alpha == 0) return with([&](V x, V) HWY_ATTR { return hn::Max(zero, x); });
      return with([&](V x, V) HWY_ATTR { return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, alpha), x); });
    case Tail::Op::clip: return with([&](V x, V) HWY_ATTR { return clamp(x, s.alpha, s.beta); });
    case Tail::Op::linear: return with([&](V x, V) HWY_ATTR { return hn::MulAdd(x, alpha, beta); });
    case Tail::Op::abs: return with([](V x, V) HWY_ATTR { return hn::Abs(x); });
    case Tail::Op::sqrt: return with([](V x, V) HWY_ATTR { return hn::Sqrt(x); });
    case Tail::Op::exp: return with([](V x, V) HWY_ATTR { return exp_of(x); });
    case Tail::Op::tanh: return with([](V x, V) HWY_ATTR { return tanh_of(x); });
    case Tail::Op::sigmoid: return with([](V x, V) HWY_ATTR { return sigmoid_of(x); });
    case Tail::Op::square: return with([](V x, V) HWY_ATTR { return hn::Mul(x, x); });
    case Tail::Op::swish: return with([&](V x, V) HWY_ATTR { return hn::Mul(x, sigmoid_of(hn::Mul(x, alpha))); });
    case Tail::Op::hard_swish:
      return with([](V x, V) HWY_ATTR { return hn::Mul(x, clamp(hn::MulAdd(x, set(1.0f / 6), set(0.5f)), 0, 1)); });
    case Tail::Op::gelu:
      return with([](V x, V) HWY_ATTR { return hn::Mul(hn::Mul(x, set(0.5f)), hn::Add(erf_of(hn::Mul(x, set(0.70710678f))), set(1))); });
    case Tail::Op::elu:
      return with([&](V x, V) HWY_ATTR { return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(alpha, hn::Sub(exp_of(x), set(1))), x); });
    case Tail::Op::add: return with([&](V x, V y) HWY_ATTR { return hn::MulAdd(alpha, y, x); });
    case Tail::Op::sub: return with([](V x, V y) HWY_ATTR { return hn::Sub(x, y); });
    case Tail::Op::mul: return with([](V x, V y) HWY_ATTR { return hn::Mul(x, y); });
  }
}

/// A place in the product: rows from `row`, panels from `panel`, depth [from, to).
struct Tile {
  std::int64_t row, panel, from, to;
  bool first, last;
};

// Adds what earlier depth blocks left, applies the steps from `step` on if this is the last block, and writes what lies inside c.
void finish(const GemmArguments& g, const Tile& t, const Patch& p, std::size_t step) {
  float* c = g.c + p.row * g.c_row + p.column;
  if (!t.first) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      for (std::int64_t j = 0; j < p.count; ++j) p.sums[r * p.width + j] += c[r * g.c_row + j];
    }
  }
  if (t.last) {
    for (; step < g.step_count; ++step) apply(g.steps[step], p);
  }
  for (std::int64_t r = 0; r < p.rows; ++r, c += g.c_row) {
    const float* sums = p.sums + r * p.width;
    std::int64_t j = 0;
    for (; j + lanes() <= p.count; j += lanes()) hn::StoreU(hn::Load(F(), sums + j), F(), c + j);
    if (j < p.count) std::memcpy(c + j, sums + j, static_cast<std::size_t>(p.count - j) * sizeof(float));
  }
}

// `rows` rows times `used` vectors of each of `panels` panels, with `unroll` independent sums per element, so that few rows still keep
// the multipliers busy.
template <int rows, int panels, int used, int unroll>
HWY_INLINE void tile(const GemmArguments& g, const Tile& t, const float* const (&b)[panels], std::int64_t b_row) {
  const std::int64_t lane = lanes();
  const std::int64_t left = t.panel * vectors * lane;
  constexpr int across = panels * used;
  // Whole vectors with nothing but a bias and a clip to apply never leave the registers.
  const bool whole = left + across * lane <= g.n;
  const bool direct = whole && (g.simple || !t.last);
  float* const c = g.c + t.row * g.c_row + left;
  V sum[unroll][rows][across];
  LAZYFX_UNROLL
  for (int u = 0; u < unroll; ++u) {
    LAZYFX_UNROLL
    for (int r = 0; r < rows; ++r) {
      LAZYFX_UNROLL
      for (int v = 0; v < across; ++v) sum[u][r][v] = hn::Zero(F());
    }
  }
  if (direct && !t.first) {
    // What earlier depth blocks left is added at the end; until then it has time to arrive.
    LAZYFX_UNROLL
    for (int r = 0; r < rows; ++r) {
      LAZYFX_UNROLL
      for (int v = 0; v < across; ++v) hwy::Prefetch(c + r * g.c_row + v * lane);
    }
  } else if (whole && t.first && g.bias != nullptr) {
    LAZYFX_UNROLL
    for (int v = 0; v < across; ++v) {
      const V bias = hn::LoadU(F(), g.bias + left + v * lane);
      LAZYFX_UNROLL
      for (int r = 0; r < rows; ++r) sum[0][r][v] = bias;
    }
  }
  const float* a = g.a + t.row * g.a_row;
  std::int64_t k = t.from;
  for (; k + unroll <= t.to; k += unroll) {
    LAZYFX_UNROLL
    for (int u = 0; u < unroll; ++u) {
      V column[across];
      LAZYFX_UNROLL
      for (int p = 0; p < panels; ++p) {
        LAZYFX_UNROLL
        for (int v = 0; v < used; ++v) column[p * used + v] = hn::LoadU(F(), b[p] + (k + u) * b_row + v * lane);
      }
      LAZYFX_UNROLL
      for (int r = 0; r < rows; ++r) {
        const V x = set(a[r * g.a_row + k + u]);
        LAZYFX_UNROLL
        for (int v = 0; v < across; ++v) sum[u][r][v] = hn::MulAdd(x, column[v], sum[u][r][v]);
      }
    }
  }
  for (; k < t.to; ++k) {
    LAZYFX_UNROLL
    for (int r = 0; r < rows; ++r) {
      const V x = set(a[r * g.a_row + k]);
      LAZYFX_UNROLL
      for (int v = 0; v < across; ++v) {
        sum[0][r][v] = hn::MulAdd(x, hn::LoadU(F(), b[v / used] + k * b_row + v % used * lane), sum[0][r][v]);
      }
    }
  }
  LAZYFX_UNROLL
  for (int u = 1; u < unroll; ++u) {
    LAZYFX_UNROLL
    for (int r = 0; r < rows; ++r) {
      LAZYFX_UNROLL
      for (int v = 0; v < across; ++v) sum[0][r][v] = hn::Add(sum[0][r][v], sum[u][r][v]);
    }
  }
  if (direct) {
    if (!t.first) {
      LAZYFX_UNROLL
      for (int r = 0; r < rows; ++r) {
        LAZYFX_UNROLL
        for (int v = 0; v < across; ++v) sum[0][r][v] = hn::Add(sum[0][r][v], hn::LoadU(F(), c + r * g.c_row + v * lane));
      }
    }
    if (t.last && g.clips) {
      LAZYFX_UNROLL
      for (int r = 0; r < rows; ++r) {
        LAZYFX_UNROLL
        for (int v = 0; v < across; ++v) sum[0][r][v] = clamp(sum[0][r][v], g.low, g.high);
      }
    }
    LAZYFX_UNROLL
    for (int r = 0; r < rows; ++r) {
      LAZYFX_UNROLL
      for (int v = 0; v < across; ++v) hn::StoreU(sum[0][r][v], F(), c + r * g.c_row + v * lane);
    }
    return;
  }
  alignas(64) float sums[rows * across * static_cast<int>(widest)];
  LAZYFX_UNROLL
  for (int r = 0; r < rows; ++r) {
    LAZYFX_UNROLL
    for (int v = 0; v < across; ++v) hn::Store(sum[0][r][v], F(), sums + (r * across + v) * lane);
  }
  finish(g, t, {sums, rows, across * lane, HWY_MIN(across * lane, g.n - left), t.row, left}, whole && g.bias != nullptr ? 1 : 0);
}

HWY_INLINE const float* panel_of(const GemmArguments& g, std::int64_t panel, std::int64_t& b_row) {
  const std::int64_t width = vectors * lanes();
  if (g.b_last != nullptr && (panel + 1) * width > g.n) {
    b_row = width;
    return g.b_last;
  }
  b_row = g.b_row;
  return g.b + panel * g.b_panel;
}

template <int rows>
void rows_of_panel(const GemmArguments& g, const Tile& t) {
  std::int64_t b_row = 0;
  const float* const b[1] = {panel_of(g, t.panel, b_row)};
  constexpr int unroll = rows == 1 ? 4 : rows <= 3 ? 2 : 1;
  const bool half = g.n - t.panel * vectors * lanes() <= lanes();
  half ? tile<rows, 1, 1, unroll>(g, t, b, b_row) : tile<rows, 1, vectors, unroll>(g, t, b, b_row);
}

template <int most>
HWY_INLINE void dispatch_rows(const GemmArguments& g, const Tile& t, std::int64_t rows) {
  if constexpr (most > 0) {
    if (rows == most) return rows_of_panel<most>(g, t);
    dispatch_rows<most - 1>(g, t, rows);
  }
}

// A row or two against several panels at once: otherwise each sum would wait for itself.
template <int rows, int panels>
HWY_INLINE bool several_panels(const GemmArguments& g, Tile& t, std::int64_t whole_panels) {
  if (t.panel + panels > whole_panels) return false;
  const float* b[panels];
  for (int p = 0; p < panels; ++p) b[p] = g.b + (t.panel + p) * g.b_panel;
  constexpr int unroll = rows * panels * vectors < 8 ? 2 : 1;
  const float* const(&fixed)[panels] = reinterpret_cast<const float* const(&)[panels]>(b);
  tile<rows, panels, vectors, unroll>(g, t, fixed, g.b_row);
  t.panel += panels;
  return true;
}

void few_rows(const GemmArguments& g, Tile t, std::int64_t panels) {
  // The last panel may be a copy elsewhere; it goes alone.
  const std::int64_t whole = g.b_last != nullptr ? g.n / (vectors * lanes()) : panels;
  while (t.panel < panels) {
    if (g.m == 1) {
      if (several_panels<1, 4>(g, t, whole) || several_panels<1, 2>(g, t, whole)) continue;
    } else if (several_panels<2, 2>(g, t, whole)) {
      continue;
    }
    dispatch_rows<2>(g, t, g.m);
    ++t.panel;
  }
}

}  // namespace

void run_gemm(const GemmArguments& g) {
  const std::int64_t width = vectors * lanes();
  const std::int64_t panels = (g.n + width - 1) / width;
  for (std::int64_t from = 0; from == 0 || from < g.k; from += depth_block) {
    const std::int64_t to = HWY_MIN(from + depth_block, g.k);
    Tile t{0, 0, from, to, from == 0, to == g.k};
    if (g.m <= 2) {
      few_rows(g, t, panels);
      continue;
    }
    const std::int64_t step = g.k <= shallow ? shallow_row_block : row_block;
    for (std::int64_t block = 0; block < g.m; block += step) {
      const std::int64_t end = HWY_MIN(block + step, g.m);
      for (t.panel = 0; t.panel < panels; ++t.panel) {
        for (t.row = block; t.row < end;) {
          // What does not fill a tile is split evenly: two tiles of seven rows are faster than twelve and two.
          const std::int64_t left = end - t.row;
          const std::int64_t rows = left <= most_rows ? left : left < 2 * most_rows ? (left + 1) / 2 : most_rows;
          dispatch_rows<most_rows>(g, t, rows);
          t.row += rows;
        }
      }
    }
  }
}

Gemm make_gemm() { return {vectors * lanes(), &run_gemm}; }

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

HWY_EXPORT(make_gemm);

const Gemm& gemm() {
  static const Gemm instance = [] {
    isa();
    return HWY_DYNAMIC_DISPATCH(make_gemm)();
  }();
  return instance;
}

void GemmArguments::simplify() {
  simple = true;
  clips = false;
  bias = nullptr;
  for (std::size_t i = 0; i < step_count; ++i) {
    const GemmStep& s = steps[i];
    if (i == 0 && s.op == Tail::Op::add && s.alpha == 1 && s.row == 0 && s.column == 1) {
      bias = s.operand;
    } else if (!clips && ((s.op == Tail::Op::relu && s.alpha == 0) || s.op == Tail::Op::clip)) {
      clips = true;
      low = s.op == Tail::Op::relu ? 0 : s.alpha;
      high = s.op == Tail::Op::relu ? std::numeric_limits<float>::infinity() : s.beta;
    } else {
      simple = false;
    }
  }
}

std::size_t packed_floats(std::int64_t k, std::int64_t n) {
  const std::int64_t panel = gemm().panel;
  return static_cast<std::size_t>((n + panel - 1) / panel * panel * k);
}

void pack_panels(const float* b, std::int64_t row, std::int64_t column, std::int64_t k, std::int64_t n, float scale, float* packed) {
  const std::int64_t panel = gemm().panel;
  for (std::int64_t from = 0; from < n; from += panel, packed += panel * k) {
    const std::int64_t count = std::min(panel, n - from);
    if (count < panel) std::fill_n(packed, panel * k, 0.0f);
    if (column == 1 && scale == 1) {
      for (std::int64_t i = 0; i < k; ++i)
        std::memcpy(packed + i * panel, b + i * row + from, static_cast<std::size_t>(count) * sizeof(float));
      continue;
    }
    // Blocks of rows keep both sides in cache when b is read across its rows.
    constexpr std::int64_t block = 16;
    for (std::int64_t i0 = 0; i0 < k; i0 += block) {
      const std::int64_t i1 = std::min(i0 + block, k);
      for (std::int64_t j = 0; j < count; ++j) {
        for (std::int64_t i = i0; i < i1; ++i) packed[i * panel + j] = scale * b[i * row + (from + j) * column];
      }
    }
  }
}

}  // namespace lazyfx::kernels
#endif
