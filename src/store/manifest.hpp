#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/ops/operator.hpp"

namespace lazyfx::store {

inline constexpr std::string_view manifest_entry = "manifest.json";
inline constexpr std::uint64_t package_version = 1;

/// What manifest.json says. docs/format.md has every field.
struct Manifest {
  struct File {
    std::uint64_t size = 0;
    std::string sha256;  ///< 32 bytes
  };
  struct NeededOperator {
    std::string name;
    std::optional<Effect> effect;  ///< as it was known to whoever saved
    bool mocked = false;
  };
  std::vector<std::string> modules;
  std::vector<NeededOperator> operators;
  std::vector<std::string> extern_modules, mocked_modules;
  std::map<std::string, File, std::less<>> files;  ///< every entry but the manifest
};

std::string to_json(const Manifest& manifest);
/// Throws StoreError; `place` begins its message.
Manifest manifest_from_json(std::string_view text, const std::string& place);

/// The comment of the zip file, "lazyfx package 1 sha256 9f86...", which seals the manifest.
std::string make_seal(std::string_view manifest);
/// Throws StoreError unless the seal is one, of a version that is read here, and that of this manifest.
void check_seal(std::string_view seal, std::string_view manifest, const std::string& place);

}  // namespace lazyfx::store
