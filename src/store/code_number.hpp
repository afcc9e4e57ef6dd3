#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "lazyfx/tensor/dtype.hpp"
#include "store/code_lexer.hpp"

namespace lazyfx::store {

template <class Number>
Number parse_whole(CodeLexer& in, std::size_t begin, std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    in.fail_at(begin, text.empty() ? "a number is missing" : "'" + std::string(text) + "' is no number that fits here");
  }
  return value;
}

/// "nan(0x7fc00001)" with the bits of Bits; the usual NaN without them. REQUIRES: "nan" was taken.
template <class Bits>
Bits parse_nan(CodeLexer& in, Bits usual) {
  if (!in.take("(")) return usual;
  const std::size_t begin = in.position();
  const std::uint64_t bits = in.expect_hex();
  if (bits > std::numeric_limits<Bits>::max()) in.fail_at(begin, "these are too many bits");
  in.expect(")");
  return static_cast<Bits>(bits);
}

/// An element of a tensor.
template <class T>
T parse_element(CodeLexer& in) {
  const std::size_t begin = in.position();
  if constexpr (std::is_same_v<T, std::string>) {
    return in.expect_string();
  } else if constexpr (std::is_same_v<T, bool>) {
    if (in.take("True")) return true;
    in.expect("False");
    return false;
  } else if constexpr (std::is_integral_v<T>) {
    return parse_whole<T>(in, begin, in.take_number());
  } else if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    T value;
    if (in.take("nan"))
      value.bits = parse_nan<std::uint16_t>(in, std::is_same_v<T, Float16> ? 0x7e00 : 0x7fc0);
    else
      value = T(parse_element<float>(in));
    return value;
  } else {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    if (in.take("nan")) return std::bit_cast<T>(parse_nan<Bits>(in, std::bit_cast<Bits>(std::numeric_limits<T>::quiet_NaN())));
    if (in.take("inf")) return std::numeric_limits<T>::infinity();
    if (in.take("-inf")) return -std::numeric_limits<T>::infinity();
    return parse_whole<T>(in, begin, in.take_number());
  }
}

}  // namespace lazyfx::store
