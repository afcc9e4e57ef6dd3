#include "compile/cache.hpp"

#include <algorithm>
#include <iterator>

namespace lazyfx::compile {

Cache::Cache(std::size_t byte_budget, std::size_t max_failures) : byte_budget_(byte_budget), max_failures_(max_failures) {}

std::vector<std::shared_ptr<Executable>> Cache::find(std::uint64_t key) const {
  std::vector<std::shared_ptr<Executable>> found;
  const auto [begin, end] = table_.equal_range(key);
  for (auto i = begin; i != end; ++i) {
    if (auto alive = i->second.executable.lock()) found.push_back(std::move(alive));
  }
  return found;
}

void Cache::insert(std::uint64_t key, const std::shared_ptr<Executable>& executable, Released& released) {
  if (table_.size() >= sweep_at_) sweep();
  Entry entry;
  entry.executable = executable;
  keep(table_.emplace(key, entry), executable, released);
}

void Cache::touch(std::uint64_t key, const std::shared_ptr<Executable>& executable, Released& released) {
  const auto [begin, end] = table_.equal_range(key);
  for (auto i = begin; i != end; ++i) {
    if (i->second.executable.lock() == executable) return keep(i, executable, released);
  }
}

void Cache::keep(Table::iterator entry, const std::shared_ptr<Executable>& executable, Released& released) {
  Entry& e = entry->second;
  // What calls submodules of its own is nobody else's content.
  if (!executable->source().modules->empty()) return;
  const std::size_t bytes = executable->bytes();
  if (e.is_kept) {
    recent_.splice(recent_.begin(), recent_, e.kept);
    bytes_ += bytes - e.kept->bytes;
    e.kept->bytes = bytes;
  } else {
    if (bytes > byte_budget_) return;  // it would only push out all others
    if (!executable->source().modules->empty()) return;
    recent_.push_front({executable, entry->first, bytes});
    e.kept = recent_.begin();
    e.is_kept = true;
    bytes_ += bytes;
  }
  shrink(byte_budget_, released);
}

void Cache::shrink(std::size_t bytes, Released& released) noexcept {
  while (bytes_ > bytes && !recent_.empty()) {
    Kept& last = recent_.back();
    const auto [begin, end] = table_.equal_range(last.key);
    for (auto i = begin; i != end; ++i) {
      if (i->second.is_kept && &*i->second.kept == &last) {
        i->second.is_kept = false;
        break;
      }
    }
    bytes_ -= last.bytes;
    released.executables.splice(released.executables.end(), recent_, std::prev(recent_.end()));
  }
}

void Cache::sweep() {
  std::erase_if(table_, [](const auto& entry) { return entry.second.executable.expired(); });
  sweep_at_ = 2 * table_.size() + 64;
}

void Cache::trim(std::size_t bytes, Released& released) noexcept {
  shrink(bytes, released);
  if (bytes > 0) return;
  failures_.swap(released.failures);
  oldest_failures_.clear();
}

std::vector<std::shared_ptr<const Cache::KnownFailure>> Cache::failures(std::uint64_t key) const {
  std::vector<std::shared_ptr<const KnownFailure>> found;
  const auto [begin, end] = failures_.equal_range(key);
  for (auto i = begin; i != end; ++i) found.push_back(i->second);
  return found;
}

void Cache::insert_failure(std::uint64_t key, const Source& source, const Failure& failure, Released& released) {
  if (max_failures_ == 0 || !source.modules->empty()) return;
  if (failures_.size() >= max_failures_) {
    const auto [old_key, old] = oldest_failures_.front();
    forget_failure(old_key, old, released);
  }
  auto known = std::make_shared<const KnownFailure>(KnownFailure{source, failure});
  decltype(oldest_failures_) newest{{key, known.get()}};
  failures_.emplace(key, std::move(known));
  oldest_failures_.splice(oldest_failures_.end(), newest);
}

void Cache::forget_failure(std::uint64_t key, const KnownFailure* failure, Released& released) noexcept {
  const auto [begin, end] = failures_.equal_range(key);
  const auto at = std::find_if(begin, end, [&](const auto& entry) { return entry.second.get() == failure; });
  if (at == end) return;
  released.failure = at->second;
  failures_.erase(at);
  oldest_failures_.remove_if([&](const auto& entry) { return entry.second == failure; });
}

}  // namespace lazyfx::compile
