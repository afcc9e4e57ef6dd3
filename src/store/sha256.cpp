// OpenSSL calls these functions deprecated, but the ones to use instead load its configuration and providers at their first call, which takes
// longer than opening a package.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "store/sha256.hpp"

namespace lazyfx::store {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Sha256::Sha256() noexcept { SHA256_Init(&context_); }

void Sha256::add(std::span<const std::byte> bytes) noexcept { SHA256_Update(&context_, bytes.data(), bytes.size()); }

std::string Sha256::finish() {
  std::string digest(sha256_size, '\0');
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context_);
  return digest;
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish();
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string digest_from_hex(std::string_view hex) {
  if (hex.size() != 2 * sha256_size) return {};
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace lazyfx::store
