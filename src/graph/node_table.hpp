#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/history.hpp"
#include "graph/shared.hpp"
#include "lazyfx/graph/argument.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/graph/opcode.hpp"
#include "lazyfx/graph/snapshot.hpp"

namespace lazyfx {
namespace detail {

/// A hash that some reader has computed, or nothing yet. Readers may race to fill it: they all write the same number.
class CachedHash {
 public:
  CachedHash() = default;
  CachedHash(const CachedHash&) noexcept {}  // a copy is made to be changed
  CachedHash& operator=(const CachedHash&) = delete;
  std::optional<std::uint64_t> get() const noexcept {
    const auto v = value_.load(std::memory_order_relaxed);
    return v == unset ? std::nullopt : std::optional(v);
  }
  void set(std::uint64_t v) const noexcept { value_.store(v, std::memory_order_relaxed); }
  void forget() noexcept { value_.store(unset, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t unset = ~std::uint64_t{0};  // a hash that happens to be this is merely computed again
  mutable std::atomic<std::uint64_t> value_{unset};
};

struct Hashes {
  CachedHash structure, constants;
  void forget() noexcept { structure.forget(), constants.forget(); }
};

/// All that a node says of itself. What editing rarely changes is shared between the versions of a node.
struct NodeBody : Owned {
  NodeBody() : Owned(Kind::body) {}
  NodeBody(const NodeBody&) = default;
  /// All but the arguments from `other`.
  NodeBody(const NodeBody& other, Arguments a, Keywords k)
      : Owned(other),
        op(other.op),
        name(other.name),
        target(other.target),
        args(std::move(a)),
        kwargs(std::move(k)),
        type(other.type),
        meta(other.meta) {}
  NodeBody& operator=(const NodeBody&) = delete;

  Opcode op = Opcode::placeholder;
  std::string name;
  Shared<std::string> target;
  Arguments args;
  Keywords kwargs;
  Shared<std::optional<TensorType>> type;
  Shared<Metadata> meta;
  Hashes hashes;
};

}  // namespace detail

/// One row. An erased node has no body and keeps its links, so that whoever stands on it can go on.
struct NodeRecord {
  detail::NodeBody* body = nullptr;
  NodeId prev = no_node;
  NodeId next = no_node;
};

namespace detail {

// Small chunks make an edit cheap, large ones a walk: an edit copies one leaf and, at a million nodes, three inner chunks.
inline constexpr unsigned leaf_bits = 4;
inline constexpr unsigned inner_bits = 6;
inline constexpr std::size_t leaf_size = std::size_t{1} << leaf_bits;
inline constexpr std::size_t inner_size = std::size_t{1} << inner_bits;

struct Chunk : Owned {
  using Owned::Owned;
  Hashes hashes;
};
struct Leaf : Chunk {
  Leaf() : Chunk(Kind::leaf) {}
  std::array<NodeRecord, leaf_size> rows{};
};
struct Inner : Chunk {
  Inner() : Chunk(Kind::inner) {}
  std::array<Chunk*, inner_size> children{};
};

/// Makes room for `size` elements and, so that growing stays linear, for half as many more. A library's vector may double: of what many
/// small graphs take, that would be a good part.
template <class T>
void make_room(std::vector<T>& table, std::size_t size) {
  if (table.capacity() < size) table.reserve(size + size / 2);
}

constexpr std::size_t index_of(NodeId id) noexcept { return static_cast<std::size_t>(id); }
/// For tables with an element for each node that there ever was.
template <class T>
void cover(std::vector<T>& table, NodeId id) {
  make_room(table, index_of(id) + 1);
  if (table.size() <= index_of(id)) table.resize(index_of(id) + 1);
}
constexpr std::size_t row_in_leaf(NodeId id) noexcept { return index_of(id) & (leaf_size - 1); }
/// How many ids (as a power of two) one child of an inner chunk at `level` covers; leaves are at level 0.
constexpr unsigned child_bits(unsigned level) noexcept { return leaf_bits + inner_bits * (level - 1); }
constexpr std::size_t child_at(NodeId id, unsigned level) noexcept { return index_of(id) >> child_bits(level) & (inner_size - 1); }

/// A graph at one moment: a radix trie from ids to rows, and the ends of the list that runs through the rows.
struct Picture {
  Chunk* root = nullptr;
  unsigned height = 0;  ///< 0: the root is a leaf
  NodeId head = no_node;
  NodeId tail = no_node;
  std::size_t size = 0;   ///< live nodes
  std::size_t limit = 0;  ///< rows

