#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

// What a module links of those that it calls, and how what they publish rises to those above.

using compile::Failure;
using compile::ModuleTable;

void Rising::add(ModuleCore& core) noexcept {
  if (std::exchange(core.nested_->rise.is_rising, true)) return;
  core.nested_->rise.next_rising = std::exchange(first_, &core);
}

ModuleCore* Rising::take() noexcept {
  if (first_ == nullptr) return nullptr;
  first_->nested_->rise.is_rising = false;
  return std::exchange(first_, first_->nested_->rise.next_rising);
}

void Wiring::attach() noexcept {
  for (Edge& edge : edges) {
    edge.child->nested_->parents.push_back(edge);
    set_until(edge, edge.until);
  }
}

void Wiring::detach() noexcept {
  stale.clear();
  for (Edge& edge : edges) {
    ModuleCore::want(edge, nobody);
    edge.in_child.unlink();
    edge.in_owing.unlink();
  }
}

void Wiring::set_until(Edge& edge, Stamp until) noexcept {
  edge.in_stale.unlink();
  edge.until = until;
  const bool is_stale = until != forever;
  if (is_stale) stale.insert(edge);
  const Nested& parent = *edge.parent->nested_;
  ModuleCore::want(edge, is_stale && parent.wired.get() == this ? parent.wanted : nobody);
}

void Wiring::take_over(Edge& edge, const std::shared_ptr<const Publication>& published) {
  if (published && links[edge.index] != published.get()) links = links.with(edge.index, published);
  edge.in_owing.unlink();
}

std::shared_ptr<Wiring> ModuleCore::wire(std::shared_ptr<const ModuleTable> table) {
  if (table->linked.empty()) return nullptr;
  auto wiring = std::make_shared<Wiring>();
  wiring->edges = std::vector<Edge>(table->linked.size());
  wiring->links = Links<Publication>(table->linked.size());
  for (std::size_t i = 0; i < table->linked.size(); ++i) {
    Edge& edge = wiring->edges[i];
    ModuleCore& child = core_of(table->linked[i]);
    edge.parent = this;
    edge.child = &child;
    edge.wiring = wiring.get();
    edge.index = i;
    if (!child.nested_) child.enter_nest();
    edge.until = child.effective_until();
    edge.there = child.published_ != nullptr;
    if (edge.there) wiring->links.fill(i, child.published_);
    wiring->missing += !edge.there;
  }
  wiring->table = std::move(table);
  return wiring;
}

/// From now on its marks have stamps. So far they had none: what is not the newest now is good for no call to come.
void ModuleCore::enter_nest() {
  auto nested = std::make_unique<Nested>();
  const std::lock_guard lock(mutex_);
  const bool settled = !needs_compile() || (keeps_last_good_ && has_failed() && published_);
  nested->own_until = settled ? forever : 1;
  nested->after_compiling = compiling_ == generation() ? forever : 1;
  nested_ = std::move(nested);
  reconsider();
  for (Waiter& waiter : waiters_) runtime_->nest().waiting.insert(waiter);
}

/// The table last marked is another. What is published goes on with its own.
void ModuleCore::rewire(std::shared_ptr<Wiring> wiring, hazard::Retirement& retired) noexcept {
  retired.retire(std::exchange(nested_->unlinked, nullptr));
  if (published_ && !nested_->is_old_published) {
    if (nested_->wired) {
      for (Edge& edge : nested_->wired->edges) want(edge, nobody);
    }
    nested_->old = std::exchange(nested_->wired, nullptr);
    nested_->is_old_published = true;
  }
  drop(nested_->wired, retired);
  nested_->wired = std::move(wiring);
  attach(nested_->wired);
}

void ModuleCore::attach(const std::shared_ptr<Wiring>& wiring) noexcept {
  if (!wiring) return;
  wiring->attach();
  for (Edge& edge : wiring->edges) {
    if (!edge.child->nested_->owing.empty()) owe(edge);
  }
}

void ModuleCore::drop(std::shared_ptr<Wiring>& wiring, hazard::Retirement& retired) noexcept {
  if (!wiring) return;
  wiring->detach();
  retired.retire(std::shared_ptr<const Wiring>(std::move(wiring)));
}

