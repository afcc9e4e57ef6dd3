#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "compile/hazard.hpp"
#include "compile/source.hpp"
#include "module/links.hpp"
#include "module/nesting.hpp"

namespace lazyfx::detail {

struct Publication;

/// What a module knows of the modules that one table of it calls. Protected by the nest's mutex.
struct Wiring final : hazard::Retirable {
  Wiring() = default;
  Wiring(const Wiring&) = delete;
  Wiring& operator=(const Wiring&) = delete;
  ~Wiring() { compile::unravel(std::move(table)); }

  /// What the children have published is good until then.
  Stamp until() const noexcept { return stale.empty() ? forever : stale.begin()->until; }
  const std::string& path_of(const Edge& edge) const { return table->linked[edge.index].path; }
  /// From now on the children know of their caller.
  void attach() noexcept;
  void detach() noexcept;
  void set_until(Edge& edge, Stamp until) noexcept;
  /// Links what the child of an edge published: nothing of it is owed any more. Throws std::bad_alloc: then nothing has changed.
  void take_over(Edge& edge, const std::shared_ptr<const Publication>& published);

  std::shared_ptr<const compile::ModuleTable> table;
  std::vector<Edge> edges;
  StaleEdges stale;
  Links<Publication> links;
  std::size_t missing = 0;  ///< children that have published nothing
};

}  // namespace lazyfx::detail
