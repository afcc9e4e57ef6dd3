#pragma once

#include <openssl/sha.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Makes the digests of changed bytes right again, so that what lies behind them is reached. Offsets are those of docs/format.md.
namespace seal {

inline std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

inline std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

inline void put(std::string& bytes, std::size_t at, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
}

/// Digests of an archive's sections and header.
inline std::string archive(std::string bytes) {
  if (bytes.size() < 64) return bytes;
  const std::uint64_t count = number(bytes, 12, 4);
  if (count > (bytes.size() - 64) / 64) return bytes;
  for (std::size_t row = 64; row < 64 + count * 64; row += 64) {
    const std::uint64_t offset = number(bytes, row + 16, 8), size = number(bytes, row + 24, 8);
    if (offset > bytes.size() || size > bytes.size() - offset) continue;
    bytes.replace(row + 32, 32, sha256(std::string_view(bytes).substr(offset, size)));
  }
  bytes.replace(32, 32, sha256(bytes.substr(0, 32) + bytes.substr(64, count * 64)));
  return bytes;
}

/// An archive of one section "state" with these bytes.
inline std::string archive_of(std::string_view state) {
  std::string bytes("lazyfx\x1a\n", 8);
  bytes.resize(128);
  put(bytes, 8, 4, 1);
  put(bytes, 12, 4, 1);
  put(bytes, 16, 8, 128 + state.size());
  bytes.replace(64, 5, "state");
  put(bytes, 72, 4, 1);
  put(bytes, 80, 8, 128);
  put(bytes, 88, 8, state.size());
  bytes += state;
  return archive(std::move(bytes));
}

}  // namespace seal
