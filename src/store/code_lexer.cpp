#include "store/code_lexer.hpp"

#include <algorithm>
#include <charconv>

namespace lazyfx {

CodeError::CodeError(std::size_t line, std::size_t column, const std::string& what)
    : Error(ErrorKind::invalid_model, "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what),
      line_(line),
      column_(column) {}

namespace store {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return begins_word(c) || is_digit(c); }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool CodeLexer::take(std::string_view text) {
  if (!next_is(text)) return false;
  const std::size_t end = at_ + text.size();
  if (is_word(text.back()) && end < line_.size() && is_word(line_[end])) return false;
  at_ = end;
  skip_spaces();
  return true;
}

void CodeLexer::expect(std::string_view text) {
  if (!take(text)) fail("'" + std::string(text) + "' is missing");
}

void CodeLexer::expect_end() const {
  if (!at_end()) fail("the line should end here");
}

std::string_view CodeLexer::take_word() {
  if (at_end() || !begins_word(line_[at_])) return {};
  const std::size_t begin = at_;
  while (at_ < line_.size() && is_word(line_[at_])) ++at_;
  const auto word = line_.substr(begin, at_ - begin);
  skip_spaces();
  return word;
}

std::string_view CodeLexer::expect_word(const char* what) {
  const auto word = take_word();
  if (word.empty()) fail(std::string(what) + " is missing");
  return word;
}

std::string CodeLexer::expect_string() {
  if (!next_is_string()) fail("a string is missing");
  const std::size_t begin = at_++;
  std::string text;
  for (;; ++at_) {
    if (at_end()) fail_at(begin, "the string does not end");
    const char c = line_[at_];
    if (c == '"') break;
    if (c != '\\') {
      text += c;
      continue;
    }
    const std::string_view escape = line_.substr(at_ + 1, 3);
    const char kind = escape.empty() ? '\0' : escape[0];
    if (kind == 'x' && escape.size() == 3 && hex_digit(escape[1]) >= 0 && hex_digit(escape[2]) >= 0) {
      text += static_cast<char>(hex_digit(escape[1]) << 4 | hex_digit(escape[2]));
      at_ += 3;
      continue;
    }
    constexpr std::string_view names = "\"\\ntr", meanings = "\"\\\n\t\r";
    const auto known = names.find(kind);
    if (kind == '\0' || known == std::string_view::npos) fail("the string has an escape that is not known");
    text += meanings[known];
    ++at_;
  }
  ++at_;
  skip_spaces();
  return text;
}

std::string_view CodeLexer::take_number() {
  std::size_t end = at_;
  const auto digits = [&] {
    while (end < line_.size() && is_digit(line_[end])) ++end;
  };
  if (end < line_.size() && line_[end] == '-') ++end;
  if (end == line_.size() || !is_digit(line_[end])) return {};
  digits();
  if (end < line_.size() && line_[end] == '.') {
    ++end;
    digits();
  }
  if (end < line_.size() && line_[end] == 'e') {
    ++end;
    if (end < line_.size() && (line_[end] == '-' || line_[end] == '+')) ++end;
    digits();
  }
  const auto number = line_.substr(at_, end - at_);
  at_ = end;
  skip_spaces();
  return number;
}

std::uint64_t CodeLexer::expect_hex() {
  if (!next_is("0x")) fail("a number that begins with 0x is missing");
  const std::size_t begin = at_;
  at_ += 2;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(line_.data() + at_, line_.data() + line_.size(), value, 16);
  if (error != std::errc()) fail_at(begin, "this is no number of at most 16 hexadecimal digits");
  at_ = static_cast<std::size_t>(end - line_.data());
  skip_spaces();
  return value;
}

}  // namespace store
}  // namespace lazyfx
