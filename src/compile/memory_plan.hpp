#pragma once

#include <cstddef>
#include <map>

namespace lazyfx::compile {

/// Hands out offsets in an arena as steps come and go: best fit among the gaps, neighbours joined again. Everything is a multiple of 64
/// bytes. The arena needs size() bytes in the end.
class MemoryPlan {
 public:
  /// REQUIRES: bytes < 2^62.
  std::size_t allocate(std::size_t bytes);
  void release(std::size_t offset, std::size_t bytes);
  std::size_t size() const noexcept { return size_; }

 private:
  static std::size_t round(std::size_t bytes) { return (bytes + 63) / 64 * 64 + 64; }  // one vector may be read past the end

  std::map<std::size_t, std::size_t> gaps_;  // offset -> bytes
  std::size_t size_ = 0;
};

}  // namespace lazyfx::compile
