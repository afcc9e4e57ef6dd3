#pragma once

#include <cstddef>
#include <string>

namespace lazyfx::cli {

/// One line on standard error that is rewritten in place while something long goes on; nothing when that is not a terminal.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool terminal() const { return terminal_; }
  void show(const std::string& text);
  /// Before anything else is printed.
  void clear();

 private:
  bool terminal_;
  std::size_t width_ = 0;
};

}  // namespace lazyfx::cli
