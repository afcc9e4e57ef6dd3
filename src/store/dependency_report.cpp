#include "lazyfx/store/dependency_report.hpp"

#include <algorithm>

namespace lazyfx {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

const char* to_string(PackageAction action) noexcept {
  switch (action) {
    case PackageAction::intern: return "intern";
    case PackageAction::extern_: return "extern";
    case PackageAction::mock: return "mock";
    case PackageAction::deny: return "deny";
    case PackageAction::none: return "none";
  }
  return "unknown";
}

const DependencyReport::Item* DependencyReport::find(std::string_view name) const {
  const auto found = std::find_if(items.begin(), items.end(), [name](const Item& item) { return item.name == name; });
  return found == items.end() ? nullptr : &*found;
}

std::vector<std::string> DependencyReport::with(PackageAction action) const {
  std::vector<std::string> names;
  for (const Item& item : items) {
    if (item.action == action) names.push_back(item.name);
  }
  return names;
}

std::vector<std::string> DependencyReport::needed_by(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [from, to] : edges) {
    if (items[to].name == name) names.push_back(items[from].name);
  }
  return names;
}

std::string DependencyReport::dot() const {
  std::string text = "digraph package {\n";
  for (const Item& item : items) {
    text += "  " + quoted(item.name) + " [label=" + quoted(item.name + ": " + to_string(item.action)) +
            (item.is_operator ? ", shape=ellipse" : ", shape=box") + (item.problem.empty() ? "" : ", color=red") + "];\n";
  }
  for (const auto& [from, to] : edges) text += "  " + quoted(items[from].name) + " -> " + quoted(items[to].name) + ";\n";
  return text + "}\n";
}

}  // namespace lazyfx
