#include "compile/scheduler.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <utility>

#include "lazyfx/detail/after.hpp"

namespace lazyfx::compile {
namespace {

constexpr std::size_t stack_bytes = std::size_t{8} << 20;

thread_local const Scheduler* current_pool = nullptr;

/// Jobs of this thread that have given way, one within the other. Each runs something more urgent, but may be left by those who made it so and give
/// way in its turn: a stack has an end.
thread_local std::size_t gave_way = 0;
constexpr std::size_t most_giving_way = priorities - 1;

/// How long a thread goes on with what nobody awaits before it offers its processor to others. Once the system has preempted a thread in favour
/// of one of the pool's, it looks again at its next tick only, up to ten milliseconds later: ages for an event loop that is busy.
class Turn {
 public:
  bool is_over() const noexcept { return std::chrono::steady_clock::now() - begin_ >= length; }
  void begin() noexcept { begin_ = std::chrono::steady_clock::now(); }

 private:
  static constexpr auto length = std::chrono::milliseconds(1);
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

// ---- The queue ---------------------------------------------------------------------------------------------------------------------------

Scheduler::Submitted Scheduler::submit(const std::shared_ptr<Job>& job, Priority priority, Admission admission) {
  if (forked()) return Submitted::refused;
  const std::lock_guard lock(mutex_);
  if (stopped_) return Submitted::refused;
  if (is_left_to_callers(*job, priority)) return Submitted::full;
  const bool has_worker = provide_worker();
  if (!has_worker && admission != Admission::helped) return Submitted::refused;
  Queue& queue = queue_of(*job);
  if (admission == Admission::bounded && !make_room(queue, priority)) return Submitted::full;
  job->priority_ = priority;
  job->sequence_ = next_sequence_++;
  job->since_ = now();
  insert(job);
  wake_.notify_one();
  return Submitted::queued;
}

void Scheduler::drop_displaced(std::unique_lock<std::mutex>& lock) {
  while (!displaced_.empty()) {
    std::shared_ptr<Job> job = extract(*displaced_.begin());
    lock.unlock();
    job->drop(Job::Dropped::displaced);
    job.reset();
    lock.lock();
  }
}

void Scheduler::promote(Job& job, Priority priority) {
  if (forked()) return;
  const std::lock_guard lock(mutex_);
  if (!job.place_.is_linked()) return;
  if (job.priority_ < priority)
    move(job, priority);
  else if (!job.displaced_ && is_left_to_callers(job, job.priority_))
    displace(job);
}

bool Scheduler::is_left_to_callers(const Job& job, Priority priority) const noexcept {
  return priority == Priority::background && job.bytes() > limits_of(job).bytes;
}

void Scheduler::demote(Job& job, Priority priority) {
  if (forked()) return;
  const std::lock_guard lock(mutex_);
  if (job.place_.is_linked() && job.priority_ > priority) move(job, priority);
}

void Scheduler::move(Job& job, Priority priority) {
  // What had to make room comes back where somebody asks for it by now and there is room again.
  if (job.displaced_ && !(priority > Priority::background && make_room(queue_of(job), priority))) return;
  const bool comes_back = job.displaced_;
  auto moved = extract(job);
  moved->priority_ = priority;
  insert(std::move(moved));
  if (comes_back && provide_worker()) wake_.notify_one();
  look_again();
}

bool Scheduler::withdraw(Job& job) {
  if (forked()) return false;
  std::shared_ptr<Job> taken;
  const std::lock_guard lock(mutex_);
  if (!job.place_.is_linked()) return false;
  taken = extract(job);
  look_again();
  return true;
}

void Scheduler::insert(std::shared_ptr<Job> job) noexcept {
  Queue& queue = queue_of(*job);
  queue.classes[static_cast<std::size_t>(job->priority_)].insert(*job);
  ++queue.size;
  Job& queued = *job;
  queued.self_ = std::move(job);
  update_urgency();
}

/// Out of the queue, or of those that were displaced.
std::shared_ptr<Job> Scheduler::extract(Job& job) {
  if (std::exchange(job.displaced_, false)) {
    displaced_.erase(displaced_.iterator_to(job));
    return std::move(job.self_);
  }
  Queue& queue = queue_of(job);
  Class& jobs = queue.classes[static_cast<std::size_t>(job.priority_)];
  jobs.erase(jobs.iterator_to(job));
  --queue.size;
  update_urgency();
  return std::move(job.self_);
}

/// True if the queue takes one more job of this priority, for which another may have had to go.
bool Scheduler::make_room(Queue& queue, Priority priority) noexcept {
  const std::size_t free = free_threads();
  if (queue.size < free || queue.size - free < limits_.queued) return true;
  return priority >= Priority::awaited && displace_one(queue);
}

/// The newest job of the least urgent class that nobody awaits makes room.
bool Scheduler::displace_one(Queue& queue) noexcept {
  for (std::size_t p = 0; p < static_cast<std::size_t>(Priority::awaited); ++p) {
    if (queue.classes[p].empty()) continue;
    displace(*queue.classes[p].rbegin());
    return true;
  }
  return false;
}

void Scheduler::displace(Job& job) noexcept {
  auto self = extract(job);
  job.displaced_ = true;
  job.self_ = std::move(self);
  displaced_.insert(job);
  look_again();
}

/// Those that will take a job as soon as there is one.
std::size_t Scheduler::free_threads() const noexcept {
  const std::size_t most = workplace_.post ? limits_.threads : threads_.size();
  const std::size_t free = most - std::min(most, active());
  return workplace_.post ? free : free + (limits_.threads - std::min(limits_.threads, threads_.size()));
}

void Scheduler::update_urgency() noexcept {
  int urgency = -1;
  for (const Queue& queue : queues_) {
    for (std::size_t p = priorities; p-- > 0;) {
      if (queue.classes[p].empty()) continue;
      if (may_run(*queue.classes[p].begin())) urgency = std::max(urgency, static_cast<int>(p));
      break;
    }
  }
  // A free thread will take it: nobody needs to give way. Whether an executor has a free one, only the executor knows.
  if (!workplace_.post && (idle_ > 0 || threads_.size() < limits_.threads)) urgency = -1;
  waiting_urgency_.store(urgency, std::memory_order_relaxed);
}

bool Scheduler::may_run(const Job& job) const noexcept {
  const Load& load = loads_[static_cast<std::size_t>(job.lane())];
  const LaneLimits& limits = limits_of(job);
  if (load.jobs == 0) return true;
  if (load.jobs >= limits.jobs) return false;
  const std::size_t bytes = job.bytes();
  return bytes == 0 || (load.bytes <= limits.bytes && bytes <= limits.bytes - load.bytes);
}

/// Another job is at the front, or there is room for it, and threads may have turned away from the one before.
void Scheduler::look_again() noexcept {
  if (!std::exchange(held_back_, false)) return;
  wake_.notify_all();
  if (!workplace_.post) return;
  try {
    for (std::size_t n = passes_ + active(); n < limits_.threads; ++n) provide_worker();
  } catch (const std::bad_alloc&) {
    // Those that run look at the queue when they end.
  }
}

/// Age lifts a job up to what is awaited, never above it.
int Scheduler::urgency(Priority priority, Time since, Time now) const noexcept {
  const int own = static_cast<int>(priority);
  const int ceiling = static_cast<int>(Priority::awaited);
  if (own >= ceiling || limits_.ageing.count() <= 0) return own;
  return static_cast<int>(std::min<std::int64_t>(ceiling, own + (now - since) / limits_.ageing));
}

/// What counts most now, and of equals the oldest. Where that may not run, its lane waits for the room that it needs: what comes later, or is
/// less urgent, would take it.
Scheduler::Best Scheduler::best(Time now) {
  Best found;
  for (Queue& queue : queues_) {
    Best first;
    for (std::size_t p = priorities; p-- > 0;) {
      if (queue.classes[p].empty()) continue;
      const Job& front = *queue.classes[p].begin();
      const Best next{&queue.classes[p], urgency(static_cast<Priority>(p), front.since_, now), front.sequence_};
      if (next.is_before(first)) first = next;
    }
    if (!first.is_before(found)) continue;
    if (may_run(*first.from->begin()))
      found = first;
    else
      held_back_ = true;
  }
  return found;
}

std::shared_ptr<Job> Scheduler::take(const Best& best) noexcept {
  if (best.from == nullptr) return nullptr;
  if (queue_wait_ != nullptr) queue_wait_->add(now() - best.from->begin()->since_);
  const auto job = extract(*best.from->begin());
  job->priority_ = std::max(job->priority_, static_cast<Priority>(best.urgency));
  return job;
}

// ---- Workers -----------------------------------------------------------------------------------------------------------------------------

/// True if somebody will look at the queue.
bool Scheduler::provide_worker() {
  if (workplace_.post) {
    if (passes_ + active() < limits_.threads) {
      try {
        workplace_.post([self = shared_from_this()] { self->pass(); });
        ++passes_;
      } catch (const std::bad_alloc&) {
        return passes_ + active() > 0;  // those that there are look at the queue again when they end
      }
    }
    return true;
  }
  if (idle_ <= queued_jobs() && threads_.size() < limits_.threads) start_thread();
  return !threads_.empty();
}

bool Scheduler::has_workers() {
  if (forked()) return false;
  const std::lock_guard lock(mutex_);
  return !stopped_ && (workplace_.post || !threads_.empty() || start_thread());
}

/// Counts a job as running until all that it held is let go of. `nested`: in a suspended one, which goes on then.
void Scheduler::run_one(std::unique_lock<std::mutex>& lock, std::shared_ptr<Job> job, bool nested) {
  Load& load = loads_[static_cast<std::size_t>(job->lane())];
  const std::size_t bytes = job->bytes();
  ++running_;
  ++load.jobs;
  load.bytes += bytes;
  update_urgency();
  lock.unlock();
  job->run();
  job.reset();
  lock.lock();
  --running_;
  if (nested) --suspended_;
  --load.jobs;
  load.bytes -= bytes;
  look_again();
  update_urgency();
}

void Scheduler::give_way_now(Running& running) noexcept {
  if (gave_way == most_giving_way) return;
  const Helping helping(*this);
  std::unique_lock lock(mutex_);
  const Time since = now() - running.given;
  // What was run here before may go on elsewhere, and holds this thread's place.
  while (!stopped_ && idle_ == 0 && active() <= limits_.threads) {
    // Looked at anew each time: somebody may have begun to wait for what gives way here, or nobody wants it any more.
    if (running.stop.load(std::memory_order_relaxed)) break;
    const Time t = now();
    const Best next = best(t);
    if (next.urgency <= urgency(running.priority.load(std::memory_order_relaxed), since, t)) break;
    ++suspended_, ++gave_way;
    run_one(lock, take(next), true);
    --gave_way;
  }
  running.given = now() - since;
}

/// One job on a foreign executor; more are asked for one by one, so that its other work has its turns.
void Scheduler::pass() {
  const Helping helping(*this);
  std::vector<std::function<void()>> ended;
  {
    std::unique_lock lock(mutex_);
    drop_displaced(lock);
    // A compile that goes on elsewhere may have taken this one's place meanwhile.
    auto job = active() < limits_.threads ? take(best(now())) : nullptr;
    --passes_;
    if (job) {
      run_one(lock, std::move(job));
      if (has_work()) provide_worker();
    }
    ended = ended_listeners();
  }
  for (const auto& listener : ended) listener();
}

std::shared_ptr<void> Scheduler::keep_running() {
  {
    const std::lock_guard lock(mutex_);
    ++running_;
  }
  const auto release = [self = shared_from_this()](void*) {
    std::vector<std::function<void()>> ended;
    {
      const std::lock_guard lock(self->mutex_);
      --self->running_;
      if (self->has_work()) {
        self->provide_worker();
        self->wake_.notify_one();
      }
      ended = self->ended_listeners();
    }
    for (const auto& listener : ended) listener();
  };
  return {this, release};
}

/// True while an idle thread may not end: there is work that may not run yet, or this is the last thread, and a timer waits for it.
bool Scheduler::is_needed() const noexcept { return has_work() || (threads_.size() == 1 && !timers_.empty()); }

bool Scheduler::start_thread() noexcept {
  std::unique_ptr<std::shared_ptr<Scheduler>> self;
  try {
    threads_.reserve(threads_.size() + 1);
    retired_.reserve(retired_.size() + threads_.size() + 1);  // a thread that ends needs room there and must not fail
    self = std::make_unique<std::shared_ptr<Scheduler>>(shared_from_this());
  } catch (const std::bad_alloc&) { return false; }
  for (const pthread_t thread : retired_) pthread_join(thread, nullptr);
  retired_.clear();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, &Scheduler::enter, self.get()) == 0;
  if (started) static_cast<void>(self.release());  // the thread's now
  pthread_attr_destroy(&attributes);
  if (started) threads_.push_back(thread);
  return started;
}

void* Scheduler::enter(void* self) {
  const std::unique_ptr<std::shared_ptr<Scheduler>> scheduler(static_cast<std::shared_ptr<Scheduler>*>(self));
  current_pool = scheduler->get();
  pthread_setname_np(pthread_self(), "lazyfx");
  // Both are of a thread on Linux; being refused costs nothing but the courtesy.
  const SchedulerLimits& limits = (*scheduler)->limits_;
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), limits.niceness));
  const sched_param none{};
  if (limits.only_when_idle) static_cast<void>(pthread_setschedparam(pthread_self(), SCHED_IDLE, &none));
  (*scheduler)->work();
  return nullptr;
}

