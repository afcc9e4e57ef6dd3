#include "module/module_core.hpp"

#include <condition_variable>

namespace lazyfx::detail {

using compile::Failure;
using compile::Priority;

// Who waits for a module, and what ends the waiting.

namespace {

/// A thread that waits.
class BlockingWaiter final : public Waiter {
 public:
  void wake(const Failure& failure) noexcept override {
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    awake_ = true;
    condition_.notify_one();
  }
  /// False: `deadline` came first.
  bool wait(const ModuleCore::Deadline& deadline) {
    std::unique_lock lock(mutex_);
    const auto is_awake = [&] { return awake_; };
    if (!deadline)
      condition_.wait(lock, is_awake);
    else if (!condition_.wait_until(lock, *deadline, is_awake))
      return false;
    if (failure_) failure_.raise();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
  Failure failure_;
};

}  // namespace

void Woken::wake() noexcept {
  while (!waiters_.empty()) {
    const std::shared_ptr<Waiter> waiter = std::move(waiters_.front().self);
    waiters_.pop_front();
    waiter->wake(std::exchange(waiter->outcome, Failure()));
  }
}

bool ModuleCore::link(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<const Publication>& published, compile::Failure& failure) {
  if (runtime_->forked()) {
    failure = runtime_->refusal(compile::Scheduler::Submitted::refused);
    return false;
  }
  Woken woken;
  hazard::Retirement retired;
  bool linked = false, asked_below = false;
  Admission admission = waiter->helps ? Admission::helped : Admission::bounded;
  {
    NestLock lock(*this);
    if (lock.nested() && !nested_->owing.empty() && (!is_served(*waiter) || waiter->stamp == 0)) {
      lock.unlock_module();
      failure = catch_up(woken, retired);
      lock.lock_module();
    }
    if (lock.nested() && !failure && !is_served(*waiter) && !has_failed() && !runtime_->stopping() &&
        nested_->asked < static_cast<int>(waiter->priority)) {
      lock.unlock_module();
      Stamp from = 0;
      failure = ask_below(waiter->priority, false, admission, from, woken, retired);
      asked_below = true;
      lock.lock_module();
    }
    if (is_served(*waiter)) {
      failure = Failure();
      published = published_;
    } else if (failed_generation_ == generation() && failure_) {
      failure = failure_;
    } else if (runtime_->stopping()) {
      failure = Failure::stopped();
    } else if (failure) {
      if (keeps_last_good_ && waiter->accepts_last_good && published_) failure = Failure(), published = published_;
    } else if (!needs_compile() || ensure(waiter->priority, failure, admission)) {
      waiter->self = waiter;
      waiter->waits = true;
      waiter->since = compile::Observer::Clock::now();
      waiters_.push_back(*waiter);
      if (waiter->priority >= Priority::awaited) ++(waiter->priority == Priority::blocking ? blocking_ : awaited_);
      waiter->carried = is_carrying() && waiter->generation <= compiling_;
      carried_ += waiter->carried;
      if (nested_) {
        runtime_->nest().waiting.insert(*waiter);
        reconsider();
      }
      runtime_->observer().wait_begins();
      linked = true;
    } else if (lock.nested()) {
      nested_->asked = unasked();  // refused: who calls from above has to hear of it
    }
    if (asked_below && !linked) take_back();
  }
  woken.wake();
  return linked;
}

bool ModuleCore::unlink(Waiter& waiter) {
  if (runtime_->forked()) return false;
  std::shared_ptr<Waiter> self;
  Woken failed;
  {
    const NestLock lock(*this);
    if (!waiter.waits) return false;
    end_wait(waiter);
    self = std::move(waiter.self);
    settle_for_less(failed);
  }
  failed.wake();
  return true;
}

void ModuleCore::end_wait(Waiter& waiter) noexcept {
  waiter.waits = false;
  carried_ -= std::exchange(waiter.carried, false);
  waiters_.erase(waiters_.iterator_to(waiter));
  if (waiter.priority >= Priority::awaited) --(waiter.priority == Priority::blocking ? blocking_ : awaited_);
  if (nested_) {
    runtime_->nest().waiting.erase(runtime_->nest().waiting.iterator_to(waiter));
    reconsider();
  }
  runtime_->observer().wait_ends(waiter.since);
}

void ModuleCore::take_served(Woken& out) noexcept {
  for (auto i = waiters_.begin(); i != waiters_.end();) {
    Waiter& waiter = *i++;
    if (!is_served(waiter)) continue;
    end_wait(waiter);
    out.add(waiter);
  }
}

void ModuleCore::take_waiters(std::uint64_t up_to, const Failure& failure, Woken& out) noexcept {
  for (auto i = waiters_.begin(); i != waiters_.end();) {
    Waiter& waiter = *i++;
    if (waiter.generation > up_to) continue;
    end_wait(waiter);
    waiter.outcome = failure;
    out.add(waiter);
  }
}

void ModuleCore::fail_waiters(Stamp from, Stamp up_to, const Failure& failure, Woken& woken) noexcept {
  for (auto i = waiters_.begin(); i != waiters_.end();) {
    Waiter& waiter = *i++;
    if (waiter.stamp < from || waiter.stamp >= up_to || is_served(waiter)) continue;
    end_wait(waiter);
    if (!(keeps_last_good_ && waiter.accepts_last_good)) waiter.outcome = failure;  // else it looks again
    woken.add(waiter);
  }
}

std::shared_ptr<const Publication> ModuleCore::wait_for(Oldest oldest, bool accepts_last_good, const Deadline& deadline) {
  const Stamp called = oldest.any_links ? Stamp{0} : stamp();
  const bool helps = !deadline || !runtime_->works_elsewhere();
  for (;;) {
    auto waiter = std::make_shared<BlockingWaiter>();
    waiter->generation = oldest.generation;
    waiter->stamp = called;
    waiter->accepts_last_good = accepts_last_good;
    waiter->priority = Priority::blocking;
    waiter->helps = helps;
    std::shared_ptr<const Publication> published;
    Failure failure;
    if (!link(waiter, published, failure)) {
      if (failure) failure.raise();
      return published;
    }
    try {
      if (helps) help(*waiter);
    } catch (const std::bad_alloc&) {
      if (unlink(*waiter)) throw;
    }
    if (waiter->wait(deadline)) continue;
    if (unlink(*waiter)) Failure::timed_out().raise();
    waiter->wait({});
  }
}

/// Compiles on this thread what a waiter waits for and nobody has begun. Throws Error(would_deadlock) on a thread of the pool that would have to
/// wait for more: a compile of equal content, too, may be one that this very thread is in.
void ModuleCore::help(Waiter& waiter) {
  for (const auto& core : with_all_below()) {
    std::shared_ptr<compile::Job> job;
    {
      const std::lock_guard lock(core->mutex_);
      if (!core->needs_compile()) continue;
      if (core->phase_ == Phase::queued && runtime_->scheduler().withdraw(*core->job_)) job = core->job_;
    }
    if (!job) continue;
    const compile::Scheduler::Helping helping(runtime_->scheduler());
    job->run();
  }
  if (runtime_->simulated() && unlink(waiter)) {
    throw Error(ErrorKind::would_deadlock, "a simulation does not go on while its thread waits for a compile");
  }
  if (runtime_->scheduler().on_pool_thread() && unlink(waiter)) {
    throw Error(ErrorKind::would_deadlock, "a thread that compiles cannot wait for a compile that has begun already");
  }
}

}  // namespace lazyfx::detail
