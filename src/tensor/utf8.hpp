#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace lazyfx {

/// Length of the UTF-8 sequence that `s` begins with, 0 if it does not begin with one.
inline std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : (lead & 0xf0U) == 0xe0      ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || length > s.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  }
  if (length == 3 && ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) >= 0xa0))) return 0;
  if (length == 4 && ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90))) return 0;
  return length;
}

/// True for what would break or reorder the line it stands on: controls (C0, DEL, C1), line and paragraph separators, marks of direction.
/// `sequence` is one UTF-8 sequence.
inline bool is_control(std::string_view sequence) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  if (sequence.size() == 2) return byte(0) == 0xc2 && byte(1) < 0xa0;
  if (sequence.size() != 3 || byte(0) != 0xe2) return false;
  const bool separator_or_direction = byte(1) == 0x80 && (byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xa8 && byte(2) <= 0xae));
  const bool isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return separator_or_direction || isolate;
}

/// A name out of a file, fit to be shown: what is no character of a line is a question mark, and more than 80 bytes are cut.
inline std::string shown(std::string_view name) {
  constexpr std::size_t longest = 80;
  std::string text;
  std::string_view rest = name;
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const std::string_view sequence = rest.substr(0, std::max<std::size_t>(length, 1));
    if (name.size() - rest.size() + sequence.size() > longest) return text + "...";
    if (length == 0 || is_control(sequence))
      text += '?';
    else
      text += sequence;
    rest.remove_prefix(sequence.size());
  }
  return text;
}

}  // namespace lazyfx
