#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

// Walks over the modules that call each other. Cycles there are none.

using compile::ModuleTable;

namespace {

/// Of this thread.
struct Held {
  std::size_t locks = 0;
  ModuleCore* doomed = nullptr;
};
thread_local Held held;

}  // namespace

std::shared_ptr<ModuleCore> ModuleCore::make(std::shared_ptr<RuntimeCore> runtime) {
  return {new ModuleCore(std::move(runtime)), &ModuleCore::dispose};
}

/// Destroying takes the nest's lock, and anything under a lock may turn out to be the last that held a module: sources hold those they call.
void ModuleCore::dispose(ModuleCore* core) noexcept {
  if (core->runtime_->forked()) return;  // it may be half changed, and stays so
  if (held.locks == 0) {
    delete core;
  } else {
    core->next_doomed_ = std::exchange(held.doomed, core);
  }
}

NestLock::NestLock(const ModuleCore& core, bool anyhow)
    : shared_(core.runtime_->nest()), nest_(shared_.mutex, std::defer_lock), module_(core.mutex_, std::defer_lock) {
  ++held.locks;
  if (anyhow) nest_.lock();
  module_.lock();
  if (!core.nested_ || nest_.owns_lock()) return;
  module_.unlock();
  nest_.lock();
  module_.lock();
}

NestLock::~NestLock() {
  Woken failed;
  if (module_.owns_lock()) module_.unlock();
  if (nest_.owns_lock()) {
    ModuleCore::settle_wants(shared_, failed);
    nest_.unlock();
  }
  --held.locks;
  failed.wake();
  if (held.locks > 0) return;
  while (held.doomed != nullptr) { const std::unique_ptr<ModuleCore> core(std::exchange(held.doomed, held.doomed->next_doomed_)); }
}

WalkOrder ModuleCore::walk_up(bool (*enter)(const ModuleCore&)) {
  const std::uint64_t walk = ++runtime_->nest().walks;
  WalkOrder order;
  auto& visits = runtime_->nest().visits;
  const auto begin = [walk, &visits](ModuleCore& core, ModuleCore* below, const Edge* via) {
    visits.fetch_add(1, std::memory_order_relaxed);
    core.nested_->place = WalkPlace{};
    core.nested_->place.walk = walk;
    core.nested_->place.below = below;
    core.nested_->place.next = core.nested_->parents.begin();
    core.nested_->place.via = via;
  };
  begin(*this, nullptr, nullptr);
  for (ModuleCore* top = this; top != nullptr;) {
    if (top->nested_->place.next != top->nested_->parents.end()) {
      const Edge& edge = *top->nested_->place.next++;
      if (edge.parent->nested_->place.walk == walk || !enter(*edge.parent)) continue;
      begin(*edge.parent, top, &edge);
      top = edge.parent;
      continue;
    }
    ModuleCore* const below = top->nested_->place.below;
    top->nested_->place.after = order.first;
    (order.first == nullptr ? order.last : order.first->nested_->place.before) = top;
    order.first = top;
    top = below;
  }
  return order;
}

WalkOrder ModuleCore::walk_down(int asked) {
  const std::uint64_t walk = ++runtime_->nest().walks;
  nested_->place = WalkPlace{};
  nested_->place.walk = walk;
  WalkOrder order{this, this};
  for (ModuleCore* core = this; core != nullptr; core = core->nested_->place.after) {
    runtime_->nest().visits.fetch_add(1, std::memory_order_relaxed);
    if (!core->nested_->wired) continue;
    for (const Edge& edge : core->nested_->wired->stale) {
      ModuleCore& child = *edge.child;
      if (child.nested_->place.walk == walk || child.nested_->asked >= asked) continue;
      child.nested_->place = WalkPlace{};
      child.nested_->place.walk = walk;
      child.nested_->place.via = &edge;
      child.nested_->place.before = order.last;
      order.last->nested_->place.after = &child;
      order.last = &child;
    }
  }
  return order;
}

/// Searches above this and below them by turns, so that it costs what the smaller side does: building a chain from either end is linear.
const ModuleTable::Link* ModuleCore::find_caller(const ModuleTable& table) {
  struct Search {
    std::uint64_t walk;
    WalkOrder pending;
    std::atomic<std::uint64_t>& visits;

    void add(ModuleCore& core, std::size_t origin) {
      if (core.nested_->place.walk == walk) return;
      visits.fetch_add(1, std::memory_order_relaxed);
      core.nested_->place = WalkPlace{};
      core.nested_->place.walk = walk;
      core.nested_->place.origin = origin;
      (pending.first == nullptr ? pending.first : pending.last->nested_->place.after) = &core;
      pending.last = &core;
    }
    ModuleCore* take() { return pending.first == nullptr ? nullptr : std::exchange(pending.first, pending.first->nested_->place.after); }
  };
  Nest& nest = runtime_->nest();
  Search above{++nest.walks, {}, nest.visits}, below{++nest.walks, {}, nest.visits};
  above.add(*this, 0);
  for (std::size_t i = 0; i < table.linked.size(); ++i) {
    ModuleCore& core = core_of(table.linked[i]);
    if (&core == this) return &table.linked[i];
    if (core.nested_) below.add(core, i);  // else it neither calls nor is called
  }
  for (;;) {
    ModuleCore* const caller = above.take();
    if (caller == nullptr) return nullptr;
    for (const Edge& edge : caller->nested_->parents) {
      if (edge.parent->nested_->place.walk == below.walk) return &table.linked[edge.parent->nested_->place.origin];
      above.add(*edge.parent, 0);
    }
    ModuleCore* const called = below.take();
    if (called == nullptr) return nullptr;
    for (const Wiring* wiring : {called->nested_->wired.get(), called->nested_->old.get()}) {
      if (wiring == nullptr) continue;
      for (const Edge& edge : wiring->edges) {
        if (edge.child->nested_->place.walk == above.walk) return &table.linked[called->nested_->place.origin];
        below.add(*edge.child, called->nested_->place.origin);
      }
    }
  }
}

/// This, and all modules below.
std::vector<std::shared_ptr<ModuleCore>> ModuleCore::with_all_below() {
  NestLock lock(*this);
  std::vector<std::shared_ptr<ModuleCore>> cores{shared_from_this()};
  if (!lock.nested()) return cores;
  lock.unlock_module();
  for (ModuleCore* core = walk_down(unbounded).first->nested_->place.after; core != nullptr; core = core->nested_->place.after) {
    cores.push_back(core->shared_from_this());
  }
  return cores;
}

}  // namespace lazyfx::detail
