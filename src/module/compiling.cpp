#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

using compile::Failure;
using compile::Priority;

// How a module's compile begins, ends, and begins again.

class ModuleCore::CompileJob final : public compile::Job {
 public:
  explicit CompileJob(std::shared_ptr<ModuleCore> core) : core_(std::move(core)) {}
  void run() noexcept override { core_->compile_newest(priority()); }
  std::size_t bytes() const noexcept override { return core_->compile_bytes_.load(std::memory_order_relaxed); }
  void drop(Dropped why) noexcept override { core_->drop_job(why); }

 private:
  std::shared_ptr<ModuleCore> core_;
};

bool ModuleCore::ensure(Priority priority, Failure& refusal, Admission admission) {
  const Priority unawaited = priority < Priority::awaited ? priority : Priority::background;
  switch (phase_) {
    case Phase::idle: {
      std::shared_ptr<compile::Job> job;
      auto submitted = compile::Scheduler::Submitted::refused;
      try {
        job = std::make_shared<CompileJob>(shared_from_this());
        submitted = runtime_->scheduler().submit(job, priority, admission);
      } catch (...) {
        refusal = Failure::current();
        return false;
      }
      if (submitted != compile::Scheduler::Submitted::queued) {
        auto& counters = runtime_->counters();
        if (submitted == compile::Scheduler::Submitted::full) {
          (priority < Priority::awaited ? counters.deferred : counters.overloaded).fetch_add(1, std::memory_order_relaxed);
        }
        refusal = runtime_->refusal(submitted);
        return false;
      }
      job_ = std::move(job);
      phase_ = Phase::queued;
      requested_ = priority;
      unawaited_ = unawaited;
      wanted_ = false;
      tell(CompileEventKind::scheduled, generation());
      return true;
    }
    case Phase::queued:
      requested_ = std::max(requested_, priority);
      unawaited_ = std::max(unawaited_, unawaited);
      runtime_->scheduler().promote(*job_, priority);
      return true;
    case Phase::leading:
    case Phase::joined:
      // An older generation's compile has to end first.
      requested_ = std::max(requested_, priority);
      unawaited_ = std::max(unawaited_, unawaited);
      if (flight_) runtime_->want(*flight_, this, requested_);
      if (compiling_ != generation() || !seated_) {
        wanted_priority_ = wanted_ ? std::max(wanted_priority_, priority) : priority;
        wanted_ = true;
      }
      return true;
  }
  return true;
}

void ModuleCore::drop_job(compile::Job::Dropped why) {
  Woken woken;
  {
    NestLock lock(*this);
    job_.reset();
    phase_ = Phase::idle;
    runtime_->counters().dropped.fetch_add(1, std::memory_order_relaxed);
    tell(CompileEventKind::cancelled, generation());
    Failure refusal;
    if (why == compile::Job::Dropped::stopped) {
      refusal = Failure::stopped();
      take_waiters(generation(), refusal, woken);
    } else {
      refusal = restart(woken);  // somebody may have come since to wait for it
    }
    if (lock.nested() && phase_ == Phase::idle) {
      lock.unlock_module();
      if (refusal)
        fail_above(refusal, effective_until(), forever, woken);
      else
        forget_asked();
    }
  }
  woken.wake();
}

void ModuleCore::compile_newest(Priority urgency) {
  compile::Source source;
  std::uint64_t generation = 0;
  std::vector<compile::Signature> ahead;
  RuntimeCore::Admission admission;
  Woken refused;
  try {
    {
      const NestLock lock(*this);
      job_.reset();
      phase_ = Phase::leading;
      wanted_ = false;
      if (nested_) nested_->after_compiling = forever;
      generation = compiling_ = this->generation();
      for (Waiter& waiter : waiters_) waiter.carried = true;
      carried_ = waiters_.size();
      source = marked_;
      if (published_) {
        // Whoever called the last generation will call this one alike.
        for (const auto& plan : published_->executable->plans()) {
          if (!plan->signature().has_opaque()) ahead.push_back(plan->signature());
        }
      }
    }
    if (!source.modules->linked.empty()) compile_below();
    const std::uint64_t key = source.fingerprint();
    for (;;) {
      const auto match = runtime_->match(key, source);
      const NestLock lock(*this);
      Priority priority = std::max(requested_, urgency);
      for (const Waiter& w : waiters_) priority = std::max(priority, w.priority);
      admission = runtime_->admit(match, key, source, shared_from_this(), generation, priority);
      if (admission.retry) continue;
      if (admission.hit || admission.failure) break;
      if (admission.joined) phase_ = Phase::joined;
      flight_ = admission.joined ? admission.joined : admission.lead;
      seated_ = true;
      Priority above{};
      if ((abandoned_ || generation != this->generation()) && carried_ == 0 && !(lock.nested() && awaited_above(above))) {
        detach_compile();  // gone, or marked again, since it was taken
      }
      if (!admission.joined) break;
      // A detached flight leaves the phase idle, and the newest is still wanted.
      if (restart(refused) && lock.nested()) forget_asked();
      break;
    }
  } catch (...) {
    on_compiled(generation, {nullptr, Failure::current()});
    return;
  }
  refused.wake();
  if (admission.joined) return;
  if (admission.lead) return runtime_->fly(admission.lead, ahead);
  if (admission.hit) admission.hit->forget_failures();
  on_compiled(generation, {admission.hit, admission.failure});
}

