#define BOOST_TEST_MODULE tensor_dtype
#include <boost/test/unit_test.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "lazyfx/tensor/dtype.hpp"

using namespace lazyfx;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

template <class Small>
Small with_bits(unsigned bits) {
  Small value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

// The textbook definition of a binary16, in arithmetic instead of bit patterns.
double plain_half(unsigned bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  const int exponent = static_cast<int>((bits >> 10) & 31u);
  const double fraction = (bits & 1023u) / 1024.0;
  if (exponent == 31) return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * infinity;
  if (exponent == 0) return sign * std::ldexp(fraction, -14);
  return sign * std::ldexp(1.0 + fraction, exponent - 15);
}

// Rounding is right when, between each number and the next, everything below the middle goes down, everything above goes up,
// and the middle goes to the one with an even last bit. Rounds up to `last`, the bits of the greatest finite number.
template <class Small>
void check_rounding(unsigned last) {
  unsigned wrong = 0;
  for (const unsigned sign : {0u, 0x8000u}) {
    for (unsigned bits = 0; bits < last; ++bits) {
      const float low = static_cast<float>(with_bits<Small>(bits | sign));
      const float high = static_cast<float>(with_bits<Small>((bits + 1) | sign));
      const float middle = static_cast<float>((static_cast<double>(low) + static_cast<double>(high)) / 2);  // exact
      wrong += Small(middle).bits != ((bits % 2 == 0 ? bits : bits + 1) | sign);
      wrong += Small(std::nextafter(middle, low)).bits != (bits | sign);
      wrong += Small(std::nextafter(middle, high)).bits != ((bits + 1) | sign);
    }
  }
  BOOST_TEST(wrong == 0u);
}

// The sign and the upper payload survive; the result is quiet.
template <class Small>
void check_nans() {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffc12345u, 0xffffffffu, 0x7f807fffu}) {
    const Small small(std::bit_cast<float>(bits));
    BOOST_TEST(std::isnan(static_cast<float>(small)));
    BOOST_TEST(std::signbit(static_cast<float>(small)) == (bits >> 31 == 1));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_half_converts_to_the_float_of_the_same_value) {
  unsigned wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double expected = plain_half(bits);
    const float found = static_cast<float>(with_bits<Float16>(bits));
    wrong += std::isnan(expected) ? !std::isnan(found) : found != expected || std::signbit(found) != std::signbit(expected);
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(every_half_survives_the_way_through_float) {
  unsigned wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const bool signalling_nan = (bits & 0x7c00u) == 0x7c00u && (bits & 0x3ffu) != 0 && (bits & 0x200u) == 0;
    const unsigned expected = signalling_nan ? bits | 0x200u : bits;
    wrong += Float16(static_cast<float>(with_bits<Float16>(bits))).bits != expected;
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(floats_round_to_the_nearest_half_and_ties_to_even) { check_rounding<Float16>(0x7bff); }

BOOST_AUTO_TEST_CASE(floats_beyond_the_greatest_half_become_infinity) {
  BOOST_TEST(static_cast<float>(Float16(65504.0f)) == 65504.0f);
  BOOST_TEST(static_cast<float>(Float16(std::nextafter(65520.0f, 0.0f))) == 65504.0f);
  BOOST_TEST(static_cast<float>(Float16(65520.0f)) == infinity);
  BOOST_TEST(static_cast<float>(Float16(-65520.0f)) == -infinity);
  BOOST_TEST(static_cast<float>(Float16(65536.0f)) == infinity);
  BOOST_TEST(static_cast<float>(Float16(std::numeric_limits<float>::max())) == infinity);
  BOOST_TEST(static_cast<float>(Float16(-infinity)) == -infinity);
}

BOOST_AUTO_TEST_CASE(floats_below_half_of_the_least_half_become_a_zero_of_their_sign) {
  const float least = std::ldexp(1.0f, -24);
  BOOST_TEST(Float16(least).bits == 1);
  BOOST_TEST(Float16(least / 2).bits == 0);
  BOOST_TEST(Float16(std::nextafter(least / 2, 1.0f)).bits == 1);
  BOOST_TEST(Float16(-least / 2).bits == 0x8000);
  BOOST_TEST(Float16(std::numeric_limits<float>::denorm_min()).bits == 0);
  BOOST_TEST(Float16(-0.0f).bits == 0x8000);
}

BOOST_AUTO_TEST_CASE(every_bfloat_is_the_upper_half_of_its_float_and_survives_the_way_through_it) {
  unsigned wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = static_cast<float>(with_bits<BFloat16>(bits));
    wrong += std::bit_cast<std::uint32_t>(value) != bits << 16;
    wrong += BFloat16(value).bits != (std::isnan(value) ? bits | 0x40u : bits);
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(floats_round_to_the_nearest_bfloat_and_ties_to_even) { check_rounding<BFloat16>(0x7f7f); }

BOOST_AUTO_TEST_CASE(floats_beyond_the_greatest_bfloat_become_infinity) {
  BOOST_TEST(static_cast<float>(BFloat16(std::numeric_limits<float>::max())) == infinity);
  BOOST_TEST(static_cast<float>(BFloat16(std::numeric_limits<float>::lowest())) == -infinity);
  BOOST_TEST(BFloat16(std::bit_cast<float>(0x7f7f7fffu)).bits == 0x7f7f);
  BOOST_TEST(BFloat16(infinity).bits == 0x7f80);
}

BOOST_AUTO_TEST_CASE(nan_stays_nan_in_both_small_floats) {
  check_nans<Float16>();
  check_nans<BFloat16>();
}

BOOST_AUTO_TEST_CASE(small_floats_compare_by_storage) {
  BOOST_TEST((Float16(0.0f) != Float16(-0.0f)));
  BOOST_TEST((with_bits<Float16>(0x7e01) == with_bits<Float16>(0x7e01)));
  BOOST_TEST((BFloat16(1.0f) == BFloat16(1.0f)));
}

BOOST_AUTO_TEST_CASE(every_dtype_has_the_size_of_its_type_and_a_name_that_reads_back) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    names.insert(to_string(dtype));
    BOOST_TEST((dtype_from_string(to_string(dtype)) == dtype));
    visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
      BOOST_TEST(size_of(dtype) == sizeof(T));
      BOOST_TEST((dtype_of<T> == dtype));
    });
  }
  BOOST_TEST(names.size() == dtype_count);
}

BOOST_AUTO_TEST_CASE(a_name_that_is_no_dtype_reads_as_nothing) {
  for (const char* name : {"", "F32", "float", "f32 ", "f3", "unknown"}) BOOST_TEST(!dtype_from_string(name).has_value());
}

BOOST_AUTO_TEST_CASE(every_dtype_but_bool_and_string_is_of_exactly_one_number_family) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    const int families = is_floating(dtype) + is_signed_integer(dtype) + is_unsigned_integer(dtype);
    BOOST_TEST(families == (dtype == DType::boolean || dtype == DType::string ? 0 : 1));
    BOOST_TEST(is_integer(dtype) == (is_signed_integer(dtype) || is_unsigned_integer(dtype)));
  }
}
