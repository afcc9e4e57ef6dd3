#pragma once

#include <atomic>
#include <cstddef>
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

/// A table by path that nobody changes once it is shared, and one sum over it, made when it is first asked for. Those who are first together
/// each make it.
template <class T>
class SummedTable : public std::map<std::string, T, std::less<>> {
 public:
  SummedTable() = default;
  SummedTable(const SummedTable& other) : std::map<std::string, T, std::less<>>(other) {}  // a copy is made to be changed
  SummedTable& operator=(const SummedTable&) = delete;

  template <class Bytes>
  std::size_t sum(Bytes bytes_of) const {
    std::size_t sum = sum_.load(std::memory_order_relaxed);
    if (sum != not_summed) return sum;
    sum = 0;
    for (const auto& [path, entry] : *this) sum += bytes_of(entry);
    sum_.store(sum, std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t not_summed = static_cast<std::size_t>(-1);
  mutable std::atomic<std::size_t> sum_{not_summed};
};

using TensorTable = SummedTable<Tensor>;

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
using SubgraphTable = SummedTable<Source>;

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

/// What the tensors of a table take, contiguous. Summed once.
std::size_t tensor_bytes(const TensorTable& tensors);
/// What the graphs of `source` hold, about, their constants and those of graphs within them included. Linear in them.
std::size_t graph_bytes(const Source& source);
/// What keeping `source` costs, about: its graphs and its tensors, as if nobody shared them.
std::size_t kept_bytes(const Source& source);
/// A guess of the memory that compiling `source` takes while it lasts: its tensors, each of which may be packed, and so much a node. Cheap
/// enough for every mark: what is summed over a table is kept with the table.
std::size_t compile_bytes(const Source& source);

}  // namespace lazyfx::compile
