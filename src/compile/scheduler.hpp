#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "compile/histogram.hpp"

namespace lazyfx::compile {

/// Who goes first when threads are few. What somebody waits for overtakes what nobody does.
enum class Priority : std::uint8_t { background, prefetch, awaited, blocking };

class Scheduler;

/// One piece of work for the pool. Exactly one of run() and drop() is called, once, unless withdraw() took it back.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() noexcept = 0;
  /// The scheduler stopped before the job began.
  virtual void drop() noexcept = 0;

 private:
  friend class Scheduler;
  bool queued_ = false;  // guarded by the scheduler's mutex, as all below
  Priority priority_ = Priority::background;
  std::uint64_t sequence_ = 0;
  std::chrono::steady_clock::time_point queued_at_;
};

/// The pool: threads with a stated stack size and a lower priority than the caller's, started when first needed, taking the best job of one
/// queue. Every function may be called from any thread; none calls a job's code but the pool's threads and stop().
/// Its threads hold it, so whoever made it must stop() it.
class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  /// `queue_wait`: told how long each job was queued that a thread of the pool takes; lives until stop() has returned.
  explicit Scheduler(std::size_t threads, HistogramCounter* queue_wait = nullptr) : max_threads_(threads), queue_wait_(queue_wait) {}
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// False, and the job is not kept, once stopped or if not even one thread can be had.
  bool submit(const std::shared_ptr<Job>& job, Priority priority);
  /// Moves a queued job up; does nothing to one that runs, or is as urgent already. O(log n).
  void promote(Job& job, Priority priority);
  /// Takes a queued job back: true if it had not begun, and the caller decides what becomes of it.
  bool withdraw(Job& job);

  /// Drops what is queued and returns when the running jobs have ended. Idempotent; from a pool thread it does not wait for itself.
  void stop();
  bool stopped() const;
  /// True on the pool's own threads, and on one that helps. Such a thread must not wait for what another may be doing.
  bool on_pool_thread() const noexcept;
  std::size_t queued() const;
  std::size_t running() const;
  /// How long the job that is queued longest has waited; 0 if none is.
  std::chrono::nanoseconds oldest_job() const;

  /// While it lives, its thread counts as one of the pool's: it runs a job that it withdrew.
  class Helping {
   public:
    explicit Helping(const Scheduler& scheduler) noexcept;
    ~Helping();
    Helping(const Helping&) = delete;
    Helping& operator=(const Helping&) = delete;

   private:
    const Scheduler* previous_;
  };

 private:
  struct Order {
    bool operator()(const std::shared_ptr<Job>& a, const std::shared_ptr<Job>& b) const noexcept {
      if (a->priority_ != b->priority_) return a->priority_ > b->priority_;
      return a->sequence_ < b->sequence_;
    }
  };
  static void* enter(void* self);
  void work();
  bool start_thread();

  const std::size_t max_threads_;
  HistogramCounter* const queue_wait_;
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::condition_variable wake_;
  std::set<std::shared_ptr<Job>, Order> queue_;
  std::vector<pthread_t> threads_;
  std::size_t idle_ = 0, running_ = 0;
  std::uint64_t next_sequence_ = 0;
  bool stopped_ = false;
};

/// Processors that this process may use: its affinity, bounded by the cgroup's CPU quota; at least one.
std::size_t available_processors();

}  // namespace lazyfx::compile
