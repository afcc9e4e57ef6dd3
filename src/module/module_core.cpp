#include "module/module_core.hpp"

#include <algorithm>
#include <condition_variable>

namespace lazyfx::detail {

using compile::Failure;
using compile::Priority;

class ModuleCore::CompileJob final : public compile::Job {
 public:
  explicit CompileJob(std::shared_ptr<ModuleCore> core) : core_(std::move(core)) {}
  void run() noexcept override { core_->compile_newest(priority()); }
  void drop(Dropped why) noexcept override { core_->drop_job(why); }

 private:
  std::shared_ptr<ModuleCore> core_;
};

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
  void wait() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [&] { return awake_; });
    if (failure_) failure_.raise();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
  Failure failure_;
};

}  // namespace

ModuleCore::~ModuleCore() = default;

void ModuleCore::tell(CompileEventKind kind, std::uint64_t generation) const noexcept {
  runtime_->observer().tell(kind, marked_.class_name, generation);
}

void ModuleCore::Woken::wake(const Failure& failure) noexcept {
  while (!waiters_.empty()) {
    const std::shared_ptr<Waiter> waiter = std::move(waiters_.front().self);
    waiters_.pop_front();
    waiter->wake(failure);
  }
}

void ModuleCore::mark(compile::Source source, std::optional<std::chrono::nanoseconds> schedule_in, bool count) {
  compile::Source old;  // released after the lock
  const std::lock_guard lock(mutex_);
  old = std::exchange(marked_, std::move(source));
  generation_.fetch_add(1, std::memory_order_acq_rel);
  if (count) runtime_->counters().marks.fetch_add(1, std::memory_order_relaxed);
  failure_ = Failure();
  if (phase_ == Phase::queued || wanted_) runtime_->observer().coalesced.fetch_add(1, std::memory_order_relaxed);
  // What nobody awaits is superseded. A queued job needs nothing: it takes the newest when it begins.
  if (waiters_.empty()) detach_compile();
  if (!schedule_in) return;
  if (schedule_in->count() > 0) {
    quiet_at_ = runtime_->scheduler().now() + *schedule_in;
    if (!quiet_timer_) schedule_at(quiet_at_);
    return;
  }
  Failure refused;
  static_cast<void>(ensure(Priority::background, refused));  // a stopped or crowded runtime says so to whoever calls
}

void ModuleCore::schedule_at(compile::Scheduler::Time when) {
  quiet_timer_ = true;
  runtime_->scheduler().call_at(when, [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->settle_marks();
  });
}

/// Debounced marks: compiles once they have been quiet for long enough.
void ModuleCore::settle_marks() {
  const std::lock_guard lock(mutex_);
  quiet_timer_ = false;
  if (abandoned_ || !needs_recompile() || failed_generation_ == generation()) return;
  if (runtime_->scheduler().now() < quiet_at_) return schedule_at(quiet_at_);
  Failure refused;
  static_cast<void>(ensure(Priority::background, refused));
}

void ModuleCore::retry() {
  const compile::Source source = marked();
  runtime_->forget_failure(source.fingerprint(), source);
  const std::lock_guard lock(mutex_);
  if (!needs_recompile()) return;
  failed_generation_ = 0;
  failure_ = Failure();
  Failure refused;
  static_cast<void>(ensure(Priority::prefetch, refused));
}

void ModuleCore::request(Priority priority) {
  const std::lock_guard lock(mutex_);
  Failure refused;
  if (!needs_recompile() || failed_generation_ == generation()) return;
  static_cast<void>(ensure(priority, refused));
}

void ModuleCore::abandon() {
  std::shared_ptr<compile::Job> withdrawn;
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  if (!waiters_.empty()) return;
  wanted_ = false;
  if (phase_ == Phase::queued && runtime_->scheduler().withdraw(*job_)) {
    withdrawn = std::move(job_);
    phase_ = Phase::idle;
    runtime_->counters().cancelled.fetch_add(1, std::memory_order_relaxed);
    tell(CompileEventKind::cancelled, generation());
  } else {
    detach_compile();
  }
}

/// Gives up the compile under way, if any: it stops unless another module wants it.
void ModuleCore::detach_compile() {
  if (!flight_ || (phase_ != Phase::leading && phase_ != Phase::joined)) return;
  runtime_->leave(*flight_, this);
  flight_.reset();
  if (!abandoned_) runtime_->observer().superseded.fetch_add(1, std::memory_order_relaxed), tell(CompileEventKind::superseded, compiling_);
  if (phase_ == Phase::joined) phase_ = Phase::idle;  // when leading, the compiling thread ends the phase
}

