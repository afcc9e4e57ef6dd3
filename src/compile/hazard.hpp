#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace lazyfx::hazard {

constexpr std::size_t slots_per_thread = 8;

/// One thread's announcements, on cache lines of their own.
struct alignas(64) Record {
  std::array<std::atomic<const void*>, slots_per_thread> slots{};
  std::uint32_t used = 0;  ///< bit per slot; owner only
  std::atomic<std::uint32_t> awaited{0};  ///< bit per slot: what it announces is retired; changes under the domain's mutex
  bool owned = false;      ///< by a living thread; guarded by the domain's mutex
};

/// This thread's, or null before its first guard. Small enough for the static block of every thread, so that finding it is one load.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Record* current;
/// Makes it; null: no memory.
Record* take_record() noexcept;
/// Frees what is retired and no longer announced. `slot` of this thread was asked to, as it may be the last that announced something.
void free_waiting(Record& record, unsigned slot) noexcept;

/// Writers fence for the readers too. Decided before the first reader, for good.
extern const bool writers_fence;
/// The writers' part: a full fence here, and in every thread that runs where writers_fence says so.
void fence_all_threads() noexcept;

/// Keeps what an atomic pointer points to alive while it is read, without a lock, an allocation, or a cache line that two readers write.
/// A reader announces the pointer in a slot of its own thread and looks again; a writer swaps the pointer, then frees the old object once
/// no slot announces it. After Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004.
///
/// Memory order: between a reader's announcement and its second look stands a full fence, as between a writer's swap and its look at the slots.
/// So either the reader's second look sees the swap and tries again, or the writer's scan sees the announcement and keeps the object.
/// Where the kernel can make every running thread pass a fence (membarrier(2), private expedited), the writer has it do so, and the readers,
/// who are many, pay for a compiler's fence only.
///
/// Whose announcement keeps something is asked to free it at reset, by a bit of its own: nobody else's calls are the slower for it. Again a
/// full fence stands between the two sides: a writer asks and looks at the slot once more, a reader clears the slot and looks at the bit.
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
      if (writers_fence) {
        slot_->store(p, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
      } else {
        slot_->store(p, std::memory_order_seq_cst);
      }
      const T* again = source.load(std::memory_order_seq_cst);
      if (again == p) return p;
      p = again;
    }
  }
  bool exhausted() const noexcept { return slot_ == nullptr; }
  void reset() noexcept {
    if (slot_ == nullptr) return;
    const auto index = static_cast<unsigned>(slot_ - record_->slots.data());
    if (writers_fence) {
      slot_->store(nullptr, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      slot_->store(nullptr, std::memory_order_seq_cst);
    }
    record_->used &= ~(1U << index);
    slot_ = nullptr;
    if ((record_->awaited.load(std::memory_order_seq_cst) & (1U << index)) != 0) free_waiting(*record_, index);
  }

 private:
  std::atomic<const void*>* take_slot() noexcept {
    record_ = current != nullptr ? current : take_record();
    if (record_ == nullptr) return nullptr;
    const auto free = static_cast<unsigned>(std::countr_one(record_->used));
    if (free >= slots_per_thread) return nullptr;
    record_->used |= 1U << free;
    return &record_->slots[free];
  }
  std::atomic<const void*>* slot_ = nullptr;
  Record* record_ = nullptr;
};

/// What can be retired. It brings the room that it waits in, so retiring needs no memory.
class Retirable {
 public:
  Retirable() = default;
  Retirable(const Retirable&) noexcept {}
  Retirable& operator=(const Retirable&) = delete;

 protected:
  ~Retirable() = default;

 private:
  friend class RetiredList;
  mutable std::shared_ptr<const Retirable> next_;
  mutable const void* address_ = nullptr;  ///< as guards announce it
};

class RetiredList {
 public:
  RetiredList() = default;
  ~RetiredList();
  RetiredList(const RetiredList&) = delete;
  RetiredList& operator=(const RetiredList&) = delete;
  bool empty() const noexcept { return first_ == nullptr; }
  /// Each object once, into one list.
  template <class T>
  void push(std::shared_ptr<const T> object) noexcept {
    object->Retirable::address_ = object.get();
    link(std::move(object));
  }
  /// Moves those here whose address fulfils `condition`.
  template <class Condition>
  void take_if(RetiredList& from, Condition condition) noexcept {
    for (auto* at = &from.first_; *at;) {
      if (!condition((*at)->address_)) {
        at = &(*at)->next_;
        continue;
      }
      auto taken = std::move(*at);
      *at = std::move(taken->next_);
      link(std::move(taken));
    }
  }

 private:
  void link(std::shared_ptr<const Retirable> object) noexcept {
    object->next_ = std::move(first_);
    first_ = std::move(object);
  }
  std::shared_ptr<const Retirable> first_;
};

/// Collects what no atomic pointer leads to any more. When it is destroyed, which must be without locks, since destructors run code of others,
/// each object is freed (its reference dropped) that no guard protects; the others are when their last guard is reset.
class Retirement {
 public:
  Retirement() = default;
  ~Retirement();
  Retirement(const Retirement&) = delete;
  Retirement& operator=(const Retirement&) = delete;
  template <class T>
  void retire(std::shared_ptr<const T> object) noexcept {
    if (object) retired_.push(std::move(object));
  }

 private:
  RetiredList retired_;
};

}  // namespace lazyfx::hazard
