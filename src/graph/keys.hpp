#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>

#include "lazyfx/graph/argument.hpp"

namespace lazyfx::detail {

/// A key that occurs twice, or nullptr. Linear, however many keys there are.
inline const std::string* repeated_key(const Argument::Entries& entries) {
  constexpr std::size_t few = 8;
  if (entries.size() <= few) {
    for (std::size_t i = 1; i < entries.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (entries[i].first == entries[j].first) return &entries[i].first;
      }
    }
    return nullptr;
  }
  std::unordered_set<std::string_view> seen;
  for (const auto& entry : entries) {
    if (!seen.insert(entry.first).second) return &entry.first;
  }
  return nullptr;
}

}  // namespace lazyfx::detail
