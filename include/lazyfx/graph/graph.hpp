// Stability: stable.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/graph/snapshot.hpp"

namespace lazyfx {

class NodeRange;
class InsertionScope;
class HookHandle;
namespace detail {
struct GraphTables;
}

/// The torch.fx IR: an ordered list of nodes, held as a table of chunks. Edits clone only the chunks that a snapshot shares.
///
/// Thread safety: one editor at a time; nothing here locks. `freeze()` hands out what other threads may read.
/// Cost: every operation is linear in what it touches; none recurses, so chains of a million nodes are ordinary.
/// Errors: Error(invalid_argument) for a wrong call, Error(invalid_graph) for a broken rule; the graph is unchanged after either,
/// and after running out of memory. A node of another graph, or an erased one, is refused as an argument at once ("does not belong
/// to this Graph"), where torch.fx finds it in lint.
class LAZYFX_API Graph {
 public:
  Graph();
  Graph(const Graph& other);  ///< deep copy: same ids, names, order, types and metadata; hooks are not copied
  Graph& operator=(const Graph&) = delete;
  Graph(Graph&&) = delete;  // Node handles point here
  ~Graph();

  // Building. New nodes go to the insertion point (the end, unless an InsertionScope is open). `name` is a wish: the node's name is
  // derived from it (else from the target: "onnx::BatchNormalization" gives batch_normalization) and made unique by a number. It is
  // an identifier and no reserved word of Python. The names of erased and renamed nodes may be given again (unlike in torch.fx).
  Node placeholder(std::string name, std::optional<TensorType> type = {}, std::optional<Argument> default_value = {});
  Node get_attr(std::string path, std::optional<TensorType> type = {});
  Node call_function(std::string target, Arguments args = {}, Keywords kwargs = {}, std::string_view name = {});
  Node call_method(std::string method, Arguments args, Keywords kwargs = {}, std::string_view name = {});
  Node call_module(std::string path, Arguments args = {}, Keywords kwargs = {}, std::string_view name = {});
  Node output(Argument result);
  Node create_node(Opcode op, std::string target, Arguments args = {}, Keywords kwargs = {}, std::string_view name = {},
                   std::optional<TensorType> type = {});
  /// Copies a node of any graph here; its arguments go through `transform` (id in the other graph -> argument here), which must
  /// map every node used. Type and metadata come along.
  Node node_copy(Node node, const std::function<Argument(Node)>& transform);
  /// Copies all nodes of `other` but its output and those already in `values` (other's id -> argument here, extended on the way);
  /// returns what other's output returns, mapped; none when it has no output.
  Argument graph_copy(const Graph& other, std::unordered_map<std::uint32_t, Argument>& values);

  /// New nodes go before / after `node` while the returned scope lives; scopes nest and restore. An undefined node means the
  /// start (before) or the end (after) of the graph. Nodes of one scope stand in order of creation, after `inserting_after` too
  /// (torch.fx reverses them there). A scope goes on in the same place when its anchor is erased.
  [[nodiscard]] InsertionScope inserting_before(Node node);
  [[nodiscard]] InsertionScope inserting_after(Node node);

  // Editing
  /// Removes a node that nobody uses; throws Error(invalid_graph) that names the users otherwise. A node already erased is left alone
  /// (returns false).
  bool erase_node(Node node);
  /// Erases, from the end, nodes without users for which `is_impure` is false (placeholders and the output always stay). True if any
  /// was. Calls lint() first, since one pass is enough only if nodes are defined before they are used.
  bool eliminate_dead_code(const std::function<bool(Node)>& is_impure);

  // Looking
  std::size_t size() const noexcept;  ///< live nodes
  NodeRange nodes() const;            ///< in graph order; safe while nodes are inserted, moved or erased
  Node node(NodeId id) const;         ///< throws when there never was such a node
  Node find(std::string_view name) const;  ///< by name; undefined when absent
  /// Nodes of one opcode (and target, if not empty) in graph order.
  std::vector<Node> find_nodes(Opcode op, std::string_view target = {}) const;
  Node output_node() const;  ///< undefined when there is none
  std::vector<Node> placeholders() const;

