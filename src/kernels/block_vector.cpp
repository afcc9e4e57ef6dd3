#include "kernels/block_functions.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/scalar_math.hpp"
#include "kernels/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/block_vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t widest = 16;  // floats in the largest vector

// Whole vectors from memory; the rest through a padded copy, so that nothing beyond the operands is touched. Each vector is read before it
// is written, which lets the output be an operand.
template <std::size_t operands, class Load, class Step>
HWY_INLINE void walk(std::size_t n, const void* const (&in)[operands], void* out, std::size_t out_width, Load&& load, Step&& step) {
  const std::size_t lanes = hn::Lanes(F());
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) step(in, i, static_cast<std::byte*>(out) + i * out_width);
  if (i == n) return;
  alignas(64) float padded[operands][widest] = {};
  alignas(64) std::byte result[widest * sizeof(float)];
  const void* tails[operands];
  for (std::size_t k = 0; k < operands; ++k) {
    load(padded[k], in[k], i, n - i, k);
    tails[k] = padded[k];
  }
  step(tails, 0, result);
  std::memcpy(static_cast<std::byte*>(out) + i * out_width, result, (n - i) * out_width);
}

HWY_INLINE void load_floats(float* to, const void* from, std::size_t i, std::size_t n, std::size_t) {
  std::memcpy(to, static_cast<const float*>(from) + i, n * sizeof(float));
}

HWY_INLINE V at(const void* p, std::size_t i) { return hn::LoadU(F(), static_cast<const float*>(p) + i); }

template <class Op>
void unary(const void* a, const void*, const void*, void* out, std::size_t n) {
  walk<1>(n, {a}, out, sizeof(float), load_floats, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    hn::StoreU(Op::apply(at(in[0], i)), F(), reinterpret_cast<float*>(to));
  });
}

template <class Op>
void binary(const void* a, const void* b, const void*, void* out, std::size_t n) {
  walk<2>(n, {a, b}, out, sizeof(float), load_floats, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    hn::StoreU(Op::apply(at(in[0], i), at(in[1], i)), F(), reinterpret_cast<float*>(to));
  });
}

template <class Op>
void ternary(const void* a, const void* b, const void* c, void* out, std::size_t n) {
  walk<3>(n, {a, b, c}, out, sizeof(float), load_floats, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    hn::StoreU(Op::apply(at(in[0], i), at(in[1], i), at(in[2], i)), F(), reinterpret_cast<float*>(to));
  });
}

using Bytes = hn::Rebind<std::uint8_t, F>;

template <class Op>
void compare(const void* a, const void* b, const void*, void* out, std::size_t n) {
  walk<2>(n, {a, b}, out, 1, load_floats, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    const M mask = Op::apply(at(in[0], i), at(in[1], i));
    const auto ones = hn::BitCast(I(), hn::IfThenElseZero(mask, hn::BitCast(F(), hn::Set(I(), 1))));
    hn::StoreU(hn::DemoteTo(Bytes(), ones), Bytes(), reinterpret_cast<std::uint8_t*>(to));
  });
}

void select(const void* condition, const void* b, const void* c, void* out, std::size_t n) {
  const auto load = [](float* to, const void* from, std::size_t i, std::size_t count, std::size_t operand) HWY_ATTR {
    if (operand == 0)
      std::memcpy(to, static_cast<const std::uint8_t*>(from) + i, count);
    else
      load_floats(to, from, i, count, operand);
  };
  walk<3>(n, {condition, b, c}, out, sizeof(float), load, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    const auto bytes = hn::LoadU(Bytes(), static_cast<const std::uint8_t*>(in[0]) + i);
    const auto wide = hn::PromoteTo(I(), bytes);
    const M mask = hn::RebindMask(F(), hn::Ne(wide, hn::Zero(I())));
    hn::StoreU(hn::IfThenElse(mask, at(in[1], i), at(in[2], i)), F(), reinterpret_cast<float*>(to));
  });
}

#define LAZYFX_UNARY(name, expression)                    \
  struct name {                                           \
    static HWY_INLINE V apply(V x) { return expression; } \
  };
