#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

using compile::Failure;
using compile::Priority;

ModuleCore::~ModuleCore() {
  if (nested_) {
    Woken failed;
    std::unique_lock lock(runtime_->nest().mutex);
    for (Wiring* wiring : {nested_->wired.get(), nested_->old.get()}) {
      if (wiring != nullptr) wiring->detach();
    }
    settle_wants(runtime_->nest(), failed);
    lock.unlock();
    failed.wake();
  }
  // All that may hold modules below.
  if (nested_) {
    compile::unravel(std::move(nested_->wired));
    compile::unravel(std::move(nested_->old));
    compile::unravel(std::move(nested_->unlinked));
  }
  compile::unravel(std::move(marked_.modules));
  compile::unravel(std::move(interpreted_));
  compile::unravel(std::move(published_));
}

void ModuleCore::tell(CompileEventKind kind, std::uint64_t generation, std::shared_ptr<const Error> error) const noexcept {
  runtime_->observer().tell(kind, marked_.class_name, generation, std::move(error));
}

void ModuleCore::mark(compile::Source source, std::optional<std::chrono::nanoseconds> schedule_in, bool count) {
  compile::Source old;  // released after the locks, as all that is replaced
  std::shared_ptr<Wiring> wiring;
  hazard::Retirement retired;
  Woken woken;
  {
    NestLock lock(*this, !source.modules->linked.empty());
    Priority above{};
    bool is_awaited_above = false;
    int asked = nobody;
    Stamp good_until = 0;
    if (lock.nested()) {
      lock.unlock_module();
      if (!nested_) enter_nest();
      const bool rewires = !is_wired(source.modules);
      if (rewires) {
        if (const auto* caller = find_caller(*source.modules)) {
          throw Error(ErrorKind::invalid_graph, "the module at '" + caller->path +
                                                    "' calls the module that would call it, as it was last marked: recompile it first");
        }
        wiring = wire(source.modules);
      }
      is_awaited_above = awaited_above(above);
      lock.lock_module();
      asked = nested_->asked;
      if (rewires) {
        rewire(std::move(wiring), retired);
        nested_->asked = is_awaited_above ? static_cast<int>(above) : unasked();
      }
      good_until = effective_until();
      const Stamp stamp = runtime_->nest().clock.load(std::memory_order_relaxed) + 1;
      for (Stamp* until : {&nested_->own_until, &nested_->after_compiling, &nested_->after_unlinked}) *until = std::min(*until, stamp);
      runtime_->nest().clock.store(stamp, std::memory_order_release);
    }
    old = std::exchange(marked_, std::move(source));
    compile_bytes_.store(compile::compile_bytes(marked_), std::memory_order_relaxed);
    const std::uint64_t before = generation_.fetch_add(1, std::memory_order_acq_rel);
    if (count) runtime_->counters().marks.fetch_add(1, std::memory_order_relaxed);
    if (count && is_mark_ && compiling_ < before) runtime_->observer().coalesced.fetch_add(1, std::memory_order_relaxed);
    is_mark_ = count;
    failure_ = Failure();
    // What serves nobody who waits is superseded. A queued job needs nothing: it takes the newest when it begins.
    if (carried_ == 0 && !is_awaited_above) detach_compile();
    if (lock.nested() && effective_until() != good_until) {
      lock.unlock_module();
      spread_mark();
      lock.lock_module();
    }
    Failure deferred;  // by a stopped or crowded runtime, which says so to whoever calls
    if (schedule_in && schedule_in->count() > 0) {
      quiet_at_ = after(runtime_->scheduler().now(), *schedule_in);
      if (!quiet_timer_) schedule_at(quiet_at_);
    } else if (schedule_in) {
      static_cast<void>(ensure(Priority::background, deferred));
    }
    Failure refused;
    if (lock.nested()) {
      // Those above that were asked for need this generation as well.
      asked = std::max({asked, nested_->asked, wanted_above()});
      if (asked != nobody) static_cast<void>(ensure(static_cast<Priority>(asked), refused));
    }
    if (!waiters_.empty() && phase_ == Phase::idle) refused = restart(woken);
    if (refused && lock.nested()) {
      take_waiters(generation(), refused, woken);
      lock.unlock_module();
      fail_above(refused, effective_until(), forever, woken);  // and who comes asks anew
    }
  }
  woken.wake();
}

void ModuleCore::schedule_at(compile::Scheduler::Time when) noexcept {
  try {
    runtime_->scheduler().call_at(when, [weak = weak_from_this()] {
      if (const auto core = weak.lock()) core->settle_marks();
    });
    quiet_timer_ = true;
  } catch (const std::bad_alloc&) {
    // Compiled when it is called, like one that a crowded runtime has no room for.
  }
}

