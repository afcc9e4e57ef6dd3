#include "graph/node_table.hpp"

#include <utility>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace detail {
namespace {

// What a long stretch of edits without a freeze may leave waiting before it is looked at.
constexpr std::size_t retired_batch = 4096;

/// Into `copy`, which can be swept at any time if an allocation fails.
void deep_copy(const Chunk* chunk, Chunk*& copy, std::uint64_t epoch) {
  if (!chunk) return;
  if (chunk->kind == Owned::Kind::leaf) {
    const auto& from = *static_cast<const Leaf*>(chunk);
    auto* const leaf = new Leaf(from);
    copy = leaf;
    leaf->born = epoch;
    for (auto& row : leaf->rows) row.body = nullptr;
    for (std::size_t i = 0; i < leaf_size; ++i) {
      if (!from.rows[i].body) continue;
      leaf->rows[i].body = new NodeBody(*from.rows[i].body);
      leaf->rows[i].body->born = epoch;
    }
  } else {
    auto* const inner = new Inner();
    copy = inner;
    inner->born = epoch;
    for (std::size_t i = 0; i < inner_size; ++i) deep_copy(static_cast<const Inner*>(chunk)->children[i], inner->children[i], epoch);
  }
}

}  // namespace

NodeTable::NodeTable() : history_(std::make_shared<History>()) {}

NodeTable::NodeTable(const NodeTable& other) : history_(std::make_shared<History>()), now_(other.now_) {
  now_.root = nullptr;
  try {
    deep_copy(other.now_.root, now_.root, epoch_);
  } catch (...) {
    history_->close(now_, nullptr);
    throw;
  }
}

NodeTable::~NodeTable() { history_->close(now_, std::exchange(retired_, nullptr)); }

void NodeTable::retire(Owned* owned) noexcept {
  owned->next_retired = std::exchange(retired_, owned);
  if (++retired_count_ < retired_batch) return;
  retired_count_ = 0;
  history_->retire(std::exchange(retired_, nullptr));
}

/// Makes what is in `slot` the editor's own.
template <class T>
void NodeTable::own(T*& slot) {
  if (!slot) {
    slot = new T();
    slot->born = epoch_;
  } else if (history_->shares(*slot)) {
    T* const copy = new T(*slot);
    copy->born = epoch_;
    retire(std::exchange(slot, copy));
  }
}

void NodeTable::prefetch(NodeId id) const noexcept {
  constexpr std::size_t line = 64;
  const Leaf* const leaf = now_.leaf_of(id);
  for (std::size_t i = 0; i < sizeof *leaf; i += line) __builtin_prefetch(reinterpret_cast<const char*>(leaf) + i);
  const NodeBody* const body = leaf->rows[row_in_leaf(id)].body;
  for (std::size_t i = 0; body && i < sizeof *body; i += line) __builtin_prefetch(reinterpret_cast<const char*>(body) + i);
}

NodeRecord& NodeTable::edit_row(NodeId id) {
  Chunk** slot = &now_.root;
  for (unsigned level = now_.height; level != 0; --level) {
    auto* inner = static_cast<Inner*>(*slot);
    own(inner);
    *slot = inner;
    inner->hashes.forget();
    slot = &inner->children[child_at(id, level)];
  }
  auto* leaf = static_cast<Leaf*>(*slot);
  own(leaf);
  *slot = leaf;
  leaf->hashes.forget();
  return leaf->rows[row_in_leaf(id)];
}

NodeId NodeTable::add(std::unique_ptr<NodeBody>& body, NodeId next) {
  const std::size_t i = now_.limit;
  if (i >= index_of(no_node)) throw Error(ErrorKind::resource, "The graph has given out every node id");
  if (now_.root && i >> child_bits(now_.height + 1) != 0) {
    auto* root = new Inner();
    root->born = epoch_;
    root->children[0] = now_.root;
    now_.root = root;
    ++now_.height;
  }
  const NodeId id{static_cast<std::uint32_t>(i)};
  edit_row(id);
  if (next != no_node)
    own_surroundings(next);
  else if (now_.tail != no_node)
    edit_row(now_.tail);
  body->born = epoch_;
  edit_row(id).body = body.release();
  ++now_.limit;
  ++now_.size;
  link_before(id, next);
  return id;
}

NodeBody& NodeTable::edit(NodeId id) {
  NodeRecord& row = edit_row(id);
  own(row.body);
  row.body->hashes.forget();
  return *row.body;
}

void NodeTable::set_arguments(NodeId id, Arguments args, Keywords kwargs) {
  NodeRecord& row = edit_row(id);
  if (history_->shares(*row.body)) {
    auto* const copy = new NodeBody(*row.body, std::move(args), std::move(kwargs));
    copy->born = epoch_;
    retire(std::exchange(row.body, copy));
  } else {
    row.body->args = std::move(args);
    row.body->kwargs = std::move(kwargs);
    row.body->hashes.forget();
  }
}

void NodeTable::own_surroundings(NodeId id) {
  const NodeRecord r = row(id);
  for (const NodeId near : {id, r.prev, r.next}) {
    if (near != no_node) edit_row(near);
  }
}

void NodeTable::link_before(NodeId id, NodeId next) {
  const NodeId prev = next == no_node ? now_.tail : row(next).prev;
  NodeRecord& r = edit_row(id);
  r.prev = prev;
  r.next = next;
  if (prev == no_node)
    now_.head = id;
  else
    edit_row(prev).next = id;
  if (next == no_node)
    now_.tail = id;
  else
    edit_row(next).prev = id;
}

void NodeTable::unlink(NodeId id) {
  const NodeRecord r = row(id);
  if (r.prev == no_node)
    now_.head = r.next;
  else
    edit_row(r.prev).next = r.next;
  if (r.next == no_node)
    now_.tail = r.prev;
  else
    edit_row(r.next).prev = r.prev;
}

void NodeTable::erase(NodeId id) {
  unlink(id);
  NodeBody* const body = std::exchange(edit_row(id).body, nullptr);
  --now_.size;
  if (history_->shares(*body))
    retire(body);
  else
    destroy(body);
}

std::shared_ptr<const Snapshot::Impl> NodeTable::freeze() {
  auto picture = std::make_shared<Snapshot::Impl>(now_);
  retired_count_ = 0;
  if (retired_) history_->retire(std::exchange(retired_, nullptr));
  picture->version = epoch_++;
  history_->add(*picture);
  picture->history = history_;
  return picture;
}

}  // namespace detail

Snapshot::Impl::~Impl() {
  if (history) history->drop(*this);
}

}  // namespace lazyfx
