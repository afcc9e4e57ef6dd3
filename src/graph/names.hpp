#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include "lazyfx/graph/argument.hpp"
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
  using is_avalanching = void;
  std::size_t operator()(std::string_view name) const noexcept;
};
template <class Value> using ByName = boost::unordered_flat_map<std::string, Value, NameHash, std::equal_to<>>;

/// The names of one graph's nodes, after torch.fx's _Namespace: identifiers, unique, never reserved; "add", then "add_1", "add_2".
/// Unlike there, the name of an erased or renamed node may be given again.
class Names {
 public:
  /// Makes a name out of `candidate` and gives it to `id`.
  std::string give(std::string_view candidate, NodeId id);
  void release(std::string_view name) noexcept { owners_.erase(name); }
  NodeId find(std::string_view name) const;
  std::size_t size() const noexcept { return owners_.size(); }

  /// Highest suffix given, per base: with the names themselves, all that decides which name comes next.
  const ByName<std::uint64_t>& counts() const noexcept { return counts_; }
  /// Gives exactly this name; false when it is taken or `give` would not have made it.
  bool restore(const std::string& name, NodeId id);
  void restore_count(const std::string& base, std::uint64_t highest) { counts_[base] = highest; }

 private:
  ByName<NodeId> owners_;
  ByName<std::uint64_t> counts_;  // highest suffix given, per base; absent: 0
};

}  // namespace lazyfx::detail