/// Debounced marks: compiles once they have been quiet for long enough.
void ModuleCore::settle_marks() {
  {
    const std::lock_guard lock(mutex_);
    quiet_timer_ = false;
    if (abandoned_ || !needs_recompile() || has_failed()) return;
    if (runtime_->scheduler().now() < quiet_at_) return schedule_at(quiet_at_);
  }
  request(Priority::background);
}

void ModuleCore::request(Priority priority) {
  if (runtime_->forked()) return;
  Woken woken;
  hazard::Retirement retired;
  {
    NestLock lock(*this);
    if (!needs_recompile() || has_failed()) return;
    Failure refused;
    const bool is_new = phase_ == Phase::idle;
    Admission admission = Admission::bounded;
    if (needs_compile() && ensure(priority, refused) && is_new) admission = Admission::admitted;
    if (lock.nested()) {
      lock.unlock_module();
      Stamp from = 0;
      static_cast<void>(ask_below(priority, false, admission, from, woken, retired));
      if (refused) nested_->asked = unasked();
    }
  }
  woken.wake();
}

void ModuleCore::retry() {
  if (runtime_->forked()) return;
  for (const auto& core : with_all_below()) {
    const compile::Source source = core->marked();
    runtime_->forget_failure(source.fingerprint(), source);
    const std::lock_guard lock(core->mutex_);
    if (core->published_) core->published_->executable->forget_failures();
    if (!core->needs_compile()) continue;
    core->failed_generation_ = 0;
    core->failure_ = Failure();
  }
  request(Priority::prefetch);
}

void ModuleCore::abandon() {
  if (runtime_->forked()) return;
  Woken failed;
  {
    const NestLock lock(*this);
    if (nested_ && std::any_of(nested_->parents.begin(), nested_->parents.end(), [](const Edge& edge) { return !edge.parent->abandoned_; }))
      return;
    abandoned_ = true;
    if (nested_) reconsider();
    settle_for_less(failed);
  }
  failed.wake();
}

std::uint64_t ModuleCore::callable_generation() const {
  if (!keeps_last_good_ || !needs_recompile() || runtime_->forked()) return generation();
  const std::lock_guard lock(mutex_);
  return published_ && failed_generation_ == generation() ? published_->generation : generation();
}

ModuleCore::Oldest ModuleCore::callable(const Freshness& freshness) const {
  if (freshness.kind() != Freshness::Kind::last_good) return {callable_generation(), false};
  const std::uint64_t newest = generation();
  const std::uint64_t oldest = newest > freshness.max_lag() ? newest - freshness.max_lag() : 1;
  const std::uint64_t published = published_generation_.load(std::memory_order_acquire);
  return {published >= oldest ? published : callable_generation(), freshness.max_lag() > 0};
}

ModuleState ModuleCore::own_state() const {
  if (!needs_compile()) return needs_recompile() ? ModuleState::dirty : ModuleState::clean;
  if (failed_generation_ == generation()) return ModuleState::failed;
  switch (phase_) {
    case Phase::queued: return ModuleState::queued;
    case Phase::leading:
    case Phase::joined: return compiling_ == generation() ? ModuleState::compiling : (wanted_ ? ModuleState::queued : ModuleState::dirty);
    case Phase::idle: break;
  }
  return ModuleState::dirty;
}

ModuleState ModuleCore::state() const {
  runtime_->check_not_forked();
  NestLock lock(*this);
  const ModuleState own = own_state();
  if (!lock.nested() || own == ModuleState::clean || own == ModuleState::failed) return own;
  lock.unlock_module();
  // What it waits for below says how far it is, and that it cannot get further.
  constexpr ModuleState by_weight[] = {ModuleState::clean, ModuleState::dirty, ModuleState::queued, ModuleState::compiling,
                                       ModuleState::failed};
  const auto weight = [&](ModuleState s) { return std::find(std::begin(by_weight), std::end(by_weight), s) - std::begin(by_weight); };
  ModuleState heaviest = ModuleState::dirty;
  auto& self = const_cast<ModuleCore&>(*this);  // a walk leaves its marks
  for (ModuleCore* core = self.walk_down(unbounded).first->nested_->place.after; core != nullptr; core = core->nested_->place.after) {
    const std::lock_guard module_lock(core->mutex_);
    const ModuleState state = core->own_state();
    if (weight(state) > weight(heaviest)) heaviest = state;
  }
  return own == ModuleState::dirty || heaviest == ModuleState::failed ? heaviest : own;
}

compile::Source ModuleCore::marked() const {
  runtime_->check_not_forked();
  const std::lock_guard lock(mutex_);
  return marked_;
}

}  // namespace lazyfx::detail
