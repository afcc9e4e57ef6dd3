#include "lazyfx/tensor/dtype.hpp"

#include <array>
#include <bit>

namespace lazyfx {
namespace {

struct DTypeInfo {
  const char* name;
  std::size_t size;
};

constexpr std::array<DTypeInfo, dtype_count> infos{{{"bool", 1},
                                                    {"u8", 1},
                                                    {"i8", 1},
                                                    {"u16", 2},
                                                    {"i16", 2},
                                                    {"u32", 4},
                                                    {"i32", 4},
                                                    {"u64", 8},
                                                    {"i64", 8},
                                                    {"f16", 2},
                                                    {"bf16", 2},
                                                    {"f32", 4},
                                                    {"f64", 8},
                                                    {"string", sizeof(std::string)}}};

static_assert(sizeof(bool) == 1 && sizeof(Float16) == 2 && sizeof(BFloat16) == 2);

// Drops the low `shift` bits of `value`, rounding to nearest and ties to even. A carry out of the mantissa runs into the
// exponent, which is exactly the next representable number. REQUIRES: 1 <= shift <= 31.
constexpr std::uint32_t shift_to_nearest_even(std::uint32_t value, unsigned shift) {
  const std::uint32_t half = 1u << (shift - 1);
  const std::uint32_t odd = (value >> shift) & 1u;
  return (value + (half - 1) + odd) >> shift;
}

constexpr std::uint16_t half_from_float(std::uint32_t f) {
  const std::uint32_t sign = (f >> 16) & 0x8000u;
  const std::uint32_t magnitude = f & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));  // a quiet NaN
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);                                // 2^16 and above
  if (magnitude >= 0x38800000u) {  // a normal half: rebias the exponent from 127 to 15, then round; 65520 carries into infinity
    return static_cast<std::uint16_t>(sign | shift_to_nearest_even(magnitude - 0x38000000u, 13));
  }
  if (magnitude < 0x33000000u) return static_cast<std::uint16_t>(sign);  // below 2^-25, half of the least subnormal
  const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  return static_cast<std::uint16_t>(sign | shift_to_nearest_even(mantissa, 126 - (magnitude >> 23)));
}

constexpr std::uint32_t float_from_half(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1fu;
  const std::uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0x1f) return sign | 0x7f800000u | (mantissa << 13) | (mantissa != 0 ? 0x400000u : 0u);
  if (exponent != 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa == 0) return sign;
  const unsigned shift = static_cast<unsigned>(std::countl_zero(mantissa)) - 21;  // brings the leading one to bit 10
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ffu) << 13);
}

}  // namespace

Float16::Float16(float value) : bits(half_from_float(std::bit_cast<std::uint32_t>(value))) {}
Float16::operator float() const { return std::bit_cast<float>(float_from_half(bits)); }

BFloat16::BFloat16(float value) {
  const std::uint32_t f = std::bit_cast<std::uint32_t>(value);
  // Rounding a NaN could carry into the sign or leave an infinity, so a NaN is cut and made quiet.
  const bool nan = (f & 0x7fffffffu) > 0x7f800000u;
  bits = static_cast<std::uint16_t>(nan ? (f >> 16) | 0x40u : shift_to_nearest_even(f & 0x7fffffffu, 16) | ((f >> 16) & 0x8000u));
}
BFloat16::operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

std::size_t size_of(DType dtype) noexcept { return infos[static_cast<std::size_t>(dtype)].size; }
const char* to_string(DType dtype) noexcept { return infos[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> dtype_from_string(std::string_view name) noexcept {
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (name == infos[i].name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace lazyfx
