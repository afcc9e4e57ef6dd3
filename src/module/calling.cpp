#include <condition_variable>

#include "module/forward.hpp"
#include "module/module_core.hpp"

namespace lazyfx::detail {

using compile::Failure;
using compile::Priority;

namespace {

/// The deadline of a run on its caller's own thread.
class RunsOut final : public compile::BetweenSteps {
 public:
  RunsOut(const RuntimeCore& runtime, ForwardOptions::Clock::time_point when) noexcept : runtime_(runtime), when_(when) {}
  compile::StopToken token() noexcept { return compile::StopToken(&over_, this); }
  void between_steps() noexcept override { over_.store(runtime_.is_over(when_), std::memory_order_relaxed); }

 private:
  const RuntimeCore& runtime_;
  const ForwardOptions::Clock::time_point when_;
  std::atomic<bool> over_{false};
};

/// A thread that waits for a plan.
class BlockingListener final : public compile::PlanListener {
 public:
  void on_plan(const compile::PlanAnswer& answer) noexcept override {
    const std::lock_guard lock(mutex_);
    answer_ = answer;
    condition_.notify_one();
  }
  /// Not ready: the deadline has come first.
  compile::PlanAnswer wait_until(ForwardOptions::Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    condition_.wait_until(lock, deadline, [&] { return answer_.ready(); });
    return answer_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  compile::PlanAnswer answer_;
};

compile::PlanAnswer plan_by(compile::Executable& executable, const compile::Signature& signature, RuntimeCore& runtime,
                            const ModuleCore::Deadline& deadline) {
  if (!deadline || !runtime.works_elsewhere()) return executable.make_now(signature);
  const auto listener = std::make_shared<BlockingListener>();
  auto answer = executable.request(signature, listener, Priority::blocking);
  if (answer.ready()) return answer;
  answer = listener->wait_until(*deadline);
  listener->stop_waiting(runtime.observer());
  if (!answer.ready()) Failure::timed_out().raise();
  return answer;
}

}  // namespace

bool lacks_plan(compile::Executable& executable, const compile::Signature& signature) {
  return !executable.find(signature).ready() && !executable.request(signature, nullptr, Priority::prefetch).plan;
}

Value ModuleCore::call(std::span<const Value> inputs) {
  {
    // try_run() without the move of its result, which this path would notice.
    hazard::Guard guard;
    const std::uint64_t oldest = generation();
    const Publication* published = guard.protect(hot_);
    if (published != nullptr && published->generation >= oldest && published->until.load(std::memory_order_acquire) == forever) {
      if (const compile::Plan* plan = published->find(inputs)) return plan->run(inputs, {}, published);
    }
  }
  return run_published(wait_for(callable_generation(), true), inputs);
}

Value ModuleCore::call(std::span<const Value> inputs, const ForwardOptions& options) {
  if (!options.deadline()) return call_by(inputs, options, {});
  if (runtime_->is_over(options.deadline())) Failure::timed_out().raise();
  RunsOut runs_out(*runtime_, *options.deadline());
  try {
    return call_by(inputs, options, runs_out.token());
  } catch (const compile::Stopped&) { Failure::timed_out().raise(); }
}

Value ModuleCore::call_by(std::span<const Value> inputs, const ForwardOptions& options, const compile::StopToken& stop) {
  const Freshness& freshness = options.freshness();
  const Oldest oldest = callable(freshness);
  Value result;
  if (try_run(inputs, true, oldest, result, stop)) {
    if (needs_recompile()) request(Priority::prefetch);
    return result;
  }
  const bool is_interpreted = freshness.kind() == Freshness::Kind::interpret_until_ready;
  if (is_interpreted && needs_recompile()) {
    request(Priority::prefetch);
    return interpret(inputs, stop);
  }
  const auto published = wait_for(oldest, true, options.deadline());
  if (freshness.kind() == Freshness::Kind::last_good && needs_recompile()) request(Priority::prefetch);
  if (is_interpreted) {
    const std::vector<Value> complete = compile::complete_inputs(published->executable->interface(), inputs);
    if (lacks_plan(*published->executable, compile::Signature(complete))) return interpret(complete, stop);
  }
  return run_published(published, inputs, options.deadline(), stop);
}

bool ModuleCore::try_run(std::span<const Value> inputs, bool anyhow, Oldest oldest, Value& out, const compile::StopToken& stop) {
  if (oldest.any_links) link_newest();
  hazard::Guard guard;
  const Publication* published = guard.protect(hot_);
  if (published == nullptr || published->generation < oldest.generation) return false;
  if (!oldest.any_links && published->until.load(std::memory_order_acquire) != forever) return false;
  const compile::Plan* plan = published->find(inputs);
  if (plan == nullptr) return false;
  if (!anyhow && plan->estimate_ns() > runtime_->options().inline_budget_ns()) return false;
  out = plan->run(inputs, stop, published);
  return true;
}

Value ModuleCore::run_published(const std::shared_ptr<const Publication>& published, std::span<const Value> inputs,
                                const Deadline& deadline, const compile::StopToken& stop) {
  const std::vector<Value> complete = compile::complete_inputs(published->executable->interface(), inputs);
  const auto answer = plan_by(*published->executable, compile::Signature(complete), *runtime_, deadline);
  if (!answer.plan) answer.failure.raise();
  if (!published->has(*answer.plan)) refresh(*published);
  return answer.plan->run(complete, stop, published.get());
}

void ModuleCore::refresh(const Publication& seen) noexcept {
  if (runtime_->forked()) return;
  Woken woken;
  hazard::Retirement retired;
  {
    NestLock lock(*this);
    const bool is_newest = published_.get() == &seen;
    if (is_newest) {
      std::shared_ptr<Publication> fresh;
      try {
        fresh = std::make_shared<Publication>(*published_);
        fresh->plans = fresh->executable->plans();
      } catch (const std::bad_alloc&) {
        return;  // calls with this signature take the longer way until there is memory for the shorter one
      }
      publish(std::move(fresh), retired);
    }
    if (lock.nested()) {
      lock.unlock_module();
      // A call of a module above that links an older one comes here again: then it is time that it links the newest.
      if (is_newest)
        raise_above(woken, retired);
      else
        raise_owed(woken, retired);
    }
  }
  woken.wake();
}

}  // namespace lazyfx::detail
