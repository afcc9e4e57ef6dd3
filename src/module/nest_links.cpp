#include "module/module_core.hpp"

#include <algorithm>

namespace lazyfx::detail {

// What a module links of those that it calls, and how what they publish rises to those above.

using compile::Failure;
using compile::ModuleTable;

void Wiring::attach() noexcept {
  for (Edge& edge : edges) {
    edge.child->parents_.push_back(edge);
    if (edge.until != forever) stale.insert(edge);
  }
}

void Wiring::detach() noexcept {
  stale.clear();
  for (Edge& edge : edges) edge.in_child.unlink();
}

void Wiring::set_until(Edge& edge, Stamp until) noexcept {
  edge.in_stale.unlink();
  edge.until = until;
  if (until != forever) stale.insert(edge);
}

bool Wiring::take_over(Edge& edge, const std::shared_ptr<const Publication>& published) {
  if (!published || links[edge.index] == published.get()) return false;
  links = links.with(edge.index, published);
  missing -= !edge.linked;
  edge.linked = true;
  return true;
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
    edge.linked = child.published_ != nullptr;
    if (edge.linked) wiring->links.fill(i, child.published_);
    wiring->missing += !edge.linked;
  }
  wiring->table = std::move(table);
  return wiring;
}

/// From now on its marks have stamps. So far they had none: what is not the newest now is good for no call to come.
void ModuleCore::enter_nest() {
  const std::lock_guard lock(mutex_);
  const bool settled = !needs_compile() || (keeps_last_good_ && has_failed() && published_);
  own_until_ = settled ? forever : 1;
  after_compiling_ = compiling_ == generation() ? forever : 1;
  nested_ = true;
}

/// The table last marked is another. What is published goes on with its own.
void ModuleCore::rewire(std::shared_ptr<Wiring> wiring, hazard::Retirement& retired) noexcept {
  retired.retire(std::exchange(unlinked_, nullptr));
  if (published_ && !is_old_published_) {
    old_ = std::exchange(wired_, nullptr);
    is_old_published_ = true;
  }
  drop(wired_, retired);
  wired_ = std::move(wiring);
  if (wired_) wired_->attach();
  owed_ = false;
  runtime_->nest().waits.fetch_add(1, std::memory_order_relaxed);
}

void ModuleCore::drop(std::shared_ptr<Wiring>& wiring, hazard::Retirement& retired) noexcept {
  if (!wiring) return;
  wiring->detach();
  retired.retire(std::shared_ptr<const Wiring>(std::move(wiring)));
}

/// Takes over what the child of an edge published, and until when it is good. True if something changed. Throws std::bad_alloc: then what is
/// linked is the old one, and known to be.
bool ModuleCore::pull(Edge& edge) {
  const Stamp until = edge.child->effective_until();
  bool changed = false;
  try {
    changed = edge.wiring->take_over(edge, edge.child->published_);
  } catch (const std::bad_alloc&) {
    edge.parent->owed_ = true;
    if (until < edge.until) edge.wiring->set_until(edge, until);
    throw;
  }
  if (until == edge.until) return changed;
  edge.wiring->set_until(edge, until);
  return true;
}

