// Stability: stable.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/argument.hpp"
#include "lazyfx/graph/opcode.hpp"
#include "lazyfx/tensor/type.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx {

class Graph;
namespace detail {
class NodeTable;
struct NodeBody;
}  // namespace detail

/// Facts about a node that no compile reads, by key: "stack_trace", "onnx_name", a user's own.
using Metadata = std::map<std::string, Value, std::less<>>;

/// A light handle {graph, id} on one node of a live graph, after torch.fx's Node. Copy it freely; it owns nothing and is valid while
/// its graph lives (after the node is erased only erased(), id(), next() and prev() may be asked).
/// Thread safety: as its graph: one editor at a time. References returned are valid until the next edit of the graph.
/// Every setter keeps both sides of the use lists right, and throws Error(invalid_argument) for a node of another graph.
class LAZYFX_API Node {
 public:
  Node() noexcept = default;  ///< refers to nothing; defined() is false
  Node(Graph* graph, NodeId id) noexcept : graph_(graph), id_(id) {}

  bool defined() const noexcept { return graph_ != nullptr; }
  Graph& graph() const noexcept { return *graph_; }
  NodeId id() const noexcept { return id_; }
  bool erased() const;

  Opcode op() const;
  const std::string& name() const;
  const std::string& target() const;
  const Arguments& args() const;
  const Keywords& kwargs() const;
  /// Argument `i`; throws Error(invalid_argument) when there are fewer.
  const Argument& arg(std::size_t i) const;
  /// Keyword argument, or nullptr.
  const Argument* kwarg(std::string_view key) const;
  /// What is known of the value this node makes, if anything is.
  const std::optional<TensorType>& type() const;
  const Metadata& meta() const;

  /// Who uses this node, each once, in the order in which they began to; a user whose arguments are reassigned keeps its place
  /// if it goes on using the node.
  std::vector<Node> users() const;
  std::size_t user_count() const;
  /// Nodes used by args then kwargs, each once, in order of first use.
  std::vector<Node> all_input_nodes() const;
  /// Neighbours in graph order; undefined at the ends.
  Node next() const;
  Node prev() const;

  void set_target(std::string target);
  void set_op(Opcode op, std::string target);
  void set_args(Arguments args);
  void set_kwargs(Keywords kwargs);
  /// Replaces args[i]; throws when there are fewer.
  void update_arg(std::size_t i, Argument value);
  void update_kwarg(std::string_view key, Argument value);
  /// Inserts before args[i], i <= args().size().
  void insert_arg(std::size_t i, Argument value);
  void set_type(std::optional<TensorType> type);
  /// Gives the node a new unique name derived from `name`; replace hooks see it. Returns the name given.
  const std::string& rename(std::string_view name);
  void set_meta(std::string key, Value value);
  void erase_meta(std::string_view key);

  /// Makes every user (for which `filter` holds, if given) use `replacement` instead; returns those changed, in order.
  /// With `propagate_meta`, moves this node's metadata over; throws Error(invalid_argument) if the replacement has any.
  std::vector<Node> replace_all_uses_with(Node replacement, const std::function<bool(Node)>& filter = {}, bool propagate_meta = false);
  /// Replaces every occurrence of `old_input` within this node's arguments.
  void replace_input_with(Node old_input, Node new_input);
  /// Moves `node` directly before (prepend) or after (append) this one; moving a node next to itself changes nothing.
  void prepend(Node node);
  void append(Node node);

  /// "%add : [num_users=1] = call_function[target=onnx::Add](args = (%x, %y), kwargs = {})"
  std::string format() const;

  friend bool operator==(const Node& a, const Node& b) noexcept { return a.graph_ == b.graph_ && a.id_ == b.id_; }
  /// Graph order; O(1). REQUIRES: same graph.
  friend bool operator<(const Node& a, const Node& b) { return a.precedes(b); }

 private:
  const detail::NodeTable& table() const;
  const detail::NodeBody& body() const;
  void require_live(const char* doing) const;
  bool precedes(const Node& other) const;
  Graph* graph_ = nullptr;
  NodeId id_ = no_node;
};

}  // namespace lazyfx
