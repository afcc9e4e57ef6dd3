#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

// What travels along the calls between modules: marks and failures upwards, requests downwards.

using compile::Failure;
using compile::Priority;

namespace {

Failure in_submodule(const Failure& failure, const std::string& path) {
  const auto error = std::dynamic_pointer_cast<const CompileError>(failure.error());
  return error ? Failure(std::make_shared<const CompileError>(*error, path)) : failure;
}

}  // namespace

/// Each clean module above hears once that it is clean no more.
void ModuleCore::spread_mark() {
  const WalkOrder order = walk_up([](const ModuleCore& above) { return above.effective_until() == forever; });
  for (ModuleCore* core = order.first; core != nullptr; core = core->nested_->place.after) {
    for (Edge& edge : core->nested_->parents) {
      ModuleCore& above = *edge.parent;
      edge.wiring->set_until(edge, core->effective_until());
      const Stamp until = above.links_until();
      if (until < above.until_.load(std::memory_order_relaxed)) above.set_until(until);
    }
  }
  // From the top: who follows the marks below has them compiled, and all that stands between.
  for (ModuleCore* core = order.last; core != nullptr; core = core->nested_->place.before) {
    if (core != this && core->follows_at_once()) {
      core->ask(static_cast<int>(Priority::background));
    } else if (core != this && core->follows_) {
      const std::lock_guard lock(core->mutex_);
      core->quiet_at_ = after(runtime_->scheduler().now(), *core->follows_);
      if (!core->quiet_timer_) core->schedule_at(core->quiet_at_);
    }
    for (const Edge& edge : core->nested_->parents) core->ask(edge.parent->nested_->asked);
  }
}

/// Those above who were called at `from` or later, but before `up_to`, will not get what they wait for.
void ModuleCore::fail_above(const Failure& failure, Stamp from, Stamp up_to, Woken& woken) noexcept {
  const WalkOrder order = walk_up([](const ModuleCore&) { return true; });
  nested_->asked = unasked();
  for (ModuleCore* core = order.first->nested_->place.after; core != nullptr; core = core->nested_->place.after) {
    core->nested_->asked = core->unasked();  // who comes now has to hear of it
    const std::lock_guard lock(core->mutex_);
    if (core->waiters_.empty()) continue;
    Failure outcome = failure;
    try {
      std::string path;
      for (const ModuleCore* at = core; at != this; at = at->nested_->place.via->child) {
        path += (path.empty() ? "" : ".") + at->nested_->place.via->wiring->path_of(*at->nested_->place.via);
      }
      outcome = in_submodule(failure, path);
    } catch (const std::bad_alloc&) {
      outcome = failure;  // without the path
    }
    core->fail_waiters(from, up_to, outcome, woken);
  }
}

/// Asks for whatever this waits for below. A module there that is known not to compile is an answer: nothing is asked for then, unless
/// `anyhow`, and calls made at `from` or later cannot be served. `admission`: of the first; then that of what belongs to the same call.
Failure ModuleCore::ask_below(Priority priority, bool anyhow, Admission& admission, Stamp& from, Woken& woken,
                              hazard::Retirement& retired) {
  const int asked = static_cast<int>(priority);
  if (const Failure failure = catch_up(woken, retired)) return failure;
  const WalkOrder order = walk_down(asked);
  Failure failure;
  from = forever;
  for (ModuleCore* core = order.first->nested_->place.after; core != nullptr; core = core->nested_->place.after) {
    const std::lock_guard lock(core->mutex_);
    if (!core->has_failed() || (core->keeps_last_good_ && core->published_) || core->effective_until() >= from) continue;
    from = core->effective_until();
    failure = core->failure_;
    try {
      std::string path;
      for (const Edge* via = core->nested_->place.via; via != nullptr; via = via->parent->nested_->place.via) {
        path = via->wiring->path_of(*via) + (path.empty() ? "" : ".") + path;
      }
      failure = in_submodule(failure, path);
    } catch (const std::bad_alloc&) {
      continue;  // without the path
    }
  }
  if (failure && !anyhow) return failure;
  for (ModuleCore* core = order.first->nested_->place.after; core != nullptr; core = core->nested_->place.after) {
    const std::lock_guard lock(core->mutex_);
    if (!core->needs_compile() || core->has_failed()) continue;
    Failure refused;
    const bool is_new = core->phase_ == Phase::idle;
    if (!core->ensure(priority, refused, admission)) {
      from = core->effective_until();
      return refused;
    }
    if (is_new && admission == Admission::bounded) admission = Admission::admitted;  // a call finds room as a whole
  }
  if (failure) return failure;
  for (ModuleCore* core = order.first; core != nullptr; core = core->nested_->place.after) core->ask(asked);
  return {};
}

/// What was asked of this will not come by itself: who calls above asks anew.
// REQUIRES: the nest's mutex held.
void ModuleCore::forget_asked() noexcept {
  const WalkOrder order = walk_up([](const ModuleCore&) { return true; });
  for (ModuleCore* core = order.first; core != nullptr; core = core->nested_->place.after) core->nested_->asked = core->unasked();
}

/// While this compiles, so does what it calls.
void ModuleCore::compile_below() {
  Woken woken;
  hazard::Retirement retired;
  {
    NestLock lock(*this);
    const Priority priority = requested_;
    lock.unlock_module();
    Stamp from = 0;
    Admission admission = Admission::bounded;
    const Failure failure = ask_below(priority, true, admission, from, woken, retired);
    if (failure) {
      {
        const std::lock_guard module_lock(mutex_);
        fail_waiters(from, forever, failure, woken);
      }
      fail_above(failure, from, forever, woken);
    }
  }
  woken.wake();
}

}  // namespace lazyfx::detail
