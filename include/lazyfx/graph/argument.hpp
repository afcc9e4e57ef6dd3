// Stability: stable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx {

/// Names a node within its graph. Ids are given out in order of creation and never reused.
enum class NodeId : std::uint32_t {};
inline constexpr NodeId no_node{0xffffffffU};

class Node;

/// An argument of a node, after torch.fx's Argument: nothing, a scalar, a string, a dtype, a constant tensor, another node, or a
/// list, tuple, dict or slice of arguments. Immutable (to change an argument, assign a new one to the node) and cheap to copy.
/// Aggregates nest at most `max_depth` deep (making a deeper one throws Error(invalid_argument)), so walking one may recurse.
/// Thread safety: a value, readable from any thread.
class LAZYFX_API Argument {
 public:
  using Items = std::vector<Argument>;
  using Entries = std::vector<std::pair<std::string, Argument>>;  // in insertion order, keys unique
  struct Slice;                                                    // defined below
  static constexpr unsigned max_depth = 128;

  Argument() noexcept = default;                          ///< none
  // NOLINTBEGIN(google-explicit-constructor): arguments are written as literals
  template <std::same_as<bool> Bool>  // a template, so that no pointer turns into true
  Argument(Bool v) noexcept : v_(bool{v}) {}
  Argument(int v) noexcept : v_(std::int64_t{v}) {}
  Argument(std::int64_t v) noexcept : v_(v) {}
  Argument(double v) noexcept : v_(v) {}
  Argument(std::string v) : v_(std::move(v)) {}
  Argument(const char* v) : v_(std::string(v)) {}
  Argument(DType v) noexcept : v_(v) {}
  Argument(Tensor v) noexcept : v_(std::move(v)) {}
  Argument(const Node& node);  ///< throws Error(invalid_argument) for an undefined node
  Argument(NodeId id) noexcept : v_(NodeRef{id, nullptr}) {}
  // NOLINTEND(google-explicit-constructor)
  static Argument list(Items items);
  static Argument tuple(Items items);
  /// Throws Error(invalid_argument) on a repeated key.
  static Argument dict(Entries entries);
  static Argument slice(Argument start, Argument stop, Argument step);
  static Argument ints(const std::vector<std::int64_t>& values);  ///< a list of integers

  bool is_none() const noexcept { return v_.index() == 0; }
  bool is_bool() const noexcept { return std::holds_alternative<bool>(v_); }
  bool is_int() const noexcept { return std::holds_alternative<std::int64_t>(v_); }
  bool is_double() const noexcept { return std::holds_alternative<double>(v_); }
  bool is_string() const noexcept { return std::holds_alternative<std::string>(v_); }
  bool is_dtype() const noexcept { return std::holds_alternative<DType>(v_); }
  bool is_tensor() const noexcept { return std::holds_alternative<Tensor>(v_); }
  bool is_node() const noexcept { return std::holds_alternative<NodeRef>(v_); }
  bool is_list() const noexcept { return std::holds_alternative<List>(v_); }
  bool is_tuple() const noexcept { return std::holds_alternative<Tuple>(v_); }
  bool is_dict() const noexcept { return std::holds_alternative<Dict>(v_); }
  bool is_slice() const noexcept { return std::holds_alternative<SliceRef>(v_); }

  /// Each throws Error(invalid_argument) naming both kinds when the argument is of another kind. as_double takes an int too.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  DType as_dtype() const;
  const Tensor& as_tensor() const;
  NodeId as_node() const;
  const Items& items() const;      ///< of a list or tuple
  const Entries& entries() const;  ///< of a dict
  const Slice& as_slice() const;
  const char* kind() const noexcept;

  /// The graph whose node this is, where the argument was made from a Node handle and not yet stored; nullptr otherwise.
  const void* origin() const noexcept;

  /// Deep equality; tensors by contents, doubles bit for bit, nodes by id.
  friend LAZYFX_API bool operator==(const Argument& a, const Argument& b);

 private:
  struct NodeRef {
    NodeId id;
    const void* graph;
  };
  struct List {
    std::shared_ptr<const Items> items;
    unsigned depth;
  };
  struct Tuple {
    std::shared_ptr<const Items> items;
    unsigned depth;
  };
  struct Dict {
    std::shared_ptr<const Entries> entries;
    unsigned depth;
  };
  struct SliceRef {
    std::shared_ptr<const Slice> slice;
    unsigned depth;
  };
  unsigned depth() const noexcept;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, DType, Tensor, NodeRef, List, Tuple, Dict, SliceRef> v_;
};

struct Argument::Slice {
  Argument start, stop, step;
};

/// Calls `visit` on every node id inside, depth first, left to right, repeated uses included. Iterative: depth is no concern.
template <class Visit> void for_each_node(const Argument& argument, Visit&& visit);

/// The same structure with every node replaced by what `f` returns (torch.fx map_arg); shares what does not change.
LAZYFX_API Argument map_nodes(const Argument& argument, const std::function<Argument(NodeId)>& f);

using Arguments = std::vector<Argument>;
using Keywords = Argument::Entries;

}  // namespace lazyfx

#include "lazyfx/graph/argument_inl.hpp"
