#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

// How urgently modules want those that they wait for. Each edge tells its child how urgently its parent wants it while the child is not clean;
// each child counts those that do, by priority. So who comes or leaves costs the modules that are wanted more or less because of it, and
// nobody looks above to find out who waits there.

using compile::Priority;

/// The highest priority of those who wait here.
int ModuleCore::awaited_here() const noexcept {
  if (blocking_.load(std::memory_order_relaxed) > 0) return static_cast<int>(Priority::blocking);
  return awaited_.load(std::memory_order_relaxed) > 0 ? static_cast<int>(Priority::awaited) : nobody;
}

int ModuleCore::wanted_by_edges() const noexcept {
  const auto& at = nested_->wanted_at;
  int priority = static_cast<int>(at.size()) - 1;
  while (priority > nobody && at[static_cast<std::size_t>(priority)] == 0) --priority;
  return priority;
}

/// Who follows the marks below, once there were any, wants them in the background until it is clean.
int ModuleCore::wanted() const noexcept {
  const int background = static_cast<int>(Priority::background);
  const int follows = follows_ && nested_->asked >= background && !abandoned_ ? background : nobody;
  return std::max({awaited_here(), wanted_by_edges(), follows});
}

int ModuleCore::wanted_above() noexcept {
  spread_wants(runtime_->nest());
  return wanted_by_edges();
}

bool ModuleCore::awaited_above(Priority& priority) noexcept {
  const int wanted = wanted_above();
  if (wanted < static_cast<int>(Priority::awaited)) return false;
  priority = static_cast<Priority>(wanted);
  return true;
}

/// What `asked` falls back to where what was asked for will not come.
int ModuleCore::unasked() const noexcept { return follows_ ? std::min(nested_->asked, static_cast<int>(Priority::background)) : nobody; }

void ModuleCore::ask(int priority) noexcept {
  nested_->asked = std::max(nested_->asked, priority);
  if (follows_) reconsider();
}

/// What wanted() is made of has changed.
void ModuleCore::reconsider() noexcept {
  if (std::exchange(nested_->is_reconsidered, true)) return;
  nested_->next_reconsidered = std::exchange(runtime_->nest().reconsidered, this);
}

void ModuleCore::want(Edge& edge, int priority) noexcept {
  if (edge.wanted == priority) return;
  auto& at = edge.child->nested_->wanted_at;
  if (edge.wanted != nobody) --at[static_cast<std::size_t>(edge.wanted)];
  if (priority != nobody) ++at[static_cast<std::size_t>(priority)];
  edge.wanted = priority;
  edge.child->reconsider();
}

void ModuleCore::spread_wants(Nest& nest) noexcept {
  while (nest.reconsidered != nullptr) {
    ModuleCore& core = *nest.reconsidered;
    Nested& nested = *core.nested_;
    nest.reconsidered = nested.next_reconsidered;
    nested.is_reconsidered = false;
    const int wanted = core.wanted();
    const int before = std::exchange(nested.wanted, wanted);
    if (wanted == before) continue;
    nest.visits.fetch_add(1, std::memory_order_relaxed);
    if (wanted < before) core.lower();
    if (!nested.wired) continue;
    for (Edge& edge : nested.wired->stale) want(edge, wanted);
  }
}

/// It may have been asked for more urgently than it is wanted.
void ModuleCore::lower() noexcept {
  nested_->asked = std::min(nested_->asked, wanted());  // who wants it more again has to ask
  if (!std::exchange(nested_->is_lowered, true)) nested_->next_lowered = std::exchange(runtime_->nest().lowered, this);
}

/// Nobody waits for what was asked of those below.
void ModuleCore::take_back() noexcept {
  for (ModuleCore* core = walk_down(unbounded).first; core != nullptr; core = core->nested_->place.after) core->lower();
}

/// What was asked for more urgently than it is wanted now is so no longer.
void ModuleCore::settle_wants(Nest& nest, Woken& failed) noexcept {
  for (;;) {
    spread_wants(nest);
    if (nest.lowered == nullptr) return;
    ModuleCore& core = *nest.lowered;
    nest.lowered = core.nested_->next_lowered;
    core.nested_->is_lowered = false;
    const std::lock_guard lock(core.mutex_);
    core.settle_for_less(failed);
  }
}

}  // namespace lazyfx::detail