std::uint64_t ModuleCore::callable_generation() const {
  if (!keeps_last_good_ || !needs_recompile()) return generation();
  const std::lock_guard lock(mutex_);
  return published_ && failed_generation_ == generation() ? published_->generation : generation();
}

std::uint64_t ModuleCore::callable_generation(const Freshness& freshness) const {
  if (freshness.kind() != Freshness::Kind::last_good) return callable_generation();
  const std::uint64_t newest = generation();
  const std::uint64_t oldest = newest > freshness.max_lag() ? newest - freshness.max_lag() : 1;
  const std::uint64_t published = published_generation_.load(std::memory_order_acquire);
  return published >= oldest ? published : callable_generation();
}

ModuleState ModuleCore::state() const {
  const std::lock_guard lock(mutex_);
  if (!needs_recompile()) return ModuleState::clean;
  if (failed_generation_ == generation()) return ModuleState::failed;
  switch (phase_) {
    case Phase::queued: return ModuleState::queued;
    case Phase::leading:
    case Phase::joined: return compiling_ == generation() ? ModuleState::compiling : (wanted_ ? ModuleState::queued : ModuleState::dirty);
    case Phase::idle: break;
  }
  return ModuleState::dirty;
}

compile::Source ModuleCore::marked() const {
  const std::lock_guard lock(mutex_);
  return marked_;
}

bool ModuleCore::ensure(Priority priority, Failure& refusal, bool helped) {
  switch (phase_) {
    case Phase::idle: {
      std::shared_ptr<compile::Job> job;
      auto submitted = compile::Scheduler::Submitted::refused;
      try {
        job = std::make_shared<CompileJob>(shared_from_this());
        submitted = runtime_->scheduler().submit(job, priority, helped);
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
      wanted_ = false;
      tell(CompileEventKind::scheduled, generation());
      return true;
    }
    case Phase::queued:
      requested_ = std::max(requested_, priority);
      runtime_->scheduler().promote(*job_, priority);
      return true;
    case Phase::leading:
    case Phase::joined:
      // An older generation's compile has to end first.
      requested_ = std::max(requested_, priority);
      if (flight_) flight_->raise(priority);
      if (compiling_ != generation() || !flight_) {
        wanted_priority_ = wanted_ ? std::max(wanted_priority_, priority) : priority;
        wanted_ = true;
      }
      return true;
  }
  return true;
}

void ModuleCore::drop_job(compile::Job::Dropped why) {
  Woken woken;
  Failure refusal;
  {
    const std::lock_guard lock(mutex_);
    job_.reset();
    phase_ = Phase::idle;
    runtime_->counters().cancelled.fetch_add(1, std::memory_order_relaxed);
    tell(CompileEventKind::cancelled, generation());
    if (why == compile::Job::Dropped::stopped) {
      refusal = Failure::stopped();
      take_waiters(generation(), woken);
    } else {
      restart(woken, refusal);  // somebody may have come since to wait for it
    }
  }
  woken.wake(refusal);
}

void ModuleCore::compile_newest(Priority urgency) {
  compile::Source source;
  std::uint64_t generation = 0;
  std::vector<compile::Signature> ahead;
  RuntimeCore::Admission admission;
  try {
    {
      const std::lock_guard lock(mutex_);
      job_.reset();
      phase_ = Phase::leading;
      wanted_ = false;
      requested_ = std::max(requested_, urgency);
      generation = compiling_ = this->generation();
      source = marked_;
      if (published_) {
        // Whoever called the last generation will call this one alike.
        for (const auto& plan : published_->executable->plans()) {
          if (!plan->signature().has_opaque()) ahead.push_back(plan->signature());
        }
      }
    }
    const std::uint64_t key = source.fingerprint();
    for (;;) {
      const auto match = runtime_->match(key, source);
      const std::lock_guard lock(mutex_);
      Priority priority = requested_;
      for (const Waiter& w : waiters_) priority = std::max(priority, w.priority);
      admission = runtime_->admit(match, key, source, shared_from_this(), generation, priority);
      if (admission.retry) continue;
      if (admission.hit || admission.failure) break;
      if (admission.joined) phase_ = Phase::joined;
      flight_ = admission.joined ? admission.joined : admission.lead;
      if (generation != this->generation() && waiters_.empty()) detach_compile();  // marked again since it was taken
      if (!admission.joined) break;
      Woken nobody;  // a detached flight leaves the phase idle, and the newest is still wanted; without waiters no refusal has a taker
      Failure refused;
      restart(nobody, refused);
      return;
    }
  } catch (...) {
    on_compiled(generation, {nullptr, Failure::current()});
    return on_landed(generation);
  }
  if (admission.lead) return runtime_->fly(admission.lead, ahead);
  on_compiled(generation, {admission.hit, admission.failure});
  on_landed(generation);
}

void ModuleCore::on_compiled(std::uint64_t generation, const compile::CompileOutcome& outcome) noexcept {
  Woken served, failed;
  Failure refusal;
  Failure failure = outcome.failure;
  if (!failure && !outcome.executable && runtime_->stopping()) failure = Failure::stopped();
  std::optional<hazard::Retirement> old;  // what it frees is freed after the lock
  if (outcome.executable) {
    try {
      old.emplace();
    } catch (const std::bad_alloc&) { failure = Failure::out_of_memory(); }
  }
  {
    const std::lock_guard lock(mutex_);
    if (compiling_ == generation && (phase_ == Phase::leading || phase_ == Phase::joined)) {
      phase_ = Phase::idle;
      flight_.reset();
    }
    if (outcome.executable && old) {
      if (!published_ || generation > published_->generation) {
        try {
          auto publication = std::make_shared<Publication>();
          publication->generation = generation;
          publication->executable = outcome.executable;
          publication->plans = outcome.executable->plans();
          publish(std::move(publication), *old);
          tell(CompileEventKind::published, generation);
        } catch (...) { failure = Failure::current(); }
      }
      if (published_) take_waiters(published_->generation, served);
    }
    if (failure) {
      if (outcome.failure) {
        failed_generation_ = std::max(failed_generation_, generation);
        if (generation == this->generation()) failure_ = failure;
      }
      take_waiters(generation, failed);
    }
    restart(failed, refusal);
  }
  served.wake({});
  failed.wake(failure ? failure : refusal);
}

void ModuleCore::on_landed(std::uint64_t generation) noexcept {
  Woken failed;
  Failure refusal;
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::leading || compiling_ != generation) return;
    phase_ = Phase::idle;
    flight_.reset();
    restart(failed, refusal);
  }
  failed.wake(refusal);
}