  /// REQUIRES: index_of(id) < limit.
  const NodeRecord& row(NodeId id) const noexcept { return leaf_of(id)->rows[row_in_leaf(id)]; }
  const Leaf* leaf_of(NodeId id) const noexcept {
    const Chunk* chunk = root;
    for (unsigned level = height; level != 0; --level) chunk = static_cast<const Inner*>(chunk)->children[child_at(id, level)];
    return static_cast<const Leaf*>(chunk);
  }
};

/// The editor's side of the table: changes rows, cloning only the chunks on the path to one and only while a snapshot shares them.
/// What throws (allocation, mostly) changes nothing that can be seen.
class NodeTable {
 public:
  NodeTable();
  NodeTable(const NodeTable& other);  ///< deep
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  std::size_t size() const noexcept { return now_.size; }
  std::size_t limit() const noexcept { return now_.limit; }
  NodeId head() const noexcept { return now_.head; }
  NodeId tail() const noexcept { return now_.tail; }
  const NodeRecord& row(NodeId id) const noexcept { return now_.row(id); }
  const NodeBody& body(NodeId id) const noexcept { return *now_.row(id).body; }  ///< REQUIRES: live(id)
  bool known(NodeId id) const noexcept { return index_of(id) < now_.limit; }
  bool live(NodeId id) const noexcept { return known(id) && row(id).body != nullptr; }

  /// Asks for the memory that an edit of the node reads, all at once rather than one cache miss after another.
  void prefetch(NodeId id) const noexcept;
  /// A new node, directly before `next` (no_node: at the end). Throws Error(resource) when the ids have run out.
  /// Takes the body unless it throws.
  NodeId add(std::unique_ptr<NodeBody>& body, NodeId next);
  /// The node's body, to be changed at will until the next freeze.
  NodeBody& edit(NodeId id);
  /// The same for new arguments, without copying the old ones.
  void set_arguments(NodeId id, Arguments args, Keywords kwargs);
  /// Makes sure that moving or erasing this node, and putting one before it, cannot fail.
  void own_surroundings(NodeId id);
  /// Takes the node out of the list; it keeps its own links. link_before puts it back.
  /// REQUIRES: own_surroundings(id), and for link_before also of `next`.
  void unlink(NodeId id);
  void link_before(NodeId id, NodeId next);
  void erase(NodeId id);  ///< REQUIRES: own_surroundings(id)

  std::shared_ptr<const Snapshot::Impl> freeze();

 private:
  NodeRecord& edit_row(NodeId id);
  void retire(Owned* owned) noexcept;
  template <class T> void own(T*& slot);

  std::shared_ptr<History> history_;
  Picture now_;
  std::uint64_t epoch_ = 1;
  Owned* retired_ = nullptr;  // not yet handed to the history
  std::size_t retired_count_ = 0;
};

}  // namespace detail

struct Snapshot::Impl : detail::Picture {
  explicit Impl(const detail::Picture& picture) noexcept : Picture(picture) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  std::shared_ptr<detail::History> history;  ///< null for the picture of an empty graph
  std::uint64_t version = 0;

  // Protected by the history's mutex.
  Impl* older = nullptr;
  Impl* newer = nullptr;
  detail::Owned* dead = nullptr;  ///< seen here, by nobody newer
};

}  // namespace lazyfx