void Scheduler::work() {
  Turn turn;
  std::vector<std::function<void()>> ended;
  {
    std::unique_lock lock(mutex_);
    Time patience = detail::after(now(), limits_.idle);
    for (;;) {
      run_due_timers(lock);
      drop_displaced(lock);
      const Best next = active() < limits_.threads ? best(now()) : Best();
      if (next.from != nullptr) {
        if (next.urgency < static_cast<int>(Priority::awaited) && turn.is_over()) {
          lock.unlock();
          sched_yield();
          turn.begin();
          lock.lock();
        } else {
          run_one(lock, take(next));
        }
        patience = detail::after(now(), limits_.idle);
        continue;
      }
      if (stopped_) break;
      ++idle_;
      update_urgency();
      // However short its patience: what waits for room comes with a wake-up.
      Time until = is_needed() ? Time::max() : patience;
      if (!timers_.empty()) until = std::min(until, timers_.begin()->first);
      wake_.wait_until(lock, until);
      turn.begin();
      --idle_;
      update_urgency();
      if (now() >= patience && !is_needed()) break;
    }
    const auto me = std::find_if(threads_.begin(), threads_.end(), [](pthread_t t) { return pthread_equal(t, pthread_self()) != 0; });
    if (me != threads_.end()) {
      retired_.push_back(*me);
      threads_.erase(me);
    }
    update_urgency();
    ended = ended_listeners();
  }
  for (const auto& listener : ended) listener();
}

