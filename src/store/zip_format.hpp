#pragma once

#include <cstddef>
#include <cstdint>

/// Numbers of the zip format (PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16).
namespace lazyfx::store::zip {

inline constexpr std::uint32_t local_signature = 0x04034b50;
inline constexpr std::uint32_t central_signature = 0x02014b50;
inline constexpr std::uint32_t end_signature = 0x06054b50;
inline constexpr std::size_t local_size = 30;
inline constexpr std::size_t central_size = 46;
inline constexpr std::size_t end_size = 22;
inline constexpr std::uint16_t version = 20;         // needed to unpack: nothing special
inline constexpr std::uint16_t utf8_names = 1 << 11;
inline constexpr std::uint16_t no_time = 0;
inline constexpr std::uint16_t first_day = 0x21;     // 1980-01-01, so that equal packages are equal bytes
inline constexpr std::uint16_t padding_field = 0xd935;  // as Android's zipalign pads

}  // namespace lazyfx::store::zip
