#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace lazyfx::store {

inline constexpr std::size_t sha256_size = 32;

/// SHA-256 of bytes given in pieces. Throws Error(backend) when OpenSSL refuses.
class Sha256 {
 public:
  Sha256();
  void add(std::span<const std::byte> bytes);
  std::string finish();  ///< 32 bytes; once

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256(std::span<const std::byte> bytes);
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }
/// "9f86d0...", and back; empty for what is no such text of 32 bytes.
std::string to_hex(std::string_view bytes);
std::string digest_from_hex(std::string_view hex);

}  // namespace lazyfx::store
