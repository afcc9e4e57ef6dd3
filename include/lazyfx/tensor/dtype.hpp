// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// Element type of a tensor. Values are part of saved files: append only.
enum class DType : std::uint8_t { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64, string };
inline constexpr std::size_t dtype_count = 14;

/// IEEE 754 binary16, stored as its bits. Conversions round to nearest even; NaN stays NaN, overflow becomes infinity.
struct Float16 {
  std::uint16_t bits = 0;
  Float16() = default;
  LAZYFX_API explicit Float16(float value);
  LAZYFX_API explicit operator float() const;
  friend bool operator==(Float16, Float16) = default;  // bitwise: the storage compares, not the number
};

/// The upper half of a binary32, stored as its bits. Conversions round to nearest even; NaN stays NaN.
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  LAZYFX_API explicit BFloat16(float value);
  LAZYFX_API explicit operator float() const;
  friend bool operator==(BFloat16, BFloat16) = default;
};

/// Bytes of one element; for `string`, the size of the std::string object that holds it.
LAZYFX_API std::size_t size_of(DType dtype) noexcept;
/// "bool", "u8", ..., "f32", "string": the spelling used in printed code.
LAZYFX_API const char* to_string(DType dtype) noexcept;
LAZYFX_API std::optional<DType> dtype_from_string(std::string_view name) noexcept;

bool constexpr is_floating(DType d) { return d == DType::f16 || d == DType::bf16 || d == DType::f32 || d == DType::f64; }
bool constexpr is_signed_integer(DType d) { return d == DType::i8 || d == DType::i16 || d == DType::i32 || d == DType::i64; }
bool constexpr is_unsigned_integer(DType d) { return d == DType::u8 || d == DType::u16 || d == DType::u32 || d == DType::u64; }
bool constexpr is_integer(DType d) { return is_signed_integer(d) || is_unsigned_integer(d); }

/// The DType of a C++ element type: `dtype_of<float>` is DType::f32. Other types do not compile.
template <class T> struct DTypeOf;
template <> struct DTypeOf<bool> : std::integral_constant<DType, DType::boolean> {};
template <> struct DTypeOf<std::uint8_t> : std::integral_constant<DType, DType::u8> {};
template <> struct DTypeOf<std::int8_t> : std::integral_constant<DType, DType::i8> {};
template <> struct DTypeOf<std::uint16_t> : std::integral_constant<DType, DType::u16> {};
template <> struct DTypeOf<std::int16_t> : std::integral_constant<DType, DType::i16> {};
template <> struct DTypeOf<std::uint32_t> : std::integral_constant<DType, DType::u32> {};
template <> struct DTypeOf<std::int32_t> : std::integral_constant<DType, DType::i32> {};
template <> struct DTypeOf<std::uint64_t> : std::integral_constant<DType, DType::u64> {};
template <> struct DTypeOf<std::int64_t> : std::integral_constant<DType, DType::i64> {};
template <> struct DTypeOf<Float16> : std::integral_constant<DType, DType::f16> {};
template <> struct DTypeOf<BFloat16> : std::integral_constant<DType, DType::bf16> {};
template <> struct DTypeOf<float> : std::integral_constant<DType, DType::f32> {};
template <> struct DTypeOf<double> : std::integral_constant<DType, DType::f64> {};
template <> struct DTypeOf<std::string> : std::integral_constant<DType, DType::string> {};
template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

/// Calls `f(std::type_identity<T>{})` with the C++ type of `dtype` (every DType, strings included) and returns what it returns.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean: return f(std::type_identity<bool>{});
    case DType::u8: return f(std::type_identity<std::uint8_t>{});
    case DType::i8: return f(std::type_identity<std::int8_t>{});
    case DType::u16: return f(std::type_identity<std::uint16_t>{});
    case DType::i16: return f(std::type_identity<std::int16_t>{});
    case DType::u32: return f(std::type_identity<std::uint32_t>{});
    case DType::i32: return f(std::type_identity<std::int32_t>{});
    case DType::u64: return f(std::type_identity<std::uint64_t>{});
    case DType::i64: return f(std::type_identity<std::int64_t>{});
    case DType::f16: return f(std::type_identity<Float16>{});
    case DType::bf16: return f(std::type_identity<BFloat16>{});
    case DType::f32: return f(std::type_identity<float>{});
    case DType::f64: return f(std::type_identity<double>{});
    case DType::string: return f(std::type_identity<std::string>{});
  }
  __builtin_unreachable();
}

}  // namespace lazyfx
