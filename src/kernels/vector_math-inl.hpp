// f32 functions on Highway vectors, for files that are compiled once per target. Relative error below about 3 units in the last place
// unless said otherwise; NaN in gives NaN out. The polynomials are minimax fits made for this file.
#if defined(LAZYFX_KERNELS_VECTOR_MATH_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAZYFX_KERNELS_VECTOR_MATH_INL_HPP
#undef LAZYFX_KERNELS_VECTOR_MATH_INL_HPP
#else
#define LAZYFX_KERNELS_VECTOR_MATH_INL_HPP
#endif

#include <cstddef>
#include <cstring>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lazyfx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using I = hn::ScalableTag<std::int32_t>;
using V = hn::Vec<F>;
using M = hn::Mask<F>;

HWY_INLINE V set(float x) { return hn::Set(F(), x); }

/// The first n elements at p, and `rest` in the other lanes; nothing beyond them is read.
HWY_INLINE V load_some(const float* p, std::size_t n, float rest = 0) {
#if HWY_TARGET == HWY_SSSE3
  alignas(16) float part[4] = {rest, rest, rest, rest};
  for (std::size_t i = 0; i < n && i < 4; ++i) part[i] = p[i];
  return hn::Load(F(), part);
#else
  const M mask = hn::FirstN(F(), n);
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, F(), p), set(rest));
#endif
}

/// Writes the first n lanes to p and nothing beyond them.
HWY_INLINE void store_some(V x, float* p, std::size_t n) {
#if HWY_TARGET == HWY_SSSE3
  alignas(16) float part[4];
  hn::Store(x, F(), part);
  for (std::size_t i = 0; i < n && i < 4; ++i) p[i] = part[i];
#else
  hn::BlendedStore(x, hn::FirstN(F(), n), F(), p);
#endif
}

/// c[0] + c[1] x + c[2] x^2 + ...
template <std::size_t n>
HWY_INLINE V horner(V x, const float (&c)[n]) {
  V sum = set(c[n - 1]);
  for (std::size_t i = n - 1; i-- > 0;) sum = hn::MulAdd(sum, x, set(c[i]));
  return sum;
}

/// p / q for q that is finite and at least 2^-100 in magnitude. A division takes as long as a dozen other operations at 512 bits.
HWY_INLINE V quick_divide(V p, V q) {
#if HWY_TARGET == HWY_AVX3
  const V r = hn::ApproximateReciprocal(q);
  const V refined = hn::MulAdd(r, hn::NegMulAdd(q, r, set(1)), r);
  const V quotient = hn::Mul(p, refined);
  return hn::MulAdd(refined, hn::NegMulAdd(q, quotient, p), quotient);
#else
  return hn::Div(p, q);
#endif
}

/// The operands' order makes the x86 instructions pass a NaN in x through.
HWY_INLINE V clamp(V x, float low, float high) { return hn::Min(set(high), hn::Max(set(low), x)); }

/// min and max that give NaN when either operand is NaN, as NumPy's.
HWY_INLINE V greatest(V a, V b) { return hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b)); }
HWY_INLINE V least(V a, V b) { return hn::IfThenElse(hn::IsNaN(a), a, hn::Min(a, b)); }

/// One number of all lanes; NaN if one is NaN.
HWY_INLINE float greatest_lane(V x) {
  const M nan = hn::IsNaN(x);
  if (HWY_UNLIKELY(!hn::AllFalse(F(), nan))) return hn::GetLane(hn::NaN(F()));
  return hn::GetLane(hn::MaxOfLanes(F(), x));
}
HWY_INLINE float least_lane(V x) { return -greatest_lane(hn::Neg(x)); }
HWY_INLINE float sum_of_lanes(V x) { return hn::GetLane(hn::SumOfLanes(F(), x)); }

