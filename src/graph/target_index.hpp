#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/id_index.hpp"
#include "graph/node_table.hpp"

namespace lazyfx::detail {

inline constexpr std::size_t opcodes = 6;

/// Finds nodes by opcode, and for functions by target, without walking the graph; lets the nodes of a function share its name. What a node
/// is stands in the table; here the nodes of one opcode, or function, are on a list.
class TargetIndex {
 public:
  explicit TargetIndex(const NodeTable& table) noexcept : table_(&table) { firsts_.fill(no_node); }
  TargetIndex(const TargetIndex& other, const NodeTable& table)
      : table_(&table), firsts_(other.firsts_), functions_(other.functions_), places_(other.places_) {}

  /// The string to keep as the node's target.
  Shared<std::string> intern(Opcode op, std::string target) const;
  /// Makes sure that a following `add` cannot fail.
  void prepare(NodeId id);
  void add(NodeId id) noexcept;  ///< REQUIRES: prepare, and the node in the table
  void remove(NodeId id) noexcept;  ///< REQUIRES: in the table the node is what it was when it was added
  /// In no particular order; those of every function when `op` is call_function and `target` is empty. Other opcodes ignore `target`.
  std::vector<NodeId> find(Opcode op, std::string_view target) const;

 private:
  struct Place {
    NodeId prev = no_node;
    NodeId next = no_node;
  };
  NodeId first_of(std::string_view function) const;

  const NodeTable* table_;
  std::array<NodeId, opcodes> firsts_;  // of each list but those of functions
  IdIndex functions_;                   // the first node of each function
  std::vector<Place> places_;           // by node
};

}  // namespace lazyfx::detail
