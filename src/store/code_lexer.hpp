#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lazyfx/store/parse_code.hpp"

namespace lazyfx::store {

/// Walks one line of code. What it expects and does not find is a CodeError at that place.
class CodeLexer {
 public:
  CodeLexer(std::string_view line, std::size_t number) : line_(line), number_(number) { skip_spaces(); }

  bool at_end() const noexcept { return at_ == line_.size(); }
  std::string_view rest() const noexcept { return line_.substr(at_); }
  std::size_t position() const noexcept { return at_; }
  void rewind(std::size_t position) noexcept { at_ = position; }

  /// Takes `text` and the spaces after it, if it comes next. Words end where a word ends.
  bool take(std::string_view text);
  void expect(std::string_view text);
  void expect_end() const;
  bool next_is(std::string_view text) const noexcept { return rest().starts_with(text); }
  /// A letter or underscore, then letters, digits, underscores; empty if none comes next.
  std::string_view take_word();
  std::string_view expect_word(const char* what);
  bool next_is_string() const noexcept { return next_is("\""); }
  std::string expect_string();
  /// Digits, sign, point and exponent; empty if none comes next.
  std::string_view take_number();
  std::uint64_t expect_hex();

  [[noreturn]] void fail(const std::string& what) const { fail_at(at_, what); }
  [[noreturn]] void fail_at(std::size_t position, const std::string& what) const { throw CodeError(number_, position + 1, what); }

 private:
  void skip_spaces() noexcept {
    while (at_ < line_.size() && line_[at_] == ' ') ++at_;
  }
  std::string_view line_;
  std::size_t number_;
  std::size_t at_ = 0;
};

}  // namespace lazyfx::store
