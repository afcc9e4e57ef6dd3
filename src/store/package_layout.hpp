#pragma once

#include <string>
#include <string_view>

namespace lazyfx::store {

// Where things are in a package.
inline std::string graph_entry(std::string_view module) { return "modules/" + std::string(module) + "/graph"; }
inline std::string code_entry(std::string_view module) { return "modules/" + std::string(module) + "/code.fx"; }
inline std::string tensor_entry(std::string_view sha256_hex) { return "tensors/" + std::string(sha256_hex); }
inline std::string resource_entry(std::string_view package, std::string_view resource) {
  return "resources/" + std::string(package) + "/" + std::string(resource);
}

}  // namespace lazyfx::store