  /// Checks every rule of the IR: arguments defined before use, names unique, one output at the end, placeholders named, use lists
  /// consistent. Throws Error(invalid_graph) naming the first node that breaks one. Attribute and module paths are checked by
  /// GraphModule::lint, operators by their registry.
  void lint() const;

  /// An immutable picture of the graph as it is now. Cost: what was touched since the last freeze, plus O(log n) at the next edits.
  Snapshot freeze() const;
  /// Counts edits; equal numbers mean nothing was edited in between.
  std::uint64_t edit_count() const noexcept;

  // Hooks run on the editor's thread, inside the edit, in order of registration: after a creation, before an erasure or replacement.
  // What they throw reaches the editor; a creation stands then, the others do not happen. A hook may edit the graph, and may
  // register and unregister hooks, itself included.
  [[nodiscard]] HookHandle on_create(std::function<void(Node)> hook);
  [[nodiscard]] HookHandle on_erase(std::function<void(Node)> hook);
  /// (old node, name of the new one, user) for each use that is replaced.
  [[nodiscard]] HookHandle on_replace(std::function<void(Node, const std::string&, Node)> hook);

  /// One aligned row a node: opcode, name, target, args, kwargs.
  void print_tabular(std::ostream& out) const;

  struct Impl;

 private:
  friend class Node;
  friend class NodeRange;
  friend class InsertionScope;
  friend class HookHandle;
  friend struct detail::GraphTables;  // saving and restoring
  std::unique_ptr<Impl> impl_;
};

/// "graph():" and one Node::format() line a node.
LAZYFX_API std::string to_string(const Graph& graph);

/// Restores the insertion point when it ends. Scopes end in reverse order of their making, before their graph does.
class LAZYFX_API InsertionScope {
 public:
  InsertionScope(InsertionScope&& other) noexcept;
  InsertionScope& operator=(InsertionScope&&) = delete;
  ~InsertionScope();

 private:
  friend class Graph;
  InsertionScope(Graph* graph, NodeId before, bool follows) noexcept;
  Graph* graph_;
  NodeId previous_;
  bool previous_follows_;
};

/// Unregisters its hook when destroyed; may outlive its graph.
class LAZYFX_API HookHandle {
 public:
  HookHandle() noexcept = default;
  explicit HookHandle(std::function<void()> unregister) : unregister_(std::move(unregister)) {}
  HookHandle(HookHandle&& other) noexcept : unregister_(std::exchange(other.unregister_, nullptr)) {}
  HookHandle& operator=(HookHandle&& other) noexcept {
    std::swap(unregister_, other.unregister_);
    return *this;
  }
  ~HookHandle() {
    if (unregister_) unregister_();
  }

 private:
  std::function<void()> unregister_;
};

/// Iteration in graph order that survives edits: an erased node is skipped, a node inserted further on is met. From a node that is
/// erased while one stands on it, iteration goes on with the neighbours that it had.
class LAZYFX_API NodeRange {
 public:
  class LAZYFX_API Iterator {
   public:
    using value_type = Node;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::forward_iterator_tag;
    using pointer = void;
    using reference = Node;
    Iterator() = default;
    Node operator*() const { return Node(graph_, id_); }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.id_ == b.id_; }

   private:
    friend class NodeRange;
    Iterator(Graph* graph, NodeId id, bool reverse) : graph_(graph), id_(id), reverse_(reverse) {}
    Graph* graph_ = nullptr;
    NodeId id_ = no_node;
    bool reverse_ = false;
  };
  Iterator begin() const;
  Iterator end() const { return {graph_, no_node, reverse_}; }
  NodeRange reversed() const { return {graph_, !reverse_}; }
  std::size_t size() const;

 private:
  friend class Graph;
  NodeRange(Graph* graph, bool reverse) : graph_(graph), reverse_(reverse) {}
  Graph* graph_;
  bool reverse_;
};

}  // namespace lazyfx
