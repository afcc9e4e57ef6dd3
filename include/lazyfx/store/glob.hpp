// Stability: stable.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// Patterns of names, after torch.package's GlobGroup: levels are joined by '.', "::" or '/'; `*` stands for any text within one level, `**`
/// as a level of its own for any number of levels. A name matches when one of `include` and none of `exclude` does.
class LAZYFX_API Glob {
 public:
  Glob(const char* include) : include_{include} {}  // NOLINT(google-explicit-constructor): patterns are written as literals
  Glob(std::string include) : include_{std::move(include)} {}  // NOLINT(google-explicit-constructor)
  Glob(std::vector<std::string> include, std::vector<std::string> exclude = {})
      : include_(std::move(include)), exclude_(std::move(exclude)) {}

  bool matches(std::string_view name) const;
  std::string to_string() const;  ///< "a.**, b except b.c"

 private:
  std::vector<std::string> include_, exclude_;
};

}  // namespace lazyfx