/// After a compile: starts the newest if somebody still wants it. Waiters that cannot be served any more go to `failed`.
void ModuleCore::restart(Woken& failed, Failure& refusal) {
  if (phase_ != Phase::idle) return;
  Priority priority{};
  if (!compile_wanted(priority)) return;
  if (!ensure(priority, refusal)) take_waiters(generation(), failed);
}

bool ModuleCore::compile_wanted(Priority& priority) const {
  if (!needs_recompile() || failed_generation_ == generation()) return false;
  priority = wanted_ ? wanted_priority_ : Priority::background;
  for (const Waiter& w : waiters_) priority = std::max(priority, w.priority);
  return !waiters_.empty() || (wanted_ && !abandoned_);
}

void ModuleCore::publish(std::shared_ptr<const Publication> publication, hazard::Retirement& old) noexcept {
  std::shared_ptr<const Publication> previous = std::exchange(published_, std::move(publication));
  hot_.store(published_.get(), std::memory_order_seq_cst);
  published_generation_.store(published_->generation, std::memory_order_release);
  if (!needs_recompile()) interpreted_.reset();
  old.retire(std::move(previous));
}

void ModuleCore::take_waiters(std::uint64_t up_to, Woken& out) noexcept {
  for (auto i = waiters_.begin(); i != waiters_.end();) {
    Waiter& waiter = *i++;
    if (waiter.generation > up_to) continue;
    end_wait(waiter);
    out.waiters_.push_back(waiter);
  }
}

void ModuleCore::end_wait(Waiter& waiter) noexcept {
  waiter.waits = false;
  waiters_.erase(waiters_.iterator_to(waiter));
  runtime_->observer().wait_time.add(compile::Observer::Clock::now() - waiter.since);
  runtime_->counters().waiting.fetch_sub(1, std::memory_order_relaxed);
}

