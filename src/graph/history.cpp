#include "graph/history.hpp"

#include <utility>

#include "graph/node_table.hpp"

namespace lazyfx::detail {
namespace {

/// Moves what was born by `version` from `list` to `kept`; returns the rest.
Owned* split(Owned* list, std::uint64_t version, Owned*& kept) noexcept {
  Owned* rest = nullptr;
  while (list) {
    Owned* const owned = std::exchange(list, list->next_retired);
    Owned*& onto = owned->born <= version ? kept : rest;
    owned->next_retired = std::exchange(onto, owned);
  }
  return rest;
}

/// Frees everything under `chunk` that was born after `version`. Nothing under an older chunk is younger in the eyes of a live
/// snapshot: a chunk is changed in place only while no live snapshot sees it.
void sweep(Chunk* chunk, std::uint64_t version) noexcept {
  if (!chunk || chunk->born <= version) return;
  if (chunk->kind == Owned::Kind::leaf) {
    for (auto& row : static_cast<Leaf*>(chunk)->rows) {
      if (row.body && row.body->born > version) destroy(row.body);
    }
  } else {
    for (Chunk* child : static_cast<Inner*>(chunk)->children) sweep(child, version);
  }
  destroy(chunk);
}

}  // namespace

void destroy(Owned* owned) noexcept {
  switch (owned->kind) {
    case Owned::Kind::leaf: delete static_cast<Leaf*>(owned); break;
    case Owned::Kind::inner: delete static_cast<Inner*>(owned); break;
    case Owned::Kind::body: delete static_cast<NodeBody*>(owned); break;
  }
}

void destroy_list(Owned* owned) noexcept {
  while (owned) destroy(std::exchange(owned, owned->next_retired));
}

void History::retire(Owned* list) noexcept {
  if (origin_.inherited()) return;
  {
    const std::lock_guard lock(mutex_);
    if (last_) list = split(list, last_->version, last_->dead);
  }
  destroy_list(list);
}

void History::add(Snapshot::Impl& picture) noexcept {
  if (origin_.inherited()) return newest_.store(picture.version, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  picture.older = last_;
  if (last_) last_->newer = &picture;
  last_ = &picture;
  newest_.store(picture.version, std::memory_order_release);
}

void History::drop(Snapshot::Impl& picture) noexcept {
  if (origin_.inherited()) return;
  Owned* garbage = nullptr;
  {
    const std::lock_guard lock(mutex_);
    Snapshot::Impl* const older = picture.older;
    Snapshot::Impl* const newer = picture.newer;
    const std::uint64_t seen = older ? older->version : 0;
    (newer ? newer->older : last_) = older;
    if (older) older->newer = newer;
    if (newer || editor_) {
      Owned* nobody = nullptr;
      garbage = split(picture.dead, seen, older ? older->dead : nobody);
    } else {
      // The last picture owns all that it sees; the next older one is the last now, and what waits on its list is in its own tree.
      sweep(picture.root, seen);
      if (older) older->dead = nullptr;
    }
    if (!newer) newest_.store(seen, std::memory_order_release);
  }
  destroy_list(garbage);
}

void History::close(const Picture& picture, Owned* retired) noexcept {
  if (origin_.inherited()) return;
  Owned* garbage = nullptr;
  {
    const std::lock_guard lock(mutex_);
    editor_ = false;
    const std::uint64_t seen = last_ ? last_->version : 0;
    Owned* in_its_tree = nullptr;
    garbage = split(retired, seen, in_its_tree);
    sweep(picture.root, seen);
    if (last_) last_->dead = nullptr;
  }
  destroy_list(garbage);
}

}  // namespace lazyfx::detail
