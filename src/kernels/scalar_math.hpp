#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "lazyfx/ops/primitive.hpp"

namespace lazyfx::kernels {

/// Number of any type from any other: floating to integer truncates and saturates, NaN becomes 0; to bool is "not zero".
template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<From, Float16> || std::is_same_v<From, BFloat16>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Powers of two bound every integer type exactly in floating point, while its greatest value need not be representable.
    const From above = std::ldexp(From(1), std::numeric_limits<To>::digits);
    const From least = std::is_signed_v<To> ? -above : From(0);
    if (x >= above) return std::numeric_limits<To>::max();
    if (x <= least) return std::numeric_limits<To>::min();
    return x != x ? To(0) : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

/// The type integers are computed in, so that overflow wraps instead of being undefined.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<(sizeof(T) < 4), std::int32_t, T>>;

template <class T>
T integer_power(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) {
      if (base == 1) return 1;
      if (base == -1) return (exponent & 1) != 0 ? T(-1) : T(1);
      return 0;
    }
  }
  Wrapping<T> result = 1, square = static_cast<Wrapping<T>>(base);
  for (auto e = static_cast<std::make_unsigned_t<T>>(exponent); e != 0; e = static_cast<std::make_unsigned_t<T>>(e >> 1)) {
    if ((e & 1u) != 0) result *= square;
    square *= square;
  }
  return static_cast<T>(result);
}

/// Whether plain_scalar knows `op` for operands of type T (bool, an integer, float or double).
template <ScalarOp op, class T>
constexpr bool has_plain_scalar() {
  constexpr bool floating = std::is_floating_point_v<T>;
  constexpr bool boolean = std::is_same_v<T, bool>;
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::log:
    case ScalarOp::sqrt:
    case ScalarOp::reciprocal:
    case ScalarOp::tanh:
    case ScalarOp::sigmoid:
    case ScalarOp::erf:
    case ScalarOp::softplus:
    case ScalarOp::softsign:
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tan:
    case ScalarOp::asin:
    case ScalarOp::acos:
    case ScalarOp::atan:
    case ScalarOp::sinh:
    case ScalarOp::cosh:
    case ScalarOp::asinh:
    case ScalarOp::acosh:
    case ScalarOp::atanh: return floating;
    case ScalarOp::bit_not:
    case ScalarOp::bit_and:
    case ScalarOp::bit_or:
    case ScalarOp::bit_xor:
    case ScalarOp::shift_left:
    case ScalarOp::shift_right: return !floating && !boolean;
    case ScalarOp::cast: return false;
    case ScalarOp::copy:
    case ScalarOp::logical_not:
    case ScalarOp::is_nan:
    case ScalarOp::logical_and:
    case ScalarOp::logical_or:
    case ScalarOp::logical_xor:
    case ScalarOp::equal:
    case ScalarOp::less:
    case ScalarOp::less_equal:
    case ScalarOp::greater:
    case ScalarOp::greater_equal:
    case ScalarOp::min:
    case ScalarOp::max:
    case ScalarOp::clip: return true;
    default: return !boolean;
  }
}

constexpr bool gives_boolean(ScalarOp op) {
  switch (op) {
    case ScalarOp::logical_not:
    case ScalarOp::is_nan:
    case ScalarOp::logical_and:
    case ScalarOp::logical_or:
    case ScalarOp::logical_xor:
    case ScalarOp::equal:
    case ScalarOp::less:
    case ScalarOp::less_equal:
    case ScalarOp::greater:
    case ScalarOp::greater_equal: return true;
    default: return false;
  }
}

/// min and max give NaN when either operand is NaN, as NumPy's.
template <class T> T least(T a, T b) { return a != a || a < b ? a : b; }
template <class T> T greatest(T a, T b) { return a != a || a > b ? a : b; }

