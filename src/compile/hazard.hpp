#pragma once

#include <atomic>
#include <memory>

namespace lazyfx::hazard {

/// Keeps what an atomic pointer points to alive while it is read, without a lock, an allocation, or a cache line that two readers write.
/// A reader announces the pointer in a slot of its own thread and looks again; a writer swaps the pointer, then frees the old object once
/// no slot announces it. After Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004.
///
/// Memory order: the announcement and the second look are sequentially consistent, as are the writer's swap and its look at the slots.
/// So either the reader's second look sees the swap and tries again, or the writer's scan sees the announcement and keeps the object.
class Guard {
 public:
  Guard() noexcept = default;
  ~Guard() { reset(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// The object that `source` points to now, alive until reset(); nullptr if it is null, or if this thread has no slot left (nested calls
  /// deeper than the slots): then `exhausted()` is true and the caller takes its slow path.
  template <class T>
  const T* protect(const std::atomic<const T*>& source) noexcept {
    if (slot_ == nullptr && (slot_ = take_slot()) == nullptr) return nullptr;
    const T* p = source.load(std::memory_order_acquire);
    for (;;) {
      slot_->store(p, std::memory_order_seq_cst);
      const T* again = source.load(std::memory_order_seq_cst);
      if (again == p) return p;
      p = again;
    }
  }
  bool exhausted() const noexcept { return slot_ == nullptr; }
  void reset() noexcept;

 private:
  static std::atomic<const void*>* take_slot() noexcept;
  std::atomic<const void*>* slot_ = nullptr;
};

/// Frees `object` (drops this reference) as soon as no guard protects it: now, or when the last such guard is reset.
void retire(std::shared_ptr<const void> object) noexcept;

}  // namespace lazyfx::hazard
