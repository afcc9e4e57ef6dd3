#pragma once

#include <cstddef>
#include <cstdint>

/// Numbers of the zip format (PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16, 4.5.3 for zip64).
namespace lazyfx::store::zip {

inline constexpr std::uint32_t local_signature = 0x04034b50;
inline constexpr std::uint32_t central_signature = 0x02014b50;
inline constexpr std::uint32_t end_signature = 0x06054b50;
inline constexpr std::size_t local_size = 30;
inline constexpr std::size_t central_size = 46;
inline constexpr std::size_t end_size = 22;
inline constexpr std::uint32_t end64_signature = 0x06064b50;
inline constexpr std::uint32_t locator_signature = 0x07064b50;
inline constexpr std::size_t end64_size = 56;
inline constexpr std::size_t locator_size = 20;
inline constexpr std::uint16_t field64 = 0x0001;     // in the extra of a header: what does not fit into 32 bits
inline constexpr std::uint32_t elsewhere32 = 0xffffffff;  // the value is in the wider record
inline constexpr std::uint16_t elsewhere16 = 0xffff;
inline constexpr std::uint16_t version = 20;         // needed to unpack: nothing special
inline constexpr std::uint16_t version64 = 45;
inline constexpr std::uint16_t utf8_names = 1 << 11;
inline constexpr std::uint16_t no_time = 0;
inline constexpr std::uint16_t first_day = 0x21;     // 1980-01-01, so that equal packages are equal bytes
inline constexpr std::uint16_t padding_field = 0xd935;  // as Android's zipalign pads

}  // namespace lazyfx::store::zip