bool ModuleCore::adopt_compiled(std::uint64_t generation, Stamp after, const std::shared_ptr<compile::Executable>& executable,
                                hazard::Retirement& retired) {
  auto publication = std::make_shared<Publication>();
  publication->generation = generation;
  publication->executable = executable;
  publication->plans = executable->plans();
  const auto& table = executable->source().modules;
  const bool is_marked = is_wired(table);
  if (is_marked && nested_ && nested_->wired && nested_->wired->missing > 0) {
    compiled_generation_ = generation;
    retired.retire(std::exchange(nested_->unlinked, std::move(publication)));
    nested_->after_unlinked = after;
    return false;
  }
  if (!is_marked && !(nested_->is_old_published && nested_->old && nested_->old->table == table)) {
    auto wiring = find_caller(*table) == nullptr ? wire(table) : nullptr;
    if (!table->linked.empty() && (!wiring || wiring->missing > 0)) return false;  // the newest calls others, and is on its way
    drop(nested_->old, retired);
    nested_->old = std::move(wiring);
    attach(nested_->old);
  }
  if (nested_) {
    nested_->is_old_published = !is_marked;
    if (is_marked) drop(nested_->old, retired);
  }
  if (published_wiring()) publication->link(published_wiring()->links, published_wiring()->edges.size());
  publication->until.store(links_until(), std::memory_order_relaxed);
  compiled_generation_ = generation;
  publish(std::move(publication), retired);
  if (!nested_) return true;
  if (is_marked) retired.retire(std::exchange(nested_->unlinked, nullptr));
  set_until(links_until());
  nested_->own_until = after;
  if (effective_until() == forever) nested_->asked = nobody, reconsider();
  return true;
}

void ModuleCore::publish(std::shared_ptr<const Publication> publication, hazard::Retirement& retired) noexcept {
  const bool is_new = publication->generation > published_generation_.load(std::memory_order_relaxed);
  retired.retire(std::exchange(published_, std::move(publication)));
  hot_.store(published_.get(), std::memory_order_seq_cst);
  published_generation_.store(published_->generation, std::memory_order_release);
  if (!needs_compile()) interpreted_.reset();
  if (is_new) tell(CompileEventKind::published, published_->generation);
}

/// Publishes what the links are now. True if that is something else than before. Throws std::bad_alloc.
bool ModuleCore::relink(Woken& woken, hazard::Retirement& retired) {
  const std::lock_guard lock(mutex_);
  const Stamp told = effective_until();
  const auto* const before = published_.get();
  if (nested_->unlinked && nested_->wired->missing == 0) {
    auto linked = std::make_shared<Publication>(*nested_->unlinked);
    linked->link(nested_->wired->links, nested_->wired->edges.size());
    linked->until.store(nested_->wired->until(), std::memory_order_relaxed);
    publish(std::move(linked), retired);
    retired.retire(std::exchange(nested_->unlinked, nullptr));
    nested_->is_old_published = false;
    drop(nested_->old, retired);
    nested_->own_until = nested_->after_unlinked;
  } else if (!published_) {
    return false;
  } else if (published_wiring() && !published_->links.is_same(published_wiring()->links)) {
    auto linked = std::make_shared<Publication>(*published_);
    linked->link(published_wiring()->links, published_wiring()->edges.size());
    linked->until.store(links_until(), std::memory_order_relaxed);
    publish(std::move(linked), retired);
    runtime_->counters().relinks.fetch_add(1, std::memory_order_relaxed);
  }
  set_until(links_until());
  if (effective_until() == forever) nested_->asked = nobody, reconsider();
  take_served(woken);
  return published_.get() != before || effective_until() != told;
}

/// What the child of an edge has published, or what is published below that, is newer than what is linked here. All above hear of it, but not
/// those that owe already.
void ModuleCore::owe(Edge& edge) noexcept {
  ModuleCore* spreading = nullptr;
  const auto add = [&spreading](Edge& to) {
    if (to.in_owing.is_linked()) return;
    ModuleCore& above = *to.parent;
    above.runtime_->nest().visits.fetch_add(1, std::memory_order_relaxed);
    const bool is_first = above.nested_->owing.empty();
    above.nested_->owing.push_back(to);
    above.owes_.store(true, std::memory_order_relaxed);
    if (is_first) above.nested_->rise.next_told = std::exchange(spreading, &above);
  };
  add(edge);
  while (spreading != nullptr) {
    ModuleCore* const core = std::exchange(spreading, spreading->nested_->rise.next_told);
    for (Edge& above : core->nested_->parents) add(above);
  }
}

