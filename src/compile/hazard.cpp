#include "compile/hazard.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "fork.hpp"

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

void forget_other_threads() noexcept;

/// Every thread's record, and what waits to be freed. Lives as long as the process: threads may end after static destruction began.
struct Domain {
  detail::ProcessMutex mutex{&forget_other_threads};
  // State below is protected by mutex.
  std::vector<std::unique_ptr<Record>> records;
  RetiredList retired;
  RetiredList inherited;  ///< what waited when this process was forked, and may be half changed: never freed
};

Domain& domain() {
  static Domain* const d = new Domain;
  return *d;
}
[[maybe_unused]] const Domain& made_when_loaded = domain();

/// In a forked child: this is the only thread.
// REQUIRES: Domain::mutex held.
void forget_other_threads() noexcept {
  Domain& d = domain();
  if (writers_fence) can_fence_all_threads();
  d.inherited.take_if(d.retired, [](const void*) { return true; });
  for (const auto& record : d.records) {
    record->awaited.store(0, std::memory_order_relaxed);
    if (record.get() == current) continue;
    for (auto& slot : record->slots) slot.store(nullptr, std::memory_order_relaxed);
    record->owned = false;
  }
}

/// Gives the record back at the end of its thread.
struct Owner {
  ~Owner() {
    const std::lock_guard lock(domain().mutex);
    current->owned = false;
    current = nullptr;
  }
};

/// True if a slot announces the object; `asked` becomes true if one was not yet asked to free it.
// REQUIRES: Domain::mutex held.
bool ask_who_announces(const void* object, bool& asked) {
  bool announced = false;
  for (const auto& record : domain().records) {
    for (unsigned i = 0; i < slots_per_thread; ++i) {
      if (record->slots[i].load(std::memory_order_seq_cst) != object) continue;
      announced = true;
      const std::uint32_t bit = 1U << i;
      if ((record->awaited.load(std::memory_order_relaxed) & bit) != 0) continue;  // its line is its thread's: written once is enough
      record->awaited.fetch_or(bit, std::memory_order_seq_cst);
      asked = true;
    }
  }
  return announced;
}

/// Frees what nobody announces. What is left, somebody will free who was asked to before he was last seen to announce it.
// REQUIRES: Domain::mutex held.
void scan(RetiredList& free) noexcept {
  Domain& d = domain();
  for (bool asked = true; asked && !d.retired.empty();) {
    asked = false;
    fence_all_threads();  // between the swap of whatever is in the list, and each question, and the look at the slots
    free.take_if(d.retired, [&](const void* object) { return !ask_who_announces(object, asked); });
  }
}

}  // namespace

void fence_all_threads() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (writers_fence) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

const bool writers_fence = can_fence_all_threads();

constinit thread_local Record* current = nullptr;

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

void free_waiting(Record& record, unsigned slot) noexcept {
  RetiredList free;  // emptied after the lock: destructors run code of others
  const std::lock_guard lock(domain().mutex);
  record.awaited.fetch_and(~(1U << slot), std::memory_order_seq_cst);
  scan(free);
}

RetiredList::~RetiredList() {
  while (first_) {
    const auto object = std::move(first_);
    first_ = std::move(object->next_);
  }
}

Retirement::~Retirement() {
  if (retired_.empty()) return;
  RetiredList free;  // emptied after the lock, as above
  Domain& d = domain();
  const std::lock_guard lock(d.mutex);
  d.retired.take_if(retired_, [](const void*) { return true; });
  scan(free);
}

}  // namespace lazyfx::hazard
