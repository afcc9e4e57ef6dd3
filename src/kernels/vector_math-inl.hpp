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
  static constexpr float c[] = {0.3333333134651184f,  -0.250008225440979f, 0.20001226663589478f, -0.16623356938362122f,
                                0.14201761782169342f, -0.131601944565773f, 0.12761549651622772f, -0.07634429633617401f};
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
  static constexpr float p[] = {
      1.0f, 0.13680845499038696f, 0.003869494656100869f, 2.803103780024685e-05f, 3.064185349899162e-08f, -1.2245736542848551e-11f};
  static constexpr float q[] = {1.0f, 0.47014176845550537f, 0.027250107377767563f, 0.0003940689784940332f, 1.2890156995126745e-06f};
  x = clamp(x, -9, 9);
  const V y = hn::Mul(x, x);
  return quick_divide(hn::Mul(x, horner(y, p)), horner(y, q));
}

HWY_INLINE V erf_of(V x) {
  static constexpr float p[] = {1.1283791065216064f,   0.19154247641563416f,  0.0528741291265468f,
                                0.003807741217315197f, 0.000284664478385821f, 2.025793946813792e-06f};
  static constexpr float q[] = {
      1.0f, 0.5030827522277832f, 0.11455612629652023f, 0.015054268762469292f, 0.0011705973884090781f, 3.782938438234851e-05f};
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

HWY_INLINE V softplus_of(V x) { return hn::Add(hn::Max(hn::Zero(F()), x), log1p_of(exp_of(hn::Neg(hn::Abs(x))))); }

HWY_INLINE V softsign_of(V x) { return hn::Div(x, hn::Add(hn::Abs(x), set(1))); }

HWY_INLINE V sign_of(V x) {
  const V unit = hn::CopySign(set(1), x);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(F())), unit, x);  // 0 and NaN stay as they are
}

using D = hn::Repartition<double, F>;
using L = hn::RebindToUnsigned<D>;

/// The base-2 logarithm of positive finite numbers that were f32, to 40 bits.
HWY_INLINE hn::Vec<D> log2_of_wide(hn::Vec<D> x) {
  // The mantissa is brought to [sqrt(1/2), sqrt(2)); exponents are counted from 0, in the low bits of a number that holds them exactly.
  const auto bits = hn::Sub(hn::BitCast(L(), x), hn::Set(L(), 0x3fe6a09e667f3bcdULL - 0x3ff0000000000000ULL));
  const auto exponent = hn::ShiftRight<52>(bits);
  const auto m = hn::BitCast(D(), hn::Sub(hn::BitCast(L(), x), hn::ShiftLeft<52>(hn::Sub(exponent, hn::Set(L(), 1023)))));
  const auto e = hn::Sub(hn::BitCast(D(), hn::Or(exponent, hn::Set(L(), 0x4330000000000000ULL))), hn::Set(D(), 4503599627370496.0 + 1023));
  // log m = 2 artanh((m - 1) / (m + 1)), as its series: the argument is below 0.172.
  const auto one = hn::Set(D(), 1);
  const auto u = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const auto y = hn::Mul(u, u);
  auto sum = hn::Set(D(), 1.0 / 15);
  for (const double c : {1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0}) sum = hn::MulAdd(sum, y, hn::Set(D(), c));
  return hn::MulAdd(hn::Mul(u, hn::Set(D(), 2.8853900817779268)), sum, e);
}

/// 2^x for what an f32 can be; 0 and values beyond all f32 stand for the rest. NaN gives anything.
HWY_INLINE hn::Vec<D> exp2_of_wide(hn::Vec<D> x) {
  x = hn::Min(hn::Set(D(), 200), hn::Max(hn::Set(D(), -200), x));
  // Adding this leaves the nearest whole number in the low bits.
  const auto shift = hn::Set(D(), 6755399441055744.0);
  const auto whole = hn::Add(x, shift);
  const auto r = hn::Mul(hn::Sub(x, hn::Sub(whole, shift)), hn::Set(D(), 0.69314718055994531));
  auto sum = hn::Set(D(), 1.0 / 362880);
  for (const double c : {1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    sum = hn::MulAdd(sum, r, hn::Set(D(), c));
  const auto power = hn::ShiftLeft<52>(hn::Add(hn::BitCast(L(), whole), hn::Set(L(), 1023)));
  return hn::Mul(sum, hn::BitCast(D(), power));
}

/// |x|^y for finite |x| > 0 and finite y, through f64.
HWY_INLINE V magnitude_of_power(V x, V y) {
  const hn::Half<F> half;
  const auto one = [&](auto a, auto b) HWY_ATTR {
    return hn::DemoteTo(half, exp2_of_wide(hn::Mul(hn::PromoteTo(D(), b), log2_of_wide(hn::PromoteTo(D(), a)))));
  };
  return hn::Combine(F(), one(hn::UpperHalf(half, x), hn::UpperHalf(half, y)), one(hn::LowerHalf(half, x), hn::LowerHalf(half, y)));
}

/// x^y within one unit in the last place, with C's results for zero, infinity, NaN and negative numbers.
HWY_INLINE V power_of(V x, V y) {
  const V zero = hn::Zero(F()), infinity = hn::Inf(F()), size = hn::Abs(x);
  const M square = hn::Eq(y, set(2)), root = hn::And(hn::Eq(y, set(0.5f)), hn::Lt(size, infinity));
  if (hn::AllTrue(F(), square)) return hn::Mul(x, x);
  // Adding zero makes a root of -0 that of 0.
  if (hn::AllTrue(F(), root)) return hn::Add(hn::Sqrt(x), zero);
  V result = magnitude_of_power(size, y);
  // Exact wherever they stand: what is beside an element must not change it.
  result = hn::IfThenElse(square, hn::Mul(x, x), hn::IfThenElse(root, hn::Add(hn::Sqrt(size), zero), result));
  const M ordinary = hn::And(hn::And(hn::Gt(x, zero), hn::Lt(x, infinity)), hn::Lt(hn::Abs(y), infinity));
  if (HWY_LIKELY(hn::AllTrue(F(), ordinary))) return result;
  const M whole = hn::Eq(hn::Floor(y), y), even = hn::Eq(hn::Floor(hn::Mul(y, set(0.5f))), hn::Mul(y, set(0.5f)));
  // Zero and infinity lead to zero or infinity, as does an infinite exponent.
  const M grows = hn::Xor(hn::Lt(size, set(1)), hn::Gt(y, zero));
  const M edge = hn::Or(hn::Or(hn::Eq(size, zero), hn::Eq(size, infinity)), hn::Eq(hn::Abs(y), infinity));
  result = hn::IfThenElse(edge, hn::IfThenElseZero(grows, infinity), result);
  const M negative = hn::Lt(hn::CopySign(set(1), x), zero);
  result = hn::IfThenElse(hn::And(negative, hn::AndNot(even, whole)), hn::Neg(result), result);
  const M undefined = hn::And(hn::AndNot(whole, hn::Lt(x, zero)), hn::Lt(size, infinity));
  result = hn::IfThenElse(hn::Or(undefined, hn::Or(hn::IsNaN(x), hn::IsNaN(y))), hn::NaN(F()), result);
  const M one = hn::Or(hn::Or(hn::Eq(x, set(1)), hn::Eq(y, zero)), hn::And(hn::Eq(x, set(-1)), hn::Eq(hn::Abs(y), infinity)));
  return hn::IfThenElse(one, set(1), result);
}

}  // namespace lazyfx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
