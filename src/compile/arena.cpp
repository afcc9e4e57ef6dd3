#include "compile/arena.hpp"

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include "compile/hazard.hpp"
#include "fork.hpp"
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
/// Somebody trims: looked at by every run, written rarely.
std::atomic<bool> trimming{false};

/// The block that a thread keeps. Its thread takes it for a run without a lock; trim() frees those that are not taken. Between the taking and
/// the look at `trimming` stands a fence, as between its setting and trim's look at `taken` (see hazard.hpp for who pays): so either the thread
/// sees that somebody trims, and waits, or trim sees that the block is taken.
struct Kept : boost::intrusive::list_base_hook<> {
  std::byte* data = nullptr;
  std::size_t size = 0;
  std::atomic<bool> taken{false};
  bool listed = false;  ///< in the list of blocks; written and read by its thread alone

  Kept() noexcept = default;
  ~Kept();
  bool take() noexcept;
  void resize(std::size_t bytes);
  void free() noexcept {
    std::free(data);
    data = nullptr;
    kept_by_all.fetch_sub(size, std::memory_order_relaxed);
    size = 0;
  }
};

void forget_other_threads() noexcept;

/// Lives as long as the process: threads may end after static destruction began.
struct Blocks {
  detail::ProcessMutex mutex{&forget_other_threads};
  boost::intrusive::list<Kept> list;  // protected by mutex
};
Blocks& blocks() {
  static Blocks* const all = new Blocks;
  return *all;
}
[[maybe_unused]] const Blocks& made_when_loaded = blocks();

Kept::~Kept() {
  if (listed) {
    const std::lock_guard lock(blocks().mutex);
    blocks().list.erase(blocks().list.iterator_to(*this));
  }
  free();
}

/// False: a run of this thread has it.
bool Kept::take() noexcept {
  if (taken.load(std::memory_order_relaxed)) return false;
  if (hazard::writers_fence) {
    taken.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    taken.store(true, std::memory_order_seq_cst);
  }
  if (trimming.load(std::memory_order_seq_cst)) const std::lock_guard wait(blocks().mutex);
  return true;
}

/// REQUIRES: taken.
void Kept::resize(std::size_t bytes) {
  free();
  if (!listed) {
    const std::lock_guard lock(blocks().mutex);
    blocks().list.push_back(*this);
    listed = true;
  }
  data = allocate(bytes);
  size = bytes;
  kept_by_all.fetch_add(size, std::memory_order_relaxed);
}

thread_local Kept kept;

/// In a forked child: the memory of other threads, in which their blocks are linked, is used for new ones.
// REQUIRES: Blocks::mutex held.
void forget_other_threads() noexcept {
  std::construct_at(&blocks().list);
  std::construct_at(static_cast<boost::intrusive::list_base_hook<>*>(&kept));
  if (kept.listed) blocks().list.push_back(kept);
  kept_by_all.store(kept.size, std::memory_order_relaxed);
}

}  // namespace

Arena::Arena(std::size_t bytes) {
  if (bytes == 0) return;
  if (bytes > kept_bytes_bound || !kept.take()) {
    data_ = allocate(bytes);
    return;
  }
  borrowed_ = true;
  try {
    if (kept.size < bytes) kept.resize(bytes);
  } catch (...) {
    kept.taken.store(false, std::memory_order_release);
    throw;
  }
  data_ = kept.data;
}

Arena::~Arena() {
  if (borrowed_)
    kept.taken.store(false, std::memory_order_release);
  else
    std::free(data_);
}

std::size_t Arena::kept_bytes() noexcept { return kept_by_all.load(std::memory_order_relaxed); }

void Arena::trim() noexcept {
  const std::lock_guard lock(blocks().mutex);
  trimming.store(true, std::memory_order_seq_cst);
  hazard::fence_all_threads();
  for (Kept& block : blocks().list) {
    if (!block.taken.load(std::memory_order_seq_cst)) block.free();
  }
  trimming.store(false, std::memory_order_release);
}

}  // namespace lazyfx::compile
