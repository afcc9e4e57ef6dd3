#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lazyfx/store/dependency_report.hpp"
#include "lazyfx/store/glob.hpp"

namespace lazyfx::store {

/// The rules of a package in their order; the first that matches holds.
class PackageRules {
 public:
  void add(PackageAction action, Glob names, bool allow_empty) { rules_.push_back({action, std::move(names), allow_empty, false}); }
  /// What the rules say; nothing where none matches.
  std::optional<PackageAction> action_for(const std::string& name) {
    for (Rule& rule : rules_) {
      if (!rule.names.matches(name)) continue;
      rule.matched = true;
      return rule.action;
    }
    return {};
  }
  /// Those that had to match something and did not.
  std::vector<std::string> unmatched() const {
    std::vector<std::string> names;
    for (const Rule& rule : rules_) {
      if (!rule.allow_empty && !rule.matched) names.push_back(std::string(to_string(rule.action)) + "(" + rule.names.to_string() + ")");
    }
    return names;
  }

 private:
  struct Rule {
    PackageAction action;
    Glob names;
    bool allow_empty;
    bool matched;
  };
  std::vector<Rule> rules_;
};

}  // namespace lazyfx::store
