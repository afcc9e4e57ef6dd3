#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/node_table.hpp"

namespace lazyfx::detail {

inline constexpr std::size_t opcodes = 6;

/// Finds nodes by opcode, and for functions by target, without walking the graph; keeps one copy of each function's name.
class TargetIndex {
 public:
  TargetIndex();
  /// The string to keep as the node's target.
  std::shared_ptr<const std::string> intern(Opcode op, std::string target);
  /// Makes sure that a following `add` of the same cannot fail.
  void prepare(NodeId id, Opcode op, const std::string& target);
  void add(NodeId id, Opcode op, const std::string& target);  ///< REQUIRES: prepare
  void remove(NodeId id) noexcept;
  /// In no particular order; those of every function when `op` is call_function and `target` is empty. Other opcodes ignore `target`.
  std::vector<NodeId> find(Opcode op, std::string_view target) const;

 private:
  struct Bucket {
    std::shared_ptr<const std::string> function;
    std::vector<NodeId> nodes;
  };
  struct Place {
    std::uint32_t bucket = 0;
    std::uint32_t position = 0;
  };
  std::uint32_t bucket_of(Opcode op, std::string_view target);

  std::vector<Bucket> buckets_;  // one per opcode, then one per function
  std::unordered_map<std::string_view, std::uint32_t> functions_;  // keys point into the buckets' strings
  std::vector<Place> places_;  // by node
};

}  // namespace lazyfx::detail
