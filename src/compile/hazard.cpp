#include "compile/hazard.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace lazyfx::hazard {
namespace {

constexpr std::size_t slots_per_thread = 8;

/// One thread's announcements, on cache lines of their own.
struct alignas(64) Record {
  std::array<std::atomic<const void*>, slots_per_thread> slots{};
  std::uint32_t used = 0;  ///< bit per slot; owner only
  bool owned = false;      ///< by a living thread; guarded by Domain::mutex
};

/// Every thread's record, and what waits to be freed. Lives as long as the process: threads may end after static destruction began.
struct Domain {
  std::mutex mutex;
  std::vector<std::unique_ptr<Record>> records;
  std::vector<std::shared_ptr<const void>> retired;
  std::atomic<bool> waiting{false};  ///< something is retired: read at every reset, written rarely
};

Domain& domain() {
  static Domain* const d = new Domain;
  return *d;
}

struct Owner {
  Record* record = nullptr;
  ~Owner() {
    if (record == nullptr) return;
    const std::lock_guard lock(domain().mutex);
    record->owned = false;
  }
};
thread_local Owner owner;

Record* record_of_this_thread() {
  if (owner.record != nullptr) return owner.record;
  Domain& d = domain();
  const std::lock_guard lock(d.mutex);
  for (const auto& r : d.records) {
    if (!r->owned) {
      owner.record = r.get();
      break;
    }
  }
  if (owner.record == nullptr) {
    d.records.push_back(std::make_unique<Record>());
    owner.record = d.records.back().get();
  }
  owner.record->owned = true;
  owner.record->used = 0;
  return owner.record;
}

// REQUIRES: Domain::mutex held.
bool is_announced(const void* object) {
  const Domain& d = domain();
  return std::any_of(d.records.begin(), d.records.end(), [&](const auto& r) {
    return std::any_of(r->slots.begin(), r->slots.end(), [&](const auto& s) { return s.load(std::memory_order_seq_cst) == object; });
  });
}

bool announced(const void* object) {
  const std::lock_guard lock(domain().mutex);
  return is_announced(object);
}

/// Frees what nobody announces, one by one: it needs no memory.
void scan() noexcept {
  Domain& d = domain();
  for (;;) {
    std::shared_ptr<const void> free;  // destroyed after the lock: destructors run code of others
    const std::lock_guard lock(d.mutex);
    const auto at = std::find_if(d.retired.begin(), d.retired.end(), [](const auto& object) { return !is_announced(object.get()); });
    if (at == d.retired.end()) {
      d.waiting.store(!d.retired.empty(), std::memory_order_relaxed);
      return;
    }
    free = std::move(*at);
    std::swap(*at, d.retired.back());
    d.retired.pop_back();
  }
}

}  // namespace

std::atomic<const void*>* Guard::take_slot() noexcept {
  Record* record = nullptr;
  try {
    record = record_of_this_thread();
  } catch (...) {
    return nullptr;  // no memory for a record: the caller's slow path needs none
  }
  for (std::size_t i = 0; i < slots_per_thread; ++i) {
    if ((record->used & (1U << i)) == 0) {
      record->used |= 1U << i;
      return &record->slots[i];
    }
  }
  return nullptr;
}

void Guard::reset() noexcept {
  if (slot_ == nullptr) return;
  slot_->store(nullptr, std::memory_order_release);
  owner.record->used &= ~(1U << (slot_ - owner.record->slots.data()));
  slot_ = nullptr;
  if (domain().waiting.load(std::memory_order_relaxed)) scan();
}

void retire(std::shared_ptr<const void> object) noexcept {
  if (!object) return;
  try {
    const std::lock_guard lock(domain().mutex);
    domain().retired.push_back(object);
    domain().waiting.store(true, std::memory_order_seq_cst);
  } catch (const std::bad_alloc&) {
    // No memory to remember it: wait here until nobody announces it. Who reads does so for one call at most.
    while (announced(object.get())) std::this_thread::yield();
    return;
  }
  object.reset();
  scan();
}

}  // namespace lazyfx::hazard
