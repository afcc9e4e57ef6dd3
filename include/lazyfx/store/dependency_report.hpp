// Stability: stable.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// What a package does about a name, after torch.package's actions. `none`: no rule matched where one is needed.
enum class PackageAction : std::uint8_t { intern, extern_, mock, deny, none };
LAZYFX_API const char* to_string(PackageAction action) noexcept;  ///< "intern", "extern", ...

/// Who needs whom in a package: saved modules, their submodules, and operators.
struct LAZYFX_API DependencyReport {
  struct Item {
    std::string name;  ///< "model.blocks.0", "onnx::Conv"
    bool is_operator = false;
    PackageAction action = PackageAction::intern;
    std::string problem;  ///< empty: none
  };
  std::vector<Item> items;                                   ///< in the order in which they were met
  std::vector<std::pair<std::size_t, std::size_t>> edges;    ///< items[first] needs items[second]

  const Item* find(std::string_view name) const;
  std::vector<std::string> with(PackageAction action) const;
  /// Those that need `name` directly.
  std::vector<std::string> needed_by(std::string_view name) const;
  /// For Graphviz.
  std::string dot() const;
};

}  // namespace lazyfx
