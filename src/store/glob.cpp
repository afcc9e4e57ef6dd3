#include "lazyfx/store/glob.hpp"

#include <algorithm>

namespace lazyfx {
namespace {

std::vector<std::string_view> levels_of(std::string_view name) {
  std::vector<std::string_view> levels;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const std::size_t separator = name.substr(i).starts_with("::") ? 2 : name[i] == '.' || name[i] == '/' ? 1 : 0;
    if (separator == 0) continue;
    levels.push_back(name.substr(begin, i - begin));
    begin = i + separator;
    i = begin - 1;
  }
  levels.push_back(name.substr(begin));
  return levels;
}

// Whether `items` fit `pattern`, where what `is_any` holds for stands for any number of items; linear in the product of the two.
template <class Items, class IsAny, class Fits>
bool fits_with_gaps(const Items& pattern, const Items& items, IsAny is_any, Fits fits) {
  std::vector<char> reached(items.size() + 1, 0);  // [i]: the pattern so far fits the first i items
  reached[0] = 1;
  for (const auto& p : pattern) {
    if (is_any(p)) {
      for (std::size_t i = 1; i <= items.size(); ++i) reached[i] |= reached[i - 1];
    } else {
      for (std::size_t i = items.size(); i > 0; --i) reached[i] = static_cast<char>(reached[i - 1] && fits(p, items[i - 1]));
      reached[0] = 0;
    }
  }
  return reached[items.size()] != 0;
}

bool level_fits(std::string_view pattern, std::string_view level) {
  return fits_with_gaps(pattern, level, [](char c) { return c == '*'; }, [](char p, char c) { return p == c; });
}

bool fits(std::string_view pattern, std::string_view name) {
  return fits_with_gaps(levels_of(pattern), levels_of(name), [](std::string_view p) { return p == "**"; }, level_fits);
}

}  // namespace

bool Glob::matches(std::string_view name) const {
  const auto one_fits = [name](const std::string& pattern) { return fits(pattern, name); };
  return std::any_of(include_.begin(), include_.end(), one_fits) && std::none_of(exclude_.begin(), exclude_.end(), one_fits);
}

std::string Glob::to_string() const {
  const auto join = [](const std::vector<std::string>& patterns) {
    std::string text;
    for (const std::string& p : patterns) text += (text.empty() ? "" : ", ") + p;
    return text;
  };
  return join(include_) + (exclude_.empty() ? "" : " except " + join(exclude_));
}

}  // namespace lazyfx
