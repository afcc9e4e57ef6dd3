#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "lazyfx/graph/snapshot.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx::compile {

/// A submodule as a compile sees it: something to call.
using ModuleCall = std::function<Value(std::span<const Value>)>;
using TensorTable = std::map<std::string, Tensor, std::less<>>;
using ModuleTable = std::map<std::string, ModuleCall, std::less<>>;
struct Source;
/// The graphs that operators run, by path. Unlike modules they have contents, which count.
using SubgraphTable = std::map<std::string, Source, std::less<>>;

/// The empty table that every source without one shares: a default Source needs no memory.
template <class Table>
const std::shared_ptr<const Table>& nothing() {
  static const auto empty = std::make_shared<const Table>();
  return empty;
}

/// Everything one generation of a module was when it was marked. Immutable; shared between threads.
struct Source {
  Snapshot graph;
  std::shared_ptr<const TensorTable> tensors = nothing<TensorTable>();
  std::shared_ptr<const ModuleTable> modules = nothing<ModuleTable>();
  std::shared_ptr<const SubgraphTable> subgraphs;  ///< none: null
  std::string class_name;

  /// Content key of the whole: structure and constants, folded. Sources that call modules have a key of their own each.
  std::uint64_t fingerprint() const;
  /// What the fingerprint covers, compared.
  bool same_content(const Source& other) const;
};

}  // namespace lazyfx::compile
