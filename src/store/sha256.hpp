#pragma once

#include <openssl/sha.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lazyfx::store {

inline constexpr std::size_t sha256_size = 32;

/// SHA-256 of bytes given in pieces.
class Sha256 {
 public:
  Sha256() noexcept;
  void add(std::span<const std::byte> bytes) noexcept;
  std::string finish();  ///< 32 bytes; once

 private:
  SHA256_CTX context_;
};

std::string sha256(std::span<const std::byte> bytes);
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }
/// "9f86d0...", and back; empty for what is no such text of 32 bytes.
std::string to_hex(std::string_view bytes);
std::string digest_from_hex(std::string_view hex);

}  // namespace lazyfx::store