// ---- Timers ------------------------------------------------------------------------------------------------------------------------------

void Scheduler::call_at(Time when, std::function<void()> function) {
  if (forked()) return;
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (workplace_.post_at) {
    workplace_.post_at(when, [self = weak_from_this(), function = std::move(function)] {
      const auto alive = self.lock();
      if (alive && !alive->stopped()) function();
    });
    return;
  }
  timers_.emplace(when, std::move(function));
  if (threads_.empty()) start_thread();
  wake_.notify_one();
}

void Scheduler::run_due_timers(std::unique_lock<std::mutex>& lock) {
  while (!stopped_ && !timers_.empty() && timers_.begin()->first <= now()) {
    const auto function = std::move(timers_.extract(timers_.begin()).mapped());
    lock.unlock();
    function();
    lock.lock();
  }
}

// ---- The end -----------------------------------------------------------------------------------------------------------------------------

/// What is to be told now that nothing runs any more; empty before.
std::vector<std::function<void()>> Scheduler::ended_listeners() {
  if (!stopped_ || running_ > 0 || !threads_.empty()) return {};
  ended_.notify_all();
  return std::exchange(on_ended_, {});
}

void Scheduler::on_end(std::function<void()> ended) {
  if (forked()) return ended();
  const std::lock_guard lock(mutex_);
  on_ended_.push_back(std::move(ended));
}

