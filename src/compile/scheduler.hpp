#pragma once

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/intrusive/set.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "compile/histogram.hpp"
#include "fork.hpp"

namespace lazyfx::compile {

/// Who goes first when threads are few. What somebody waits for overtakes what nobody does.
enum class Priority : std::uint8_t { background, prefetch, awaited, blocking };
constexpr std::size_t priorities = 4;

/// Compiles and runs share the threads; each have bounds of their own.
enum class Lane : std::uint8_t { compile, run };
constexpr std::size_t lanes = 2;

class Scheduler;

/// One piece of work for the pool. Exactly one of run() and drop() is called, once, unless withdraw() took it back.
class Job {
 public:
  enum class Dropped : std::uint8_t { stopped, displaced };

  virtual ~Job() = default;
  virtual void run() noexcept = 0;
  /// The job will not run: the scheduler stopped, something awaited took its place in a full queue, or it grew too large for a mark's.
  virtual void drop(Dropped why) noexcept = 0;
  virtual Lane lane() const noexcept { return Lane::compile; }
  /// What it needs while it runs: scratch memory, or what a compile makes.
  virtual std::size_t bytes() const noexcept { return 0; }

 protected:
  /// While it runs: what it was taken as, promotions and age included.
  Priority priority() const noexcept { return priority_; }

 private:
  friend class Scheduler;
  boost::intrusive::set_member_hook<> place_;  // guarded by the scheduler's mutex, as all below
  std::shared_ptr<Job> self_;                  // while queued or displaced
  std::shared_ptr<Job> next_dropped_;
  bool displaced_ = false;
  Priority priority_ = Priority::background;
  std::uint64_t sequence_ = 0;
  std::chrono::steady_clock::time_point since_;
};

/// Where a scheduler's work is done when not on threads of its own. `post` runs a function soon, never inside of the call; `post_at` at a time
/// of `now`'s clock. All three may be called from any thread.
struct Workplace {
  using Time = std::chrono::steady_clock::time_point;
  std::function<void(std::function<void()>)> post;
  std::function<void(Time, std::function<void()>)> post_at;
  std::function<Time()> now;
};

/// What jobs of one lane may have at once. A job that needs more bytes than there may be runs alone.
struct LaneLimits {
  std::size_t jobs = std::numeric_limits<std::size_t>::max();
  std::size_t bytes = std::numeric_limits<std::size_t>::max();
};

struct SchedulerLimits {
  std::size_t threads = 1;
  int niceness = 5;  ///< of its threads
  bool only_when_idle = false;  ///< they have the idle policy
  std::size_t queued = 65536;  ///< jobs of one lane that may wait for a thread
  std::array<LaneLimits, lanes> at_once;
  std::chrono::nanoseconds ageing = std::chrono::seconds(1);  ///< waiting so long makes a job one class more urgent
  std::chrono::nanoseconds idle = std::chrono::seconds(10);  ///< a thread without work for so long ends
};

/// The pool: threads with a stated stack size and a lower priority than the caller's, started when first needed and ended when idle, taking the
/// best job of one queue. Every function may be called from any thread; none calls a job's code but the pool's threads and stop(). Its threads hold it, so whoever made it must stop() it. In a forked child it refuses all work.
class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  using Time = Workplace::Time;

  /// `queue_wait`: told how long each job was queued that a thread of the pool takes; lives until stop() has returned.
  explicit Scheduler(SchedulerLimits limits, Workplace workplace = {}, HistogramCounter* queue_wait = nullptr)
      : limits_(limits), workplace_(std::move(workplace)), queue_wait_(queue_wait) {}
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// full: the lane's bound is reached, and nothing that nobody awaits could make room; or nobody asked for the job but a mark, and it needs
  /// more memory than its lane may have. refused: stopped, forked, or no thread can be had. The job is kept only when queued.
  enum class Submitted : std::uint8_t { queued, full, refused };
  /// helped: the caller withdraws it and runs it itself unless a thread took it, so it needs neither thread nor room. admitted: it belongs to
  /// what has found room already.
  enum class Admission : std::uint8_t { bounded, admitted, helped };
  Submitted submit(const std::shared_ptr<Job>& job, Priority priority, Admission admission = Admission::bounded);
  /// Calls `function` on the pool at `when`, at the earliest; never after stop(). It must be short.
  void call_at(Time when, std::function<void()> function);
  Time now() const { return workplace_.now ? workplace_.now() : std::chrono::steady_clock::now(); }

  /// Moves a queued job up; does nothing to one that runs, or is as urgent already, unless nobody asked for it but marks, and it has come to need
  /// more memory than its lane may have: it is dropped. O(log n).
  void promote(Job& job, Priority priority);
  /// Moves it down: those who made it so urgent have left. O(log n).
  void demote(Job& job, Priority priority);
  /// Takes a queued job back: true if it had not begun, and the caller decides what becomes of it.
  bool withdraw(Job& job);
  /// A running job that others make more or less urgent, or stop, also while it gives way. It ages by the time that it has given to others, as
  /// if it were queued meanwhile.
  struct Running {
    const std::atomic<Priority>& priority;
    const std::atomic<bool>& stop;
    std::chrono::nanoseconds given{0};
  };
  /// Called between the steps of a job that holds no lock: runs, here and now, what is more urgent and has no thread.
  void give_way(Running& running) noexcept {
    if (waiting_urgency_.load(std::memory_order_relaxed) > static_cast<int>(running.priority.load(std::memory_order_relaxed))) {
      give_way_now(running);
    }
  }

