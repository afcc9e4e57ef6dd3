#include "compile/cache.hpp"

#include <algorithm>
#include <iterator>

namespace lazyfx::compile {

Cache::Cache(std::size_t byte_budget, std::size_t max_failures) : byte_budget_(byte_budget), max_failures_(max_failures) {}

std::vector<std::shared_ptr<Executable>> Cache::find(std::uint64_t key) {
  std::vector<std::shared_ptr<Executable>> found;
  const auto [begin, end] = table_.equal_range(key);
  for (auto i = begin; i != end;) {
    auto alive = i->second.executable.lock();
    if (alive) found.push_back(std::move(alive));
    i = i->second.executable.expired() ? table_.erase(i) : std::next(i);
  }
  return found;
}

Cache::Table::iterator Cache::entry_of(std::uint64_t key, const Executable* executable) noexcept {
  const auto [begin, end] = table_.equal_range(key);
  const auto at =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second.address == executable && !entry.second.executable.expired(); });
  return at != end ? at : table_.end();
}

std::shared_ptr<Executable> Cache::insert(std::uint64_t key, const std::shared_ptr<Executable>& executable,
                                          const std::weak_ptr<detail::RuntimeCore>& runtime) {
  if (table_.size() >= sweep_at_) sweep();
  const auto entry = table_.emplace(key, Entry{executable, executable.get(), {}, {}, false});
  return lend(entry->second, executable, runtime);
}

std::shared_ptr<Executable> Cache::take(std::uint64_t key, const std::shared_ptr<Executable>& executable,
                                        const std::weak_ptr<detail::RuntimeCore>& runtime) {
  const auto entry = entry_of(key, executable.get());
  return entry != table_.end() ? lend(entry->second, executable, runtime) : insert(key, executable, runtime);
}

std::shared_ptr<Executable> Cache::lend(Entry& entry, const std::shared_ptr<Executable>& executable,
                                        const std::weak_ptr<detail::RuntimeCore>& runtime) {
  if (!executable->source().modules->empty()) return executable;
  auto lease = entry.lease.lock();
  if (!lease) {
    lease = std::make_shared<Lease>(executable, runtime);
    entry.lease = lease;
  }
  if (entry.is_idle) {
    // The new lease holds it: nothing is destroyed here.
    bytes_ -= entry.idle->bytes;
    idle_.erase(entry.idle);
    entry.is_idle = false;
  }
  Executable* const lent = executable.get();
  return {std::move(lease), lent};
}

void Cache::bring_back(std::list<Idle>& one, std::size_t bytes, bool keep, Released& released) noexcept {
  Idle& idle = one.front();
  const auto entry = entry_of(idle.executable->key(), idle.executable.get());
  const bool is_known = entry != table_.end();
  const bool is_used = is_known && !entry->second.lease.expired();  // again, in between
  if (!is_known || is_used || entry->second.is_idle) {
    released.executables.splice(released.executables.end(), one);
    return;
  }
  if (!keep || bytes > byte_budget_) {
    table_.erase(entry);
    released.executables.splice(released.executables.end(), one);
    return;
  }
  idle.bytes = bytes;
  idle.since = ++clock_;
  idle_.splice(idle_.begin(), one);
  entry->second.idle = idle_.begin();
  entry->second.is_idle = true;
  bytes_ += bytes;
  shrink(byte_budget_, released);
}

void Cache::resize(const Executable& executable, std::size_t bytes, Released& released) noexcept {
  const auto entry = entry_of(executable.key(), &executable);
  if (entry == table_.end() || !entry->second.is_idle) return;
  if (bytes > byte_budget_) return give_up(entry, released);
  bytes_ += bytes - entry->second.idle->bytes;
  entry->second.idle->bytes = bytes;
  shrink(byte_budget_, released);
}

/// REQUIRES: it is idle.
void Cache::give_up(Table::iterator entry, Released& released) noexcept {
  bytes_ -= entry->second.idle->bytes;
  released.executables.splice(released.executables.end(), idle_, entry->second.idle);
  table_.erase(entry);
}

void Cache::shrink(std::size_t bytes, Released& released) noexcept {
  while (bytes_ > bytes && !(idle_.empty() && failed_.empty())) {
    if (idle_.empty() || (!failed_.empty() && failed_.back().since < idle_.back().since)) {
      give_up_oldest_failure(released);
    } else {
      const Executable& oldest = *idle_.back().executable;
      give_up(entry_of(oldest.key(), &oldest), released);
    }
  }
}

/// Executables that were never kept leave their entries behind.
void Cache::sweep() {
  std::erase_if(table_, [](const auto& entry) { return entry.second.executable.expired(); });
  sweep_at_ = 2 * table_.size() + 64;
}

void Cache::trim(std::size_t bytes, Released& released) noexcept { shrink(bytes, released); }

std::vector<Cache::KnownFailurePtr> Cache::failures(std::uint64_t key) const {
  std::vector<KnownFailurePtr> found;
  const auto [begin, end] = failures_.equal_range(key);
  for (auto i = begin; i != end; ++i) found.push_back(i->second->failure);
  return found;
}

Cache::Failures::iterator Cache::failure_of(std::uint64_t key, const KnownFailure* failure) noexcept {
  const auto [begin, end] = failures_.equal_range(key);
  const auto at = std::find_if(begin, end, [&](const auto& entry) { return entry.second->failure.get() == failure; });
  return at != end ? at : failures_.end();
}

void Cache::touch_failure(std::uint64_t key, const KnownFailure* failure) noexcept {
  const auto at = failure_of(key, failure);
  if (at == failures_.end()) return;
  at->second->since = ++clock_;
  failed_.splice(failed_.begin(), failed_, at->second);
}

void Cache::insert_failure(std::uint64_t key, KnownFailurePtr failure, Released& released) {
  const std::size_t bytes = failure->bytes;
  if (max_failures_ == 0 || bytes > byte_budget_ || !failure->source.modules->empty()) return;
  std::list<Failed> newest{{std::move(failure), key, clock_ + 1}};
  failures_.emplace(key, newest.begin());
  ++clock_;
  failed_.splice(failed_.begin(), newest);
  bytes_ += bytes;
  if (failed_.size() > max_failures_) give_up_oldest_failure(released);
  shrink(byte_budget_, released);
}

void Cache::forget_failure(std::uint64_t key, const KnownFailure* failure, Released& released) noexcept {
  if (const auto at = failure_of(key, failure); at != failures_.end()) give_up(at, released);
}

void Cache::give_up(Failures::iterator failure, Released& released) noexcept {
  bytes_ -= failure->second->failure->bytes;
  released.failures.splice(released.failures.end(), failed_, failure->second);
  failures_.erase(failure);
}

void Cache::give_up_oldest_failure(Released& released) noexcept {
  const Failed& oldest = failed_.back();
  give_up(failure_of(oldest.key, oldest.failure.get()), released);
}

}  // namespace lazyfx::compile
