#include "fork.hpp"

#include <pthread.h>

#include <atomic>

namespace lazyfx::detail {
namespace {

constinit std::atomic<std::uint64_t> fork_count{0};
constinit ProcessMutex* all_mutexes = nullptr;  // only grows, while the library is loaded

}  // namespace

std::uint64_t forks() noexcept { return fork_count.load(std::memory_order_relaxed); }

struct AtFork {
  static void prepare() noexcept {
    for (ProcessMutex* m = all_mutexes; m != nullptr; m = m->next_) m->lock();
  }
  static void parent() noexcept {
    for (ProcessMutex* m = all_mutexes; m != nullptr; m = m->next_) m->unlock();
  }
  static void child() noexcept {
    fork_count.fetch_add(1, std::memory_order_relaxed);
    for (ProcessMutex* m = all_mutexes; m != nullptr; m = m->next_) {
      if (m->in_child_ != nullptr) m->in_child_();
      m->unlock();
    }
  }
  static void add(ProcessMutex& mutex) noexcept {
    if (all_mutexes == nullptr) pthread_atfork(&prepare, &parent, &child);
    mutex.next_ = all_mutexes;
    all_mutexes = &mutex;
  }
};

ProcessMutex::ProcessMutex(void (*in_child)() noexcept) noexcept : in_child_(in_child) { AtFork::add(*this); }

}  // namespace lazyfx::detail
