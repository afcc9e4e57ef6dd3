#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "compile/nested.hpp"
#include "compile/program.hpp"
#include "compile/signature.hpp"
#include "compile/stop.hpp"

namespace lazyfx::compile {

/// Steps of a program that are compiled together though the program as a whole cannot be.
struct Island {
  std::shared_ptr<const Nested> graph;
  std::vector<std::uint32_t> inputs, outputs;  ///< values of the program around it, in the graph's order
};

/// What a host plan does next: an island, or one step by itself.
struct Unit {
  std::uint32_t step = 0;
  std::shared_ptr<const Island> island;
};

struct Division {
  std::vector<Unit> units;
  std::shared_ptr<const Plan> first;  ///< of the first island, where it was compiled ahead
};

/// Every step by itself.
Division one_by_one(const Program& program);

/// Divides a program, under a signature, into what only the host can do (steps whose results have shapes that depend on values, whose values are
/// no tensors, that call modules or have effects) and islands of what stands between. The steps that need nothing of the host's make the
/// first island, which is compiled here; others are when a run first brings the types of what flows in, as graphs within graphs are.
/// one_by_one() where that would gain nothing. Throws CompileError, Stopped.
Division find_islands(const std::shared_ptr<const Program>& program, const Signature& signature, const StopToken& stop);

}  // namespace lazyfx::compile
