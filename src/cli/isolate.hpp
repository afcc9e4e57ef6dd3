#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace lazyfx::cli {

/// How a piece of work in a process of its own ended.
struct Isolated {
  bool finished = false;  ///< it returned; else `text` says what became of it: "crashed with signal 11 (Segmentation fault)"
  std::string text;
};

/// Runs `work` in a forked process and gives back what it returns, so that a crash or an endless loop in it ends nothing else, and each
/// begins with a fresh heap. Work that takes longer than `limit` is killed. REQUIRES: the calling process has started no threads.
Isolated isolate(const std::function<std::string()>& work, std::chrono::seconds limit);

/// The same for the pieces `work(0)` to `work(count - 1)`, `jobs` of them at a time; calls `done(i, result)` on the calling thread as each ends.
void isolate_each(std::size_t count, std::size_t jobs, const std::function<std::string(std::size_t)>& work, std::chrono::seconds limit,
                  const std::function<void(std::size_t, Isolated)>& done);

}  // namespace lazyfx::cli
