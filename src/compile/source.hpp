#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compile/callees.hpp"
#include "lazyfx/graph/snapshot.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx::compile {

using TensorTable = std::map<std::string, Tensor, std::less<>>;

/// The submodules that a graph calls. Immutable.
struct ModuleTable {
  /// A submodule as a compile sees it: something to call, or one that is compiled itself.
  struct Entry {
    static constexpr std::size_t not_linked = static_cast<std::size_t>(-1);
    std::function<Value(std::span<const Value>)> call;
    std::size_t link = not_linked;  ///< index in `linked`
    const void* identity = nullptr;  ///< equal means the same submodule
  };
  struct Link {
    std::shared_ptr<Linked> module;
    std::string path;  ///< one at which it stands
  };
  std::map<std::string, Entry, std::less<>> entries;
  std::vector<Link> linked;  ///< each once, under however many paths it stands

  bool empty() const noexcept { return entries.empty(); }
};
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