bool ModuleCore::adopt_compiled(std::uint64_t generation, Stamp after, const std::shared_ptr<compile::Executable>& executable,
                                hazard::Retirement& retired) {
  auto publication = std::make_shared<Publication>();
  publication->generation = generation;
  publication->executable = executable;
  publication->plans = executable->plans();
  const auto& table = executable->source().modules;
  const bool is_marked = is_wired(table);
  if (is_marked && wired_ && wired_->missing > 0) {
    compiled_generation_ = generation;
    retired.retire(std::exchange(unlinked_, std::move(publication)));
    after_unlinked_ = after;
    return false;
  }
  if (!is_marked && !(is_old_published_ && old_ && old_->table == table)) {
    auto wiring = find_caller(*table) == nullptr ? wire(table) : nullptr;
    if (!table->linked.empty() && (!wiring || wiring->missing > 0)) return false;  // the newest calls others, and is on its way
    drop(old_, retired);
    old_ = std::move(wiring);
    if (old_) old_->attach();
  }
  is_old_published_ = !is_marked;
  if (is_marked) drop(old_, retired);
  if (published_wiring()) publication->links = published_wiring()->links;
  publication->until.store(links_until(), std::memory_order_relaxed);
  compiled_generation_ = generation;
  publish(std::move(publication), retired);
  if (is_marked) retired.retire(std::exchange(unlinked_, nullptr));
  set_until(links_until());
  own_until_ = after;
  if (effective_until() == forever) asked_ = nobody;
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

/// Publishes what the links are now.
void ModuleCore::relink(Woken& woken, hazard::Retirement& retired) {
  const std::lock_guard lock(mutex_);
  if (unlinked_ && wired_->missing == 0) {
    auto linked = std::make_shared<Publication>(*unlinked_);
    linked->links = wired_->links;
    linked->until.store(wired_->until(), std::memory_order_relaxed);
    publish(std::move(linked), retired);
    retired.retire(std::exchange(unlinked_, nullptr));
    is_old_published_ = false;
    drop(old_, retired);
    own_until_ = after_unlinked_;
  } else if (!published_) {
    return;
  } else if (published_wiring() && !published_->links.is_same(published_wiring()->links)) {
    auto linked = std::make_shared<Publication>(*published_);
    linked->links = published_wiring()->links;
    linked->until.store(links_until(), std::memory_order_relaxed);
    publish(std::move(linked), retired);
    runtime_->counters().relinks.fetch_add(1, std::memory_order_relaxed);
  }
  set_until(links_until());
  if (effective_until() == forever) asked_ = nobody;
  take_served(woken);
}

/// True if this publishes when a child does, and `coming` children that had published nothing do.
bool ModuleCore::rises_with(std::size_t coming) const noexcept { return published_ || (unlinked_ && wired_->missing <= coming); }

/// This and those above whose publications change since this has published. Nobody else is walked over: who yet lacks a compile, or another
/// child, ends it.
WalkOrder ModuleCore::walk_rising() noexcept {
  const std::uint64_t now = ++runtime_->nest().rises;
  rise_ = {now, 0, now, nullptr};
  for (ModuleCore* core = this; core != nullptr;) {
    ModuleCore* pending = core->rise_.next;
    for (const Edge& edge : core->parents_) {
      Rise& above = edge.parent->rise_;
      if (above.seen != now) above = {now, 0, 0, nullptr};
      above.coming += !edge.linked && edge.wiring == edge.parent->wired_.get();
      if (above.joined == now || !edge.parent->rises_with(above.coming)) continue;
      above.joined = now;
      above.next = pending;
      pending = edge.parent;
    }
    core = pending;
  }
  return walk_up([](const ModuleCore& above) { return above.rise_.joined == above.runtime_->nest().rises; });
}

/// Something was published here: everything above links it, each module once.
void ModuleCore::raise_above(Woken& woken, hazard::Retirement& retired) noexcept {
  if (parents_.empty()) return;
  const WalkOrder order = walk_rising();
  Failure failure;
  for (ModuleCore* core = order.first; core != nullptr; core = core->place_.after) {
    if (core != this) {
      if (!core->place_.changed) continue;
      try {
        core->relink(woken, retired);
      } catch (...) {
        failure = Failure::current();
        core->owed_ = true;
      }
    }
    for (Edge& edge : core->parents_) {
      try {
        if (edge.parent->pull(edge)) edge.parent->place_.changed = true;
      } catch (...) { failure = Failure::current(); }
    }
  }
  if (failure) fail_above(failure, 0, forever, woken);
}

void ModuleCore::repair(Woken& woken, hazard::Retirement& retired) {
  for (Wiring* wiring : {wired_.get(), old_.get()}) {
    if (wiring == nullptr) continue;
    for (Edge& edge : wiring->edges) pull(edge);
  }
  relink(woken, retired);
  owed_ = false;
  raise_above(woken, retired);
}

}  // namespace lazyfx::detail
