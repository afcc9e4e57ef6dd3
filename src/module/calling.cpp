#include "module/module_core.hpp"

namespace lazyfx::detail {

using compile::Priority;

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
  const Freshness& freshness = options.freshness();
  const Oldest oldest = callable(freshness);
  Value result;
  if (try_run(inputs, true, oldest, result)) {
    if (needs_recompile()) request(Priority::prefetch);
    return result;
  }
  if (freshness.kind() == Freshness::Kind::interpret_until_ready && needs_recompile()) {
    request(Priority::prefetch);
    return interpret(inputs, {});
  }
  return run_published(wait_for(oldest.generation, true), inputs);
}

bool ModuleCore::try_run(std::span<const Value> inputs, bool anyhow, Oldest oldest, Value& out) {
  if (oldest.any_links) link_newest();
  hazard::Guard guard;
  const Publication* published = guard.protect(hot_);
  if (published == nullptr || published->generation < oldest.generation) return false;
  if (!oldest.any_links && published->until.load(std::memory_order_acquire) != forever) return false;
  const compile::Plan* plan = published->find(inputs);
  if (plan == nullptr) return false;
  if (!anyhow && plan->estimate_ns() > runtime_->options().inline_budget_ns()) return false;
  out = plan->run(inputs, {}, published);
  return true;
}

Value ModuleCore::run_published(const std::shared_ptr<const Publication>& published, std::span<const Value> inputs) {
  const std::vector<Value> complete = compile::complete_inputs(published->executable->interface(), inputs);
  const auto answer = published->executable->make_now(compile::Signature(complete));
  if (!answer.plan) answer.failure.raise();
  if (!published->has(*answer.plan)) refresh(*published);
  return answer.plan->run(complete, {}, published.get());
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