  /// Somebody takes what is submitted: an executor from outside, or a thread, which is started if none is alive.
  bool has_workers();

  /// The running job goes on after run() has returned, until what this returns is destroyed: it still counts as running.
  std::shared_ptr<void> keep_running();

  /// Drops what is queued and returns when the running jobs have ended. Idempotent, and every caller waits; from a pool thread it does not
  /// wait for itself.
  void stop() noexcept;
  /// As stop() without waiting.
  void begin_stop() noexcept;
  /// Once stopped, `ended` is called when the last job has ended, on its thread, or inside of the next begin_stop() if none runs.
  void on_end(std::function<void()> ended);
  bool stopped() const;
  /// True on the pool's own threads, and on one that helps. Such a thread must not wait for what another may be doing.
  bool on_pool_thread() const noexcept;
  /// True in a child of the process that made this: its threads are not there.
  bool forked() const noexcept { return origin_.inherited(); }
  std::size_t queued() const;
  std::size_t running() const;
  std::size_t threads() const;
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
  struct Earlier {
    bool operator()(const Job& a, const Job& b) const noexcept { return a.sequence_ < b.sequence_; }
  };
  using Class = boost::intrusive::set<Job, boost::intrusive::member_hook<Job, boost::intrusive::set_member_hook<>, &Job::place_>,
                                      boost::intrusive::compare<Earlier>>;
  struct Queue {
    std::array<Class, priorities> classes;
    std::size_t size = 0;
  };
  struct Best {
    Class* from = nullptr;
    int urgency = -1;
    std::uint64_t sequence = 0;
    bool is_before(const Best& other) const noexcept {
      return urgency != other.urgency ? urgency > other.urgency : from != nullptr && sequence < other.sequence;
    }
  };
  /// What runs of one lane.
  struct Load {
    std::size_t jobs = 0, bytes = 0;
  };

  static void* enter(void* self);
  void work();
  void pass();
  void run_one(std::unique_lock<std::mutex>& lock, std::shared_ptr<Job> job, bool nested = false);
  void give_way_now(Running& running) noexcept;
  int urgency(Priority priority, Time since, Time now) const noexcept;

  // REQUIRES: mutex_ held.
  Queue& queue_of(const Job& job) noexcept { return queues_[static_cast<std::size_t>(job.lane())]; }
  const LaneLimits& limits_of(const Job& job) const noexcept { return limits_.at_once[static_cast<std::size_t>(job.lane())]; }
  std::size_t queued_jobs() const noexcept { return queues_[0].size + queues_[1].size; }
  /// Also what was displaced needs a worker: who has come since to wait for it hears nothing before it is dropped.
  bool has_work() const noexcept { return queued_jobs() > 0 || !displaced_.empty(); }
  bool is_needed() const noexcept;
  std::size_t free_threads() const noexcept;
  void move(Job& job, Priority priority);
  bool may_run(const Job& job) const noexcept;
  void look_again() noexcept;
  Best best(Time now);
  std::shared_ptr<Job> take(const Best& best) noexcept;
  void insert(std::shared_ptr<Job> job) noexcept;
  std::shared_ptr<Job> extract(Job& job);
  bool make_room(Queue& queue, Priority priority) noexcept;
  bool displace_one(Queue& queue) noexcept;
  void displace(Job& job) noexcept;
  bool is_left_to_callers(const Job& job, Priority priority) const noexcept;
  void update_urgency() noexcept;
  std::size_t active() const noexcept { return running_ - suspended_; }
  bool provide_worker();
  bool start_thread() noexcept;
  void run_due_timers(std::unique_lock<std::mutex>& lock);
  void drop_displaced(std::unique_lock<std::mutex>& lock);
  std::vector<std::function<void()>> ended_listeners();

  const SchedulerLimits limits_;
  const Workplace workplace_;
  HistogramCounter* const queue_wait_;
  const detail::Origin origin_;
  std::atomic<int> waiting_urgency_{-1};  ///< of the most urgent job that waits
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::condition_variable wake_, ended_;
  std::array<Queue, lanes> queues_;
  std::array<Load, lanes> loads_;
  Class displaced_;  ///< dropped by the next worker, since who displaces holds locks of his own
  std::multimap<Time, std::function<void()>> timers_;
  std::vector<pthread_t> threads_;  ///< alive
  std::vector<pthread_t> retired_;  ///< ended or about to, to be joined
  std::size_t idle_ = 0, running_ = 0;
  bool held_back_ = false;  ///< a job waits for others of its lane to end
  std::size_t suspended_ = 0;  ///< of the running: gave way to another
  std::size_t passes_ = 0;  ///< asked of the workplace and not begun
  std::uint64_t next_sequence_ = 0;
  bool stopped_ = false;
  std::vector<std::function<void()>> on_ended_;
};

}  // namespace lazyfx::compile