#define LAZYFX_BINARY(name, expression)                        \
  struct name {                                                \
    static HWY_INLINE V apply(V a, V b) { return expression; } \
  };
#define LAZYFX_COMPARE(name, expression)                       \
  struct name {                                                \
    static HWY_INLINE M apply(V a, V b) { return expression; } \
  };

LAZYFX_UNARY(Neg, hn::Neg(x))
LAZYFX_UNARY(Abs, hn::Abs(x))
LAZYFX_UNARY(Sign, sign_of(x))
LAZYFX_UNARY(Exp, exp_of(x))
LAZYFX_UNARY(Log, log_of(x))
LAZYFX_UNARY(Sqrt, hn::Sqrt(x))
LAZYFX_UNARY(Reciprocal, hn::Div(set(1), x))
LAZYFX_UNARY(Floor, hn::Floor(x))
LAZYFX_UNARY(Ceil, hn::Ceil(x))
LAZYFX_UNARY(RoundEven, hn::Round(x))
LAZYFX_UNARY(Tanh, tanh_of(x))
LAZYFX_UNARY(Sigmoid, sigmoid_of(x))
LAZYFX_UNARY(Erf, erf_of(x))
LAZYFX_UNARY(Softplus, softplus_of(x))
LAZYFX_UNARY(Softsign, softsign_of(x))
LAZYFX_BINARY(Add, hn::Add(a, b))
LAZYFX_BINARY(Sub, hn::Sub(a, b))
LAZYFX_BINARY(Mul, hn::Mul(a, b))
LAZYFX_BINARY(Div, hn::Div(a, b))
LAZYFX_BINARY(Min, least(a, b))
LAZYFX_BINARY(Max, greatest(a, b))
LAZYFX_BINARY(Power, power_of(a, b))
LAZYFX_BINARY(Prelu, hn::IfThenElse(hn::Lt(a, hn::Zero(F())), hn::Mul(a, b), a))
LAZYFX_COMPARE(Equal, hn::Eq(a, b))
LAZYFX_COMPARE(Less, hn::Lt(a, b))
LAZYFX_COMPARE(LessEqual, hn::Le(a, b))
LAZYFX_COMPARE(Greater, hn::Gt(a, b))
LAZYFX_COMPARE(GreaterEqual, hn::Ge(a, b))
#undef LAZYFX_UNARY
#undef LAZYFX_BINARY
#undef LAZYFX_COMPARE

struct MultiplyAdd {
  static HWY_INLINE V apply(V a, V b, V c) { return hn::MulAdd(a, b, c); }
};
struct Clip {
  static HWY_INLINE V apply(V a, V b, V c) { return least(greatest(a, b), c); }
};

// Highway's own functions, where they are accurate; elements outside of their domain go to the C library.
template <ScalarOp op>
struct Library {
  static HWY_INLINE V apply(V x) {
    if constexpr (op == ScalarOp::sin)
      return hn::Sin(F(), x);
    else if constexpr (op == ScalarOp::cos)
      return hn::Cos(F(), x);
    else if constexpr (op == ScalarOp::asin)
      return hn::Asin(F(), x);
    else if constexpr (op == ScalarOp::acos)
      return hn::Acos(F(), x);
    else if constexpr (op == ScalarOp::atan)
      return hn::Atan(F(), x);
    else if constexpr (op == ScalarOp::sinh)
      return hn::Sinh(F(), x);
    else if constexpr (op == ScalarOp::asinh)
      return hn::Asinh(F(), x);
    else if constexpr (op == ScalarOp::acosh)
      return hn::Acosh(F(), x);
    else
      return hn::Atanh(F(), x);
  }
  static HWY_INLINE M inside(V x) {
    const V magnitude = hn::Abs(x);
    if constexpr (op == ScalarOp::sin || op == ScalarOp::cos)
      return hn::Lt(magnitude, set(30000));
    else if constexpr (op == ScalarOp::asin || op == ScalarOp::acos)
      return hn::Le(magnitude, set(1));
    else if constexpr (op == ScalarOp::sinh)
      return hn::Lt(magnitude, set(88));
    else if constexpr (op == ScalarOp::acosh)
      return hn::And(hn::Gt(x, set(1)), hn::Lt(x, set(1e18f)));
    else if constexpr (op == ScalarOp::atanh)
      return hn::Lt(magnitude, set(1));
    else
      return hn::Lt(magnitude, set(1e18f));
  }
};