bool ModuleCore::link(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<const Publication>& published, Failure& failure) {
  const std::lock_guard lock(mutex_);
  if (published_ && published_->generation >= waiter->generation) {
    published = published_;
    return false;
  }
  if (failed_generation_ == generation() && failure_) {
    failure = failure_;
    return false;
  }
  if (runtime_->stopping()) {
    failure = Failure::stopped();
    return false;
  }
  // A thread that blocks helps, so it needs none of the pool.
  if (!ensure(waiter->priority, failure, waiter->priority == Priority::blocking)) return false;
  waiter->self = waiter;
  waiter->waits = true;
  waiter->since = compile::Observer::Clock::now();
  waiters_.push_back(*waiter);
  runtime_->observer().waits.fetch_add(1, std::memory_order_relaxed);
  runtime_->counters().waiting.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool ModuleCore::unlink(Waiter& waiter) {
  std::shared_ptr<Waiter> self;
  const std::lock_guard lock(mutex_);
  if (!waiter.waits) return false;
  end_wait(waiter);
  self = std::move(waiter.self);
  return true;
}

void ModuleCore::refresh(const std::shared_ptr<const Publication>& seen) noexcept {
  try {
    hazard::Retirement old;  // what it frees is freed after the lock
    const std::lock_guard lock(mutex_);
    if (published_ != seen) return;
    auto fresh = std::make_shared<Publication>(*published_);
    fresh->plans = fresh->executable->plans();
    publish(std::move(fresh), old);
  } catch (const std::bad_alloc&) {
    // Calls with this signature take the longer way until there is memory for the shorter one.
  }
}

std::shared_ptr<const Publication> ModuleCore::wait_for(std::uint64_t generation) {
  for (;;) {
    auto waiter = std::make_shared<BlockingWaiter>();
    waiter->generation = generation;
    waiter->priority = Priority::blocking;
    std::shared_ptr<const Publication> published;
    Failure failure;
    if (!link(waiter, published, failure)) {
      if (failure) failure.raise();
      return published;
    }
    // Help: what nobody has begun is compiled here.
    std::shared_ptr<compile::Job> job;
    {
      const std::lock_guard lock(mutex_);
      if (phase_ == Phase::queued && runtime_->scheduler().withdraw(*job_)) job = job_;
    }
    if (job) {
      const compile::Scheduler::Helping helping(runtime_->scheduler());
      job->run();
    }
    if (runtime_->simulated() && unlink(*waiter)) {
      throw Error(ErrorKind::would_deadlock, "a simulation does not go on while its thread waits for a compile");
    }
    if (!job && runtime_->scheduler().on_pool_thread() && unlink(*waiter)) {
      throw Error(ErrorKind::would_deadlock, "a thread that compiles cannot wait for a compile that has begun already");
    }
    waiter->wait();
  }
}

Value ModuleCore::call(std::span<const Value> inputs) {
  {
    // try_run() without the move of its result, which this path would notice.
    hazard::Guard guard;
    const std::uint64_t oldest = generation();
    const Publication* published = guard.protect(hot_);
    if (published != nullptr && published->generation >= oldest) {
      if (const compile::Plan* plan = published->find(inputs)) return plan->run(inputs, {});
    }
  }
  return run_published(wait_for(callable_generation()), inputs);
}

Value ModuleCore::run_published(const std::shared_ptr<const Publication>& published, std::span<const Value> inputs) {
  const auto& program = published->executable->program();
  const std::vector<Value> complete = compile::complete_inputs(program, inputs);
  const auto answer = published->executable->make_now(compile::Signature(complete));
  if (!answer.plan) answer.failure.raise();
  if (!published->has(*answer.plan)) refresh(published);
  return answer.plan->run(complete, {});
}

Value ModuleCore::call(std::span<const Value> inputs, const ForwardOptions& options) {
  const Freshness& freshness = options.freshness();
  const std::uint64_t oldest = callable_generation(freshness);
  Value result;
  if (try_run(inputs, true, oldest, result)) {
    if (needs_recompile()) request(Priority::prefetch);
    return result;
  }
  if (freshness.kind() == Freshness::Kind::interpret_until_ready && needs_recompile()) {
    request(Priority::prefetch);
    std::vector<Value> complete(inputs.begin(), inputs.end());
    return interpreted(complete)->run(complete, {});
  }
  return run_published(wait_for(oldest), inputs);
}

std::shared_ptr<const compile::Plan> ModuleCore::interpreted(std::vector<Value>& inputs) {
  std::shared_ptr<const compile::Program> program;
  compile::Source source;
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    generation = this->generation();
    if (interpreted_ && interpreted_generation_ == generation)
      program = interpreted_;
    else
      source = marked_;
  }
  if (!program) {
    program = compile::bind_program(source, runtime_->options().operators(), {}, runtime_->kernels());
    const std::lock_guard lock(mutex_);
    if (generation == this->generation() && needs_recompile()) {
      interpreted_ = program;
      interpreted_generation_ = generation;
    }
  }
  inputs = compile::complete_inputs(*program, inputs);
  return compile::make_host_plan(program, compile::Signature(inputs));
}

bool ModuleCore::try_run(std::span<const Value> inputs, bool anyhow, std::uint64_t oldest, Value& out) {
  hazard::Guard guard;
  const Publication* published = guard.protect(hot_);
  if (published == nullptr || published->generation < oldest) return false;
  const compile::Plan* plan = published->find(inputs);
  if (plan == nullptr) return false;
  if (!anyhow && plan->estimate_ns() > runtime_->options().inline_budget_ns()) return false;
  out = plan->run(inputs, {});
  return true;
}

}  // namespace lazyfx::detail
