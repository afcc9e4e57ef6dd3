#include "lazyfx/module/subgraph.hpp"

#include "lazyfx/error.hpp"
#include "module/named_subgraphs.hpp"

namespace lazyfx {

Value Subgraph::call(std::span<const Value>) {
  throw Error(ErrorKind::invalid_argument, "a Subgraph is run by the operator that names it, not called");
}

NamedSnapshots subgraphs_of(const Snapshot& graph, const Module& root) {
  using Found = std::pair<const Snapshot*, const Module*>;
  return detail::named_subgraphs(graph, root, [](const Module& scope, const std::string& path) {
    const auto subgraph = std::dynamic_pointer_cast<const Subgraph>(scope.find_submodule(path));  // which its holder keeps
    return subgraph ? Found(&subgraph->graph(), subgraph.get()) : Found();
  });
}

}  // namespace lazyfx
