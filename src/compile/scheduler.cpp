#include "compile/scheduler.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace lazyfx::compile {
namespace {

constexpr std::size_t stack_bytes = std::size_t{8} << 20;
constexpr int niceness = 5;  // compiles yield to the threads that serve

thread_local const Scheduler* current_pool = nullptr;

}  // namespace

bool Scheduler::submit(const std::shared_ptr<Job>& job, Priority priority) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  if (idle_ <= queue_.size() && threads_.size() < max_threads_ && !start_thread() && threads_.empty()) return false;
  job->priority_ = priority;
  job->sequence_ = next_sequence_++;
  job->queued_at_ = std::chrono::steady_clock::now();
  job->queued_ = true;
  queue_.insert(job);
  wake_.notify_one();
  return true;
}

void Scheduler::promote(Job& job, Priority priority) {
  const std::lock_guard lock(mutex_);
  if (!job.queued_ || job.priority_ >= priority) return;
  // Found by its old place; an aliasing pointer serves as the key.
  const auto at = queue_.find(std::shared_ptr<Job>(std::shared_ptr<Job>(), &job));
  auto node = queue_.extract(at);
  node.value()->priority_ = priority;
  queue_.insert(std::move(node));
}

bool Scheduler::withdraw(Job& job) {
  std::shared_ptr<Job> taken;
  const std::lock_guard lock(mutex_);
  if (!job.queued_) return false;
  const auto at = queue_.find(std::shared_ptr<Job>(std::shared_ptr<Job>(), &job));
  taken = *at;
  queue_.erase(at);
  job.queued_ = false;
  return true;
}

void Scheduler::stop() {
  std::vector<std::shared_ptr<Job>> dropped;
  std::vector<pthread_t> threads;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& job : queue_) job->queued_ = false;
    dropped.assign(queue_.begin(), queue_.end());
    queue_.clear();
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (const auto& job : dropped) job->drop();
  for (const pthread_t thread : threads) {
    if (pthread_equal(thread, pthread_self()) != 0) pthread_detach(thread);
    else pthread_join(thread, nullptr);
  }
}

bool Scheduler::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool Scheduler::on_pool_thread() const noexcept { return current_pool == this; }

Scheduler::Helping::Helping(const Scheduler& scheduler) noexcept : previous_(current_pool) { current_pool = &scheduler; }
Scheduler::Helping::~Helping() { current_pool = previous_; }

std::size_t Scheduler::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t Scheduler::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

std::chrono::nanoseconds Scheduler::oldest_job() const {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  auto oldest = now;
  for (const auto& job : queue_) oldest = std::min(oldest, job->queued_at_);
  return now - oldest;
}

bool Scheduler::start_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread;
  auto self = std::make_unique<std::shared_ptr<Scheduler>>(shared_from_this());
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
  // Niceness is per thread on Linux; being refused costs nothing but the courtesy.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), niceness));
  (*scheduler)->work();
  return nullptr;
}

void Scheduler::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    std::shared_ptr<Job> job = *queue_.begin();
    queue_.erase(queue_.begin());
    job->queued_ = false;
    ++running_;
    if (queue_wait_ != nullptr) queue_wait_->add(std::chrono::steady_clock::now() - job->queued_at_);
    lock.unlock();
    job->run();
    job.reset();
    lock.lock();
    --running_;
  }
}

std::size_t available_processors() {
  std::size_t count = 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (quota_file >> quota >> period && quota != "max" && period > 0) {
    const double share = std::strtod(quota.c_str(), nullptr) / period;
    if (share > 0) count = std::min(count, static_cast<std::size_t>(share < 1 ? 1 : share));
  }
  return count;
}

}  // namespace lazyfx::compile
