#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace lazyfx::detail {

/// The shortest decimal text that reads back as the same number; "inf", "-inf", "nan".
template <class Number>
void append_number(std::string& text, Number value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  text.append(buffer, end);
}

/// In double quotes, with quotes, backslashes and control characters escaped.
void append_quoted(std::string& text, std::string_view value);

}  // namespace lazyfx::detail