/// One element of every operation but cast and select. Integers wrap; a division or remainder by integer 0 gives 0, for want of anything
/// better that does not trap; shifts by the width or more give 0.
template <ScalarOp op, class T>
auto plain_scalar(T a, [[maybe_unused]] T b, [[maybe_unused]] T c) {
  constexpr bool floating = std::is_floating_point_v<T>;
  if constexpr (op == ScalarOp::copy)
    return a;
  else if constexpr (op == ScalarOp::logical_not)
    return a == T(0);
  else if constexpr (op == ScalarOp::is_nan)
    return a != a;
  else if constexpr (op == ScalarOp::logical_and)
    return a != T(0) && b != T(0);
  else if constexpr (op == ScalarOp::logical_or)
    return a != T(0) || b != T(0);
  else if constexpr (op == ScalarOp::logical_xor)
    return (a != T(0)) != (b != T(0));
  else if constexpr (op == ScalarOp::equal)
    return a == b;
  else if constexpr (op == ScalarOp::less)
    return a < b;
  else if constexpr (op == ScalarOp::less_equal)
    return a <= b;
  else if constexpr (op == ScalarOp::greater)
    return a > b;
  else if constexpr (op == ScalarOp::greater_equal)
    return a >= b;
  else if constexpr (op == ScalarOp::min)
    return least(a, b);
  else if constexpr (op == ScalarOp::max)
    return greatest(a, b);
  else if constexpr (op == ScalarOp::clip)
    return least(greatest(a, b), c);
  else if constexpr (op == ScalarOp::prelu) {
    return a < T(0) ? plain_scalar<ScalarOp::mul>(a, b, c) : a;
  } else if constexpr (op == ScalarOp::sign) {
    return a != a ? a : static_cast<T>((a > T(0)) - (a < T(0)));
  } else if constexpr (floating) {
    if constexpr (op == ScalarOp::neg)
      return -a;
    else if constexpr (op == ScalarOp::abs)
      return std::abs(a);
    else if constexpr (op == ScalarOp::exp)
      return std::exp(a);
    else if constexpr (op == ScalarOp::log)
      return std::log(a);
    else if constexpr (op == ScalarOp::sqrt)
      return std::sqrt(a);
    else if constexpr (op == ScalarOp::reciprocal)
      return T(1) / a;
    else if constexpr (op == ScalarOp::floor)
      return std::floor(a);
    else if constexpr (op == ScalarOp::ceil)
      return std::ceil(a);
    else if constexpr (op == ScalarOp::round_even)
      return std::nearbyint(a);
    else if constexpr (op == ScalarOp::tanh)
      return std::tanh(a);
    else if constexpr (op == ScalarOp::sigmoid)
      return T(1) / (T(1) + std::exp(-a));
    else if constexpr (op == ScalarOp::erf)
      return std::erf(a);
    else if constexpr (op == ScalarOp::softplus)
      return greatest(a, T(0)) + std::log1p(std::exp(-std::abs(a)));
    else if constexpr (op == ScalarOp::softsign)
      return a / (T(1) + std::abs(a));
    else if constexpr (op == ScalarOp::sin)
      return std::sin(a);
    else if constexpr (op == ScalarOp::cos)
      return std::cos(a);
    else if constexpr (op == ScalarOp::tan)
      return std::tan(a);
    else if constexpr (op == ScalarOp::asin)
      return std::asin(a);
    else if constexpr (op == ScalarOp::acos)
      return std::acos(a);
    else if constexpr (op == ScalarOp::atan)
      return std::atan(a);
    else if constexpr (op == ScalarOp::sinh)
      return std::sinh(a);
    else if constexpr (op == ScalarOp::cosh)
      return std::cosh(a);
    else if constexpr (op == ScalarOp::asinh)
      return std::asinh(a);
    else if constexpr (op == ScalarOp::acosh)
      return std::acosh(a);
    else if constexpr (op == ScalarOp::atanh)
      return std::atanh(a);
    else if constexpr (op == ScalarOp::add)
      return a + b;
    else if constexpr (op == ScalarOp::sub)
      return a - b;
    else if constexpr (op == ScalarOp::mul)
      return a * b;
    else if constexpr (op == ScalarOp::div)
      return a / b;
    else if constexpr (op == ScalarOp::pow)
      return std::pow(a, b);
    else if constexpr (op == ScalarOp::fmod)
      return std::fmod(a, b);
    else if constexpr (op == ScalarOp::floor_mod) {
      const T r = std::fmod(a, b);
      return r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r;
    } else if constexpr (op == ScalarOp::multiply_add)
      return a * b + c;
    else
      static_assert(op == ScalarOp::copy, "not a floating operation");
  } else {
    using W = Wrapping<T>;
    [[maybe_unused]] constexpr int width = std::numeric_limits<T>::digits + (std::is_signed_v<T> ? 1 : 0);
    if constexpr (op == ScalarOp::neg)
      return static_cast<T>(W(0) - static_cast<W>(a));
    else if constexpr (op == ScalarOp::abs)
      return a < T(0) ? static_cast<T>(W(0) - static_cast<W>(a)) : a;
    else if constexpr (op == ScalarOp::floor || op == ScalarOp::ceil || op == ScalarOp::round_even)
      return a;
    else if constexpr (op == ScalarOp::bit_not)
      return static_cast<T>(~a);
    else if constexpr (op == ScalarOp::add)
      return static_cast<T>(static_cast<W>(a) + static_cast<W>(b));
    else if constexpr (op == ScalarOp::sub)
      return static_cast<T>(static_cast<W>(a) - static_cast<W>(b));
    else if constexpr (op == ScalarOp::mul)
      return static_cast<T>(static_cast<W>(a) * static_cast<W>(b));
    else if constexpr (op == ScalarOp::multiply_add) {
      return static_cast<T>(static_cast<W>(a) * static_cast<W>(b) + static_cast<W>(c));
    } else if constexpr (op == ScalarOp::div) {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return static_cast<T>(W(0) - static_cast<W>(a));
      }
      return static_cast<T>(a / b);
    } else if constexpr (op == ScalarOp::fmod || op == ScalarOp::floor_mod) {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return T(0);
      }
      const T r = static_cast<T>(a % b);
      if constexpr (op == ScalarOp::floor_mod) {
        return r != 0 && (r < T(0)) != (b < T(0)) ? static_cast<T>(r + b) : r;
      } else {
        return r;
      }
    } else if constexpr (op == ScalarOp::pow)
      return integer_power(a, b);
    else if constexpr (op == ScalarOp::bit_and)
      return static_cast<T>(a & b);
    else if constexpr (op == ScalarOp::bit_or)
      return static_cast<T>(a | b);
    else if constexpr (op == ScalarOp::bit_xor)
      return static_cast<T>(a ^ b);
    else if constexpr (op == ScalarOp::shift_left) {
      return b < T(0) || b >= T(width) ? T(0) : static_cast<T>(static_cast<W>(a) << static_cast<W>(b));
    } else if constexpr (op == ScalarOp::shift_right) {
      return b < T(0) || b >= T(width) ? T(0) : static_cast<T>(a >> b);
    } else
      static_assert(op == ScalarOp::copy, "not an integer operation");
  }
}

}  // namespace lazyfx::kernels
