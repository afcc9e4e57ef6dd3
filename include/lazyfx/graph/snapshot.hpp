// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/argument.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/graph/opcode.hpp"
#include "lazyfx/tensor/type.hpp"

namespace lazyfx {

struct NodeRecord;  // one row of the table, in src/graph/node_table.hpp

/// One node of a snapshot, read only. Valid while a Snapshot of the same graph lives.
class LAZYFX_API NodeView {
 public:
  NodeId id() const noexcept { return id_; }
  Opcode op() const noexcept;
  const std::string& name() const noexcept;
  const std::string& target() const noexcept;
  const Arguments& args() const noexcept;
  const Keywords& kwargs() const noexcept;
  const Argument* kwarg(std::string_view key) const noexcept;
  const std::optional<TensorType>& type() const noexcept;
  const Metadata& meta() const noexcept;

 private:
  friend class Snapshot;
  NodeView(NodeId id, const NodeRecord* record) noexcept : id_(id), record_(record) {}
  NodeId id_;
  const NodeRecord* record_;
};

/// What a graph was at one moment: immutable, safe to read from any thread, sharing every untouched chunk with the live graph.
/// Copying one copies a pointer.
class LAZYFX_API Snapshot {
 public:
  class Iterator;

  Snapshot();  ///< of an empty graph

  std::size_t size() const noexcept;
  /// Ids are below this: what a table indexed by id needs.
  std::size_t id_limit() const noexcept;
  /// Node `id`. REQUIRES: a live node of this snapshot.
  NodeView node(NodeId id) const noexcept;
  Iterator begin() const noexcept;  ///< graph order
  Iterator end() const noexcept;

  /// Hash of opcodes, targets, arguments, types and order, ids included and names, metadata and the contents of constant tensors
  /// excluded. Computed per chunk and kept there: after an edit only touched chunks are hashed again. Thread safe.
  std::uint64_t structure_fingerprint() const;
  /// Hash of the contents of constant tensors inside arguments; likewise incremental.
  std::uint64_t constants_fingerprint() const;
  /// Compares what both fingerprints cover; shared chunks are equal without a look.
  bool same_content(const Snapshot& other) const;
  /// The same picture, by identity of the table (cheap).
  bool is_same(const Snapshot& other) const noexcept { return impl_ == other.impl_; }

  struct Impl;

 private:
  friend class Graph;
  explicit Snapshot(std::shared_ptr<const Impl> impl) noexcept : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

class LAZYFX_API Snapshot::Iterator {
 public:
  using value_type = NodeView;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::forward_iterator_tag;
  using pointer = void;
  using reference = NodeView;
  NodeView operator*() const { return snapshot_->node(id_); }
  Iterator& operator++() noexcept;
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.id_ == b.id_; }

 private:
  friend class Snapshot;
  Iterator(const Snapshot* snapshot, NodeId id) noexcept : snapshot_(snapshot), id_(id) {}
  const Snapshot* snapshot_;
  NodeId id_;
};

}  // namespace lazyfx
