#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lazyfx::compile {

/// What is alive, by what it was made from. Whoever has an entry shares it with whoever asks for an equal key; the table itself keeps nothing,
/// so an entry goes when its last user goes. Any thread; contents are compared and entries are destroyed without the lock. Make it with
/// std::make_shared: entries hold the table.
template <class Key, class Value>
class AliveTable : public std::enable_shared_from_this<AliveTable<Key, Value>> {
 public:
  class Entry {
   public:
    Entry(std::shared_ptr<AliveTable> table, std::uint64_t hash, Key key, Value value)
        : key(std::move(key)), value(std::move(value)), table_(std::move(table)), hash_(hash) {}
    ~Entry() { table_->forget(*this); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    const Key key;
    const Value value;

   private:
    friend class AliveTable;
    const std::shared_ptr<AliveTable> table_;
    const std::uint64_t hash_;
  };
  using EntryPtr = std::shared_ptr<const Entry>;

  /// null: none is alive.
  EntryPtr find(std::uint64_t hash, const Key& key) const {
    std::vector<EntryPtr> candidates;  // outlives the lock: the last user may have gone meanwhile
    {
      const std::lock_guard lock(mutex_);
      const auto [begin, end] = entries_.equal_range(hash);
      for (auto at = begin; at != end; ++at) {
        if (auto entry = at->second.second.lock()) candidates.push_back(std::move(entry));
      }
    }
    for (EntryPtr& candidate : candidates) {
      if (candidate->key == key) return std::move(candidate);
    }
    return nullptr;
  }

  /// Two threads that found none may each insert theirs: both are right.
  EntryPtr insert(std::uint64_t hash, Key key, Value value) {
    auto entry = std::make_shared<Entry>(this->shared_from_this(), hash, std::move(key), std::move(value));
    const std::lock_guard lock(mutex_);
    entries_.emplace(hash, std::pair(static_cast<const Entry*>(entry.get()), std::weak_ptr<const Entry>(entry)));
    return entry;
  }

 private:
  void forget(const Entry& entry) noexcept {
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = entries_.equal_range(entry.hash_);
    for (auto at = begin; at != end; ++at) {
      if (at->second.first != &entry) continue;
      entries_.erase(at);
      return;
    }
  }

  mutable std::mutex mutex_;
  std::unordered_multimap<std::uint64_t, std::pair<const Entry*, std::weak_ptr<const Entry>>> entries_;  // protected by mutex_
};

}  // namespace lazyfx::compile
