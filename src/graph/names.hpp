#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/id_index.hpp"
#include "graph/node_table.hpp"
#include "lazyfx/graph/opcode.hpp"

namespace lazyfx::detail {

bool is_identifier(std::string_view text) noexcept;
/// Words of the language that code is rendered in (Python's keywords).
bool is_keyword(std::string_view word) noexcept;
/// Keywords and what a reader of the code takes for granted: Python's builtins, inf, nan, self and torch.fx's own.
bool is_reserved(std::string_view word) noexcept;

/// What a node is called when nobody says: onnx::BatchNormalization -> batch_normalization, __add__ -> add, layers.0 -> layers.0.
std::string name_hint(Opcode op, std::string_view target);

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept;
};
using NameCounts = std::unordered_map<std::string, std::uint64_t, NameHash, std::equal_to<>>;

/// The names of one graph's nodes, after torch.fx's _Namespace: identifiers, unique, never reserved; "add", then "add_1", "add_2".
/// Unlike there, the name of an erased or renamed node may be given again. The names themselves stand in the table, with their nodes.
class Names {
 public:
  explicit Names(const NodeTable& table) noexcept : table_(&table) {}
  Names(const Names& other, const NodeTable& table) : table_(&table), owners_(other.owners_), counts_(other.counts_) {}

  /// Makes a name out of `candidate` and gives it to `id`, which has it in the table before another is given or looked for, or which a
  /// Promise says to have it.
  std::string give(std::string_view candidate, NodeId id);
  void release(std::string_view name, NodeId id) noexcept { owners_.erase(hash(name), id); }
  NodeId find(std::string_view name) const;
  std::size_t size() const noexcept { return owners_.size(); }

  /// While it lives, a node has a name given that is not yet its own in the table. Promises end in reverse order of their making.
  class Promise {
   public:
    Promise(Names& names, std::string_view name, NodeId id) : names_(names) { names_.promised_.emplace_back(name, id); }
    ~Promise() { names_.promised_.pop_back(); }
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;

   private:
    Names& names_;
  };

  /// Highest suffix given, per base: with the names themselves, all that decides which name comes next.
  const NameCounts& counts() const noexcept { return counts_; }
  /// Gives exactly this name; false when it is taken or `give` would not have made it.
  bool restore(const std::string& name, NodeId id);
  void restore_count(const std::string& base, std::uint64_t highest) { counts_[base] = highest; }

 private:
  static std::uint32_t hash(std::string_view name) noexcept { return static_cast<std::uint32_t>(NameHash()(name)); }

  const NodeTable* table_;
  IdIndex owners_;
  std::vector<std::pair<std::string_view, NodeId>> promised_;
  NameCounts counts_;  // highest suffix given, per base; absent: 0
};

}  // namespace lazyfx::detail