template <ScalarOp op>
void library(const void* a, const void*, const void*, void* out, std::size_t n) {
  walk<1>(n, {a}, out, sizeof(float), load_floats, [](const void* const* in, std::size_t i, std::byte* to) HWY_ATTR {
    const V x = at(in[0], i);
    V y = Library<op>::apply(x);
    if (HWY_UNLIKELY(!hn::AllTrue(F(), Library<op>::inside(x)))) {
      alignas(64) float before[widest], after[widest];
      hn::Store(x, F(), before);
      hn::Store(y, F(), after);
      const M inside = Library<op>::inside(x);
      for (std::size_t k = 0; k < hn::Lanes(F()); ++k) after[k] = plain_scalar<op, float>(before[k], 0, 0);
      y = hn::IfThenElse(inside, y, hn::Load(F(), after));
    }
    hn::StoreU(y, F(), reinterpret_cast<float*>(to));
  });
}

}  // namespace

BlockFunction find_vector_function(ScalarOp op) {
  switch (op) {
    case ScalarOp::neg: return &unary<Neg>;
    case ScalarOp::abs: return &unary<Abs>;
    case ScalarOp::sign: return &unary<Sign>;
    case ScalarOp::exp: return &unary<Exp>;
    case ScalarOp::log: return &unary<Log>;
    case ScalarOp::sqrt: return &unary<Sqrt>;
    case ScalarOp::reciprocal: return &unary<Reciprocal>;
    case ScalarOp::floor: return &unary<Floor>;
    case ScalarOp::ceil: return &unary<Ceil>;
    case ScalarOp::round_even: return &unary<RoundEven>;
    case ScalarOp::tanh: return &unary<Tanh>;
    case ScalarOp::sigmoid: return &unary<Sigmoid>;
    case ScalarOp::erf: return &unary<Erf>;
    case ScalarOp::softplus: return &unary<Softplus>;
    case ScalarOp::softsign: return &unary<Softsign>;
    case ScalarOp::sin: return &library<ScalarOp::sin>;
    case ScalarOp::cos: return &library<ScalarOp::cos>;
    case ScalarOp::asin: return &library<ScalarOp::asin>;
    case ScalarOp::acos: return &library<ScalarOp::acos>;
    case ScalarOp::atan: return &library<ScalarOp::atan>;
    case ScalarOp::sinh: return &library<ScalarOp::sinh>;
    case ScalarOp::asinh: return &library<ScalarOp::asinh>;
    case ScalarOp::acosh: return &library<ScalarOp::acosh>;
    case ScalarOp::atanh: return &library<ScalarOp::atanh>;
    case ScalarOp::add: return &binary<Add>;
    case ScalarOp::sub: return &binary<Sub>;
    case ScalarOp::mul: return &binary<Mul>;
    case ScalarOp::div: return &binary<Div>;
    case ScalarOp::min: return &binary<Min>;
    case ScalarOp::max: return &binary<Max>;
    case ScalarOp::pow: return &binary<Power>;
    case ScalarOp::prelu: return &binary<Prelu>;
    case ScalarOp::equal: return &compare<Equal>;
    case ScalarOp::less: return &compare<Less>;
    case ScalarOp::less_equal: return &compare<LessEqual>;
    case ScalarOp::greater: return &compare<Greater>;
    case ScalarOp::greater_equal: return &compare<GreaterEqual>;
    case ScalarOp::select: return &select;
    case ScalarOp::multiply_add: return &ternary<MultiplyAdd>;
    case ScalarOp::clip: return &ternary<Clip>;
    default: return nullptr;
  }
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.hpp"

namespace lazyfx::kernels {

HWY_EXPORT(find_vector_function);
BlockFunction vector_function(ScalarOp op) {
  isa();
  return HWY_DYNAMIC_DISPATCH(find_vector_function)(op);
}

}  // namespace lazyfx::kernels
#endif
