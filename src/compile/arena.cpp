#include "compile/arena.hpp"

#include <atomic>
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

std::atomic<std::size_t> kept_by_all{0};

/// The block that a thread keeps. Taken while a run uses it.
struct Kept {
  std::byte* data = nullptr;
  std::size_t size = 0;
  bool taken = false;
  ~Kept() { resize(0); }

  void resize(std::size_t bytes) {
    std::free(data);
    data = nullptr;
    kept_by_all.fetch_sub(size, std::memory_order_relaxed);
    size = 0;
    if (bytes == 0) return;
    data = allocate(bytes);
    size = bytes;
    kept_by_all.fetch_add(size, std::memory_order_relaxed);
  }
};
thread_local Kept kept;

}  // namespace

Arena::Arena(std::size_t bytes) {
  if (bytes == 0) return;
  if (kept.taken || bytes > kept_bytes_bound) {
    data_ = allocate(bytes);
    return;
  }
  if (kept.size < bytes) kept.resize(bytes);
  kept.taken = true;
  borrowed_ = true;
  data_ = kept.data;
}

Arena::~Arena() {
  if (borrowed_) kept.taken = false;
  else std::free(data_);
}

std::size_t Arena::kept_bytes() noexcept { return kept_by_all.load(std::memory_order_relaxed); }

}  // namespace lazyfx::compile
