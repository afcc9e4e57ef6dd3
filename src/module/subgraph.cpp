#include "lazyfx/module/subgraph.hpp"

#include "lazyfx/error.hpp"

namespace lazyfx {

Value Subgraph::call(std::span<const Value>) {
  throw Error(ErrorKind::invalid_argument, "a Subgraph is run by the operator that names it, not called");
}

}  // namespace lazyfx