void Scheduler::begin_stop() noexcept {
  if (forked()) return;
  std::multimap<Time, std::function<void()>> timers;
  std::vector<std::function<void()>> listeners;
  std::shared_ptr<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (auto job = displaced_.begin(); job != displaced_.end(); job = displaced_.begin()) {
      auto taken = extract(*job);
      taken->next_dropped_ = std::exchange(dropped, taken);
    }
    for (Queue& queue : queues_) {
      for (Class& jobs : queue.classes) {
        while (!jobs.empty()) {
          auto job = extract(*jobs.begin());
          job->next_dropped_ = std::exchange(dropped, job);
        }
      }
    }
    timers.swap(timers_);
    wake_.notify_all();
    listeners = ended_listeners();
  }
  while (dropped) {
    const std::shared_ptr<Job> job = std::move(dropped);
    dropped = std::move(job->next_dropped_);
    job->drop(Job::Dropped::stopped);
  }
  for (const auto& listener : listeners) listener();
}

void Scheduler::stop() noexcept {
  begin_stop();
  if (forked() || on_pool_thread()) return;
  std::vector<pthread_t> retired;
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return running_ == 0 && threads_.empty(); });
    retired.swap(retired_);
  }
  for (const pthread_t thread : retired) pthread_join(thread, nullptr);
}

Scheduler::~Scheduler() {
  for (const pthread_t thread : retired_) {
    // The last owner may be one of the threads, on its way out.
    if (pthread_equal(thread, pthread_self()) != 0)
      pthread_detach(thread);
    else
      pthread_join(thread, nullptr);
  }
}

bool Scheduler::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

// ---- What can be seen --------------------------------------------------------------------------------------------------------------------

bool Scheduler::on_pool_thread() const noexcept { return current_pool == this; }

Scheduler::Helping::Helping(const Scheduler& scheduler) noexcept : previous_(current_pool) { current_pool = &scheduler; }
Scheduler::Helping::~Helping() { current_pool = previous_; }

std::size_t Scheduler::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_jobs();
}

std::size_t Scheduler::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

std::size_t Scheduler::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

std::chrono::nanoseconds Scheduler::oldest_job() const {
  const std::lock_guard lock(mutex_);
  const Time t = now();
  std::chrono::nanoseconds age{0};
  for (const Queue& queue : queues_) {
    for (const Class& jobs : queue.classes) {
      if (!jobs.empty()) age = std::max<std::chrono::nanoseconds>(age, t - jobs.begin()->since_);
    }
  }
  return age;
}

}  // namespace lazyfx::compile