/// m * 2^n for |n| <= 252.
HWY_INLINE V scale(V m, hn::Vec<I> n) {
#if HWY_TARGET == HWY_AVX3
  return V{_mm512_scalef_ps(m.raw, hn::ConvertTo(F(), n).raw)};
#else
  const auto half = hn::ShiftRight<1>(n);
  const auto bias = hn::Set(I(), 127);
  const V first = hn::BitCast(F(), hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V second = hn::BitCast(F(), hn::ShiftLeft<23>(hn::Add(hn::Sub(n, half), bias)));
  return hn::Mul(hn::Mul(m, first), second);
#endif
}

HWY_INLINE V exp_of(V x) {
  x = clamp(x, -105, 90);
  const auto n = hn::NearestInt(hn::Mul(x, set(1.44269504088896341f)));
  const V k = hn::ConvertTo(F(), n);
  const V r = hn::NegMulAdd(k, set(-2.12194440e-4f), hn::NegMulAdd(k, set(0.693359375f), x));
  static constexpr float c[] = {0.4999999403953552f, 0.16666509211063385f, 0.04166852682828903f, 0.008370134979486465f,
                                0.0013811660464853048f};
  const V tail = hn::MulAdd(hn::Mul(r, r), horner(r, c), r);
  return scale(hn::Add(tail, set(1)), n);
}

/// exp, but 0 below -87: no subnormal numbers, which take the processor a hundred times as long.
HWY_INLINE V normal_exp_of(V x) { return hn::IfThenZeroElse(hn::Lt(x, set(-87)), exp_of(hn::Max(set(-87), x))); }

HWY_INLINE V log_of(V x) {
  const M subnormal = hn::Lt(x, set(1.17549435e-38f));
  const V y = hn::IfThenElse(subnormal, hn::Mul(x, set(33554432.0f)), x);
  // The mantissa is brought to [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(I(), y);
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(I(), 0x3f3504f3)));
  const V f = hn::Sub(hn::BitCast(F(), hn::Sub(bits, hn::ShiftLeft<23>(exponent))), set(1));
  const V e = hn::Add(hn::ConvertTo(F(), exponent), hn::IfThenElseZero(subnormal, set(-25)));
  static constexpr float c[] = {0.3333333134651184f,  -0.250008225440979f,   0.20001226663589478f, -0.16623356938362122f,
                                0.14201761782169342f, -0.131601944565773f,   0.12761549651622772f, -0.07634429633617401f};
  const V f2 = hn::Mul(f, f);
  V tail = hn::Mul(hn::Mul(f2, f), horner(f, c));
  tail = hn::MulAdd(e, set(-2.12194440e-4f), tail);
  tail = hn::NegMulAdd(f2, set(0.5f), tail);
  const V result = hn::MulAdd(e, set(0.693359375f), hn::Add(f, tail));
  const V infinity = hn::Inf(F());
  // Infinity and NaN are their own logarithm; below zero there is none.
  const V special = hn::IfThenElse(hn::Eq(x, hn::Zero(F())), hn::Neg(infinity), hn::IfThenElse(hn::Lt(x, hn::Zero(F())), hn::NaN(F()), x));
  return hn::IfThenElse(hn::And(hn::Gt(x, hn::Zero(F())), hn::Lt(x, infinity)), result, special);
}

HWY_INLINE V tanh_of(V x) {
  static constexpr float p[] = {1.0f, 0.13680845499038696f, 0.003869494656100869f, 2.803103780024685e-05f, 3.064185349899162e-08f,
                                -1.2245736542848551e-11f};
  static constexpr float q[] = {1.0f, 0.47014176845550537f, 0.027250107377767563f, 0.0003940689784940332f, 1.2890156995126745e-06f};
  x = clamp(x, -9, 9);
  const V y = hn::Mul(x, x);
  return quick_divide(hn::Mul(x, horner(y, p)), horner(y, q));
}

HWY_INLINE V erf_of(V x) {
  static constexpr float p[] = {1.1283791065216064f,   0.19154247641563416f,   0.0528741291265468f, 0.003807741217315197f,
                                0.000284664478385821f, 2.025793946813792e-06f};
  static constexpr float q[] = {1.0f, 0.5030827522277832f, 0.11455612629652023f, 0.015054268762469292f, 0.0011705973884090781f,
                                3.782938438234851e-05f};
  x = clamp(x, -3.95f, 3.95f);
  const V y = hn::Mul(x, x);
  return clamp(quick_divide(hn::Mul(x, horner(y, p)), horner(y, q)), -1, 1);
}

HWY_INLINE V sigmoid_of(V x) {
  // Beyond 87 the exponential would leave the range that quick_divide takes; the true value there is below every normal number.
  const V e = exp_of(hn::Min(set(87), hn::Neg(x)));
  const V y = quick_divide(set(1), hn::Add(e, set(1)));
  return hn::IfThenElse(hn::Lt(x, set(-87)), hn::Zero(F()), y);
}

/// log(1 + u) for u in [0, 1]: what is lost in rounding 1 + u is added to first order.
HWY_INLINE V log1p_of(V u) {
  const V y = hn::Add(u, set(1));
  return hn::Add(log_of(y), quick_divide(hn::Sub(u, hn::Sub(y, set(1))), y));
}

HWY_INLINE V softplus_of(V x) {
  return hn::Add(hn::Max(hn::Zero(F()), x), log1p_of(exp_of(hn::Neg(hn::Abs(x)))));
}

HWY_INLINE V softsign_of(V x) {
  const V magnitude = hn::Abs(x);
  return hn::IfThenElse(hn::Eq(magnitude, hn::Inf(F())), hn::CopySign(set(1), x), hn::Div(x, hn::Add(magnitude, set(1))));
}

HWY_INLINE V sign_of(V x) {
  const V unit = hn::CopySign(set(1), x);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(F())), unit, x);  // 0 and NaN stay as they are
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
