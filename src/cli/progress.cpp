#include "cli/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace lazyfx::cli {

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(const std::string& text) {
  if (!terminal_) return;
  constexpr std::size_t longest = 78;
  const std::string line = text.substr(0, longest);
  std::cerr << '\r' << line << std::string(std::max(width_, line.size()) - line.size(), ' ') << std::flush;
  width_ = line.size();
}

void Progress::clear() {
  if (width_ == 0) return;
  std::cerr << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

}  // namespace lazyfx::cli
