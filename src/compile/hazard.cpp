#include "compile/hazard.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace lazyfx::hazard {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LAZYFX_NO_MEMBARRIER 1  // it does not know of it
#endif
#endif

bool can_fence_all_threads() noexcept {
#if defined(LAZYFX_NO_MEMBARRIER) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

/// Every thread's record, and what waits to be freed. Lives as long as the process: threads may end after static destruction began.
struct Domain {
  std::mutex mutex;
  // State below is protected by mutex.
  std::vector<std::unique_ptr<Record>> records;
  RetiredList retired;
};

Domain& domain() {
  static Domain* const d = new Domain;
  return *d;
}

/// Gives the record back at the end of its thread.
struct Owner {
  ~Owner() {
    const std::lock_guard lock(domain().mutex);
    current->owned = false;
    current = nullptr;
  }
};

// REQUIRES: Domain::mutex held.
bool is_announced(const void* object) {
  const Domain& d = domain();
  return std::any_of(d.records.begin(), d.records.end(), [&](const auto& r) {
    return std::any_of(r->slots.begin(), r->slots.end(), [&](const auto& s) { return s.load(std::memory_order_seq_cst) == object; });
  });
}

/// Adds to what waits, and frees what nobody announces.
void scan(RetiredList& more) noexcept {
  RetiredList free;  // emptied after the lock: destructors run code of others
  Domain& d = domain();
  const std::lock_guard lock(d.mutex);
  d.retired.take_if(more, [](const void*) { return true; });
  waiting.store(true, std::memory_order_relaxed);
  fence_all_threads();  // between the swap of whatever is in the list and the look at the slots
  free.take_if(d.retired, [](const void* object) { return !is_announced(object); });
  waiting.store(!d.retired.empty(), std::memory_order_relaxed);
}

}  // namespace

void fence_all_threads() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (writers_fence) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

const bool writers_fence = can_fence_all_threads();

constinit thread_local Record* current = nullptr;
constinit std::atomic<bool> waiting{false};

Record* take_record() noexcept {
  Domain& d = domain();
  const std::lock_guard lock(d.mutex);
  auto at = std::find_if(d.records.begin(), d.records.end(), [](const auto& r) { return !r->owned; });
  try {
    if (at == d.records.end()) at = d.records.insert(at, std::make_unique<Record>());
  } catch (...) {
    return nullptr;  // the caller's slow path needs none
  }
  current = at->get();
  current->owned = true;
  current->used = 0;
  thread_local const Owner owner;
  static_cast<void>(owner);
  return current;
}

void free_waiting() noexcept {
  RetiredList none;
  scan(none);
}

RetiredList::~RetiredList() {
  while (first_) {
    const auto object = std::move(first_);
    first_ = std::move(object->next_);
  }
}

Retirement::~Retirement() {
  if (!retired_.empty()) scan(retired_);
}

}  // namespace lazyfx::hazard
