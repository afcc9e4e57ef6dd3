#pragma once

#include <cstddef>

namespace lazyfx::compile {

/// Scratch memory of one run, 64-byte aligned. Each thread keeps one block for its next run, up to a bound; a run inside a run (a user's
/// operator that calls a module) and a run above the bound get memory of their own, freed at the end.
class Arena {
 public:
  static constexpr std::size_t kept_bytes_bound = std::size_t{256} << 20;

  /// Throws Error(resource) when the bytes cannot be had.
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* data() const noexcept { return data_; }
  /// Of all threads of the process, in use or not. Threads change it when their block grows and when they end.
  static std::size_t kept_bytes() noexcept;
  /// Frees the blocks of all threads that no run uses now. Any thread; runs meanwhile wait for it at most.
  static void trim() noexcept;

 private:
  std::byte* data_ = nullptr;
  bool borrowed_ = false;
};

}  // namespace lazyfx::compile
