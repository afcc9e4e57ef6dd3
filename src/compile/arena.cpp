#include "compile/arena.hpp"

#include <cstdlib>
#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx::compile {
namespace {

constexpr std::size_t alignment = 64;

std::byte* allocate(std::size_t bytes) {
  const std::size_t rounded = (bytes + 2 * alignment - 1) / alignment * alignment;
  void* memory = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw Error(ErrorKind::resource, "no memory for a run's arena of " + std::to_string(bytes) + " bytes");
  return static_cast<std::byte*>(memory);
}

/// The block that a thread keeps. Taken while a run uses it.
struct Kept {
  std::byte* data = nullptr;
  std::size_t size = 0;
  bool taken = false;
  ~Kept() { std::free(data); }
};
thread_local Kept kept;

}  // namespace

Arena::Arena(std::size_t bytes) {
  if (bytes == 0) return;
  if (kept.taken || bytes > kept_bytes_bound) {
    data_ = allocate(bytes);
    return;
  }
  if (kept.size < bytes) {
    std::free(kept.data);
    kept.data = nullptr;
    kept.size = 0;
    kept.data = allocate(bytes);
    kept.size = bytes;
  }
  kept.taken = true;
  borrowed_ = true;
  data_ = kept.data;
}

Arena::~Arena() {
  if (borrowed_) kept.taken = false;
  else std::free(data_);
}

}  // namespace lazyfx::compile
