#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>

namespace peers {

/// The exit status of a comparison whose files are not all there, which it says: 77, skipped; 1 when LAZYFX_REQUIRE_MODELS is set.
inline std::optional<int> missing(std::initializer_list<std::string> files) {
  for (const auto& file : files) {
    if (std::filesystem::exists(file)) continue;
    const bool required = std::getenv("LAZYFX_REQUIRE_MODELS") != nullptr;
    std::printf("%s: %s is not there; cmake/fetch_models.sh --peer gets it\n", required ? "FAILED prerequisite" : "skipped", file.c_str());
    return required ? 1 : 77;
  }
  return {};
}

}  // namespace peers
