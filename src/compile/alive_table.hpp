#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "fork.hpp"

namespace lazyfx::compile {

/// What is alive, by what it was made from. Whoever has an entry shares it with whoever asks for an equal key; the table itself keeps nothing,
/// so an entry goes when its last user goes. Any thread; contents are compared and entries are destroyed without the lock. Make it with
/// std::make_shared: entries hold the table.
template <class Key, class Value>
class AliveTable : public std::enable_shared_from_this<AliveTable<Key, Value>> {
 public:
  class Entry {
   public:
    Entry(std::shared_ptr<AliveTable> table, std::uint64_t hash, Key made_from, Value made)
        : key(std::move(made_from)), value(std::move(made)), table_(std::move(table)), hash_(hash) {}
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

  /// null: none is alive, or too many others are that look alike.
  EntryPtr find(std::uint64_t hash, const Key& key) const {
    std::array<EntryPtr, most_compared> candidates;  // outlives the lock: the last user may have gone meanwhile
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      for (auto at = entries_.lower_bound({hash, 0}); at != entries_.end() && at->first.first == hash && count < most_compared; ++at) {
        candidates[count] = at->second.lock();
        count += candidates[count] != nullptr;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (candidates[i]->key == key) return std::move(candidates[i]);
    }
    return nullptr;
  }

  /// Equal keys may be in it more than once.
  EntryPtr insert(std::uint64_t hash, Key key, Value value) {
    auto entry = std::make_shared<Entry>(this->shared_from_this(), hash, std::move(key), std::move(value));
    const std::lock_guard lock(mutex_);
    entries_.emplace(place_of(*entry), entry);
    return entry;
  }

 private:
  /// Hash and address: of many entries that look alike, each is found at once when it goes.
  using Place = std::pair<std::uint64_t, std::uintptr_t>;
  static Place place_of(const Entry& entry) noexcept { return {entry.hash_, reinterpret_cast<std::uintptr_t>(&entry)}; }

  void forget(const Entry& entry) noexcept {
    if (origin_.inherited()) return;
    const std::lock_guard lock(mutex_);
    entries_.erase(place_of(entry));
  }

  static constexpr std::size_t most_compared = 8;
  const detail::Origin origin_;
  mutable std::mutex mutex_;
  std::map<Place, std::weak_ptr<const Entry>> entries_;  // protected by mutex_
};

}  // namespace lazyfx::compile
