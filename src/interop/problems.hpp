#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/error.hpp"
#include "tensor/utf8.hpp"

namespace lazyfx::onnx {

/// A name out of a file in quotes, fit to be shown.
inline std::string in_quotes(std::string_view name) { return "'" + shown(name) + "'"; }

/// Collects what is wrong with one file, so that it is reported at once.
class Problems {
 public:
  void add(ErrorKind kind, std::string sentence);
  bool empty() const noexcept { return count_ == 0; }
  /// Throws Error("FILE: first; second; ... and 12 more"), invalid_model if any problem is, else the kind of the first.
  /// REQUIRES: not empty().
  [[noreturn]] void raise(const std::string& file) const;

 private:
  static constexpr std::size_t most_shown = 20;
  std::vector<std::string> sentences_;  // the first few
  std::size_t count_ = 0;
  ErrorKind kind_ = ErrorKind::unsupported;
};

}  // namespace lazyfx::onnx
