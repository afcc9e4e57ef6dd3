#pragma once

#include <cstdint>
#include <mutex>

/// A child of fork() has one thread. What others held at that moment stays locked in it for good, and what they were changing stays half changed.
namespace lazyfx::detail {

/// How many forks lie between the process that loaded the library and this one.
std::uint64_t forks() noexcept;

/// Member of an object whose mutexes a child must not touch.
class Origin {
 public:
  /// This process is a child of the one that made the object.
  bool inherited() const noexcept { return forks_ != forks(); }

 private:
  std::uint64_t forks_ = forks();
};

/// Of something that is one for the process: a fork waits until nobody else holds it, so that in the child it is free and what it protects is
/// whole. Made when the library is loaded, lives as long as the process; never taken while another one is held.
class ProcessMutex {
 public:
  /// `in_child` is called in each child with the mutex held.
  explicit ProcessMutex(void (*in_child)() noexcept = nullptr) noexcept;
  ProcessMutex(const ProcessMutex&) = delete;
  ProcessMutex& operator=(const ProcessMutex&) = delete;
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  friend struct AtFork;
  std::mutex mutex_;
  void (*const in_child_)() noexcept;
  ProcessMutex* next_;
};

}  // namespace lazyfx::detail
