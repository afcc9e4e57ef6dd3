// Stability: experimental.
#pragma once

#include <string>

#include "lazyfx/export.hpp"

namespace lazyfx {

class GraphModule;

/// Why the marked generations of two modules do not share one compile: the first thing that differs, in words ("the arguments of %add differ",
/// "tensor 'w' differs", "in subgraph 'then': the targets of %relu and %tanh differ"); empty when they share. Modules that call other modules
/// share with nobody. Node and class names, metadata and schedules never matter. Any thread; linear in the graphs.
LAZYFX_API std::string explain_miss(const GraphModule& a, const GraphModule& b);

}  // namespace lazyfx