void ModuleCore::on_compiled(std::uint64_t generation, const compile::CompileOutcome& outcome) noexcept {
  Woken woken;
  hazard::Retirement retired;
  Failure failure = outcome.failure;
  if (!failure && !outcome.executable && runtime_->stopping()) failure = Failure::stopped();
  {
    NestLock lock(*this);
    if (lock.nested() && outcome.executable) {
      // What is linked first is the newest of everything below, as it is ever after.
      lock.unlock_module();
      failure = catch_up_with(*outcome.executable->source().modules, woken, retired);
      lock.lock_module();
    }
    Stamp after = forever;
    if (nested_ && generation != this->generation()) after = compiling_ == generation ? nested_->after_compiling : nested_->own_until;
    if (compiling_ == generation && (phase_ == Phase::leading || phase_ == Phase::joined)) end_flight();
    bool rises = false;
    if (outcome.executable) {
      if (!failure && generation > compiled_generation_) {
        try {
          rises = adopt_compiled(generation, after, outcome.executable, retired);
        } catch (...) { failure = Failure::current(); }
      }
      take_served(woken);
    }
    if (failure) {
      if (outcome.watched != this) {
        const bool was_stopped = !outcome.executable && !outcome.failure;
        tell(was_stopped ? CompileEventKind::cancelled : CompileEventKind::failed, generation, was_stopped ? nullptr : failure.error());
      }
      if (outcome.failure) {
        failed_generation_ = std::max(failed_generation_, generation);
        if (generation == this->generation()) {
          failure_ = failure;
          // Those above go on with the last good one, as its own calls do.
          if (nested_ && keeps_last_good_ && published_) nested_->own_until = forever, rises = true;
        }
      }
      take_waiters(generation, failure, woken);
    }
    const Failure refusal = restart(woken);
    if (lock.nested()) {
      lock.unlock_module();
      if (rises) raise_above(woken, retired);
      if (failure && !(rises && effective_until() == forever)) fail_above(failure, effective_until(), after, woken);
      if (refusal) fail_above(refusal, effective_until(), forever, woken);
    }
  }
  woken.wake();
}

/// Of one that this leads and has given up; else the phase has ended.
void ModuleCore::on_landed(const compile::Flight& flight) noexcept {
  Woken woken;
  {
    NestLock lock(*this);
    if (flight_.get() != &flight) return;
    end_flight();
    const Failure refusal = restart(woken);
    if (refusal && lock.nested()) {
      lock.unlock_module();
      fail_above(refusal, effective_until(), forever, woken);
    }
  }
  woken.wake();
}

/// After a compile: starts the newest if somebody still wants it. Where that is refused, waiters go to `failed` with what this returns.
Failure ModuleCore::restart(Woken& failed) {
  Failure refusal;
  Priority priority{};
  if (phase_ == Phase::idle && compile_wanted(priority) && !ensure(priority, refusal)) take_waiters(generation(), refusal, failed);
  return refusal;
}

bool ModuleCore::compile_wanted(Priority& priority) {
  if (!needs_compile() || failed_generation_ == generation()) return false;
  priority = wanted_ ? wanted_priority_ : Priority::background;
  for (const Waiter& w : waiters_) priority = std::max(priority, w.priority);
  Priority above{};
  const bool is_awaited_above = nested_ && awaited_above(above);
  if (is_awaited_above) priority = std::max(priority, above);
  return !waiters_.empty() || is_awaited_above || (wanted_ && !abandoned_);
}

void ModuleCore::settle_for_less(Woken& failed) noexcept {
  Priority above{};
  int awaited = awaited_here();
  const bool is_awaited_above = nested_ && awaited_above(above);
  if (is_awaited_above) awaited = std::max(awaited, static_cast<int>(above));
  if (awaited == nobody && abandoned_) {
    wanted_ = false;
    if (phase_ == Phase::queued && runtime_->scheduler().withdraw(*job_)) {
      job_.reset();
      phase_ = Phase::idle;
      runtime_->counters().dropped.fetch_add(1, std::memory_order_relaxed);
      tell(CompileEventKind::cancelled, generation());
    }
  }
  if (carried_ == 0 && !is_awaited_above && (abandoned_ || compiling_ != generation())) {
    detach_compile();
    if (phase_ == Phase::idle && restart(failed) && nested_) forget_asked();
  }
  const Priority wanted = std::max(unawaited_, awaited == nobody ? Priority::background : static_cast<Priority>(awaited));
  requested_ = std::min(requested_, wanted);
  wanted_priority_ = std::min(wanted_priority_, wanted);
  if (phase_ == Phase::queued) runtime_->scheduler().demote(*job_, requested_);
  if (flight_) runtime_->want(*flight_, this, requested_);
}

void ModuleCore::end_flight() noexcept {
  phase_ = Phase::idle;
  flight_.reset();
  seated_ = false;
}

/// Gives up the compile under way, if any: it stops unless another module wants it.
void ModuleCore::detach_compile() {
  if (!seated_) return;
  runtime_->leave(*flight_, this);
  seated_ = false;
  if (!abandoned_) runtime_->observer().superseded.fetch_add(1, std::memory_order_relaxed), tell(CompileEventKind::superseded, compiling_);
  if (phase_ == Phase::joined) end_flight();  // when leading, the compiling thread ends the phase
}

}  // namespace lazyfx::detail