/// What this publishes, or what that is good for, has changed: those that call it know, and link it when they are settled. Adds to `rising` those
/// that somebody waits for, or that are clean now; `all`: every one.
void ModuleCore::tell_above(Rising& rising, bool all) noexcept {
  const Stamp until = effective_until();
  for (Edge& edge : nested_->parents) {
    if (published_ && !edge.there) {
      edge.there = true;
      --edge.wiring->missing;
    }
    edge.wiring->set_until(edge, until);
    owe(edge);
    if (all || edge.parent->is_due()) rising.add(*edge.parent);
  }
}

/// True if publishing what the links are now serves a call: one that waits, or any that comes. Until then children that publish one after the
/// other cost those above nothing.
bool ModuleCore::is_due() const noexcept {
  if (nested_->unlinked && nested_->wired->missing == 0) return true;
  const Stamp told = until_.load(std::memory_order_relaxed), until = links_until();
  return published_ && until > told && (until == forever || runtime_->nest().is_awaited(told, until));
}

/// Links and publishes what is newest of everything below, each module once and after those that it calls. So what any module publishes is one
/// consistent set, though modules are settled at different times. Throws std::bad_alloc: the rest is owed still.
void ModuleCore::settle(Woken& woken, hazard::Retirement& retired, Rising& rising, bool all) {
  nested_->rise.settles_for = nullptr;
  for (ModuleCore* core = this; core != nullptr;) {
    runtime_->nest().visits.fetch_add(1, std::memory_order_relaxed);
    if (!core->nested_->owing.empty()) {
      Edge& edge = core->nested_->owing.front();
      if (edge.child->nested_->owing.empty()) {
        edge.wiring->take_over(edge, edge.child->published_);
      } else {
        edge.child->nested_->rise.settles_for = core;
        core = edge.child;
      }
      continue;
    }
    bool is_changed = false;
    try {
      is_changed = core->relink(woken, retired);
    } catch (...) {
      for (Wiring* wiring : {core->nested_->wired.get(), core->nested_->old.get()}) {
        if (wiring != nullptr) owe(wiring->edges.front());  // its links are not published
      }
      throw;
    }
    core->owes_.store(false, std::memory_order_relaxed);
    if (is_changed) core->tell_above(rising, all);
    core = core->nested_->rise.settles_for;
  }
}

Failure ModuleCore::settle_all(Rising& rising, Woken& woken, hazard::Retirement& retired, bool all) noexcept {
  Failure failure;
  while (ModuleCore* core = rising.take()) {
    try {
      core->settle(woken, retired, rising, all);
    } catch (...) {
      failure = Failure::current();
      if (!core->is_due()) continue;
      {
        const std::lock_guard lock(core->mutex_);
        core->fail_waiters(0, forever, failure, woken);
      }
      core->fail_above(failure, 0, forever, woken);
    }
  }
  return failure;
}

/// Something was published here: those above link it as soon as that serves anybody.
void ModuleCore::raise_above(Woken& woken, hazard::Retirement& retired) noexcept {
  Rising rising;
  tell_above(rising, false);
  static_cast<void>(settle_all(rising, woken, retired, false));
}

/// Those above that do not link what is newest here do so now, and what is above them.
void ModuleCore::raise_owed(Woken& woken, hazard::Retirement& retired) noexcept {
  Rising rising;
  for (Edge& edge : nested_->parents) {
    if (edge.in_owing.is_linked()) rising.add(*edge.parent);
  }
  static_cast<void>(settle_all(rising, woken, retired, true));
}

/// Links what is newest below now, whomever that serves.
Failure ModuleCore::catch_up(Woken& woken, hazard::Retirement& retired) noexcept {
  if (nested_->owing.empty()) return {};
  Rising rising;
  rising.add(*this);
  return settle_all(rising, woken, retired, false);
}

/// The same for all that a table calls.
Failure ModuleCore::catch_up_with(const ModuleTable& table, Woken& woken, hazard::Retirement& retired) noexcept {
  Rising rising;
  if (!nested_->owing.empty()) rising.add(*this);
  for (const ModuleTable::Link& link : table.linked) {
    if (!core_of(link).nested_->owing.empty()) rising.add(core_of(link));
  }
  return settle_all(rising, woken, retired, false);
}

/// As catch_up(), for a call that takes what is linked.
void ModuleCore::link_newest() noexcept {
  if (!owes_.load(std::memory_order_relaxed) || runtime_->forked()) return;
  Woken woken;
  hazard::Retirement retired;
  {
    NestLock lock(*this);
    if (!lock.nested()) return;
    lock.unlock_module();
    static_cast<void>(catch_up(woken, retired));  // without memory the call takes what was linked before
  }
  woken.wake();
}

}  // namespace lazyfx::detail
