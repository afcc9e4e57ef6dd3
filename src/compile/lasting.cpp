#include "compile/lasting.hpp"

#include <algorithm>
#include <new>

#include "ops/shipped.hpp"

namespace lazyfx::compile {
namespace {

/// What `operators` does not know, nobody's code runs for.
bool calls_only_what_ships(const Source& source, const OperatorRegistry& operators) {
  for (const NodeView node : source.graph) {
    const OperatorPtr op = node.op() == Opcode::call_function ? operators.find(node.target())
                           : node.op() == Opcode::call_method ? operators.find_method(node.target())
                                                              : nullptr;
    if (op && ops::find_shipped(op->name) != op) return false;
  }
  return !source.subgraphs ||
         std::ranges::all_of(*source.subgraphs, [&](const auto& entry) { return calls_only_what_ships(entry.second, operators); });
}

}  // namespace

bool is_lasting(const Failure& failure, const Source& source, const OperatorRegistry& operators) noexcept try {
  const auto error = failure.error();
  if (!error || !source.modules->empty()) return false;
  const ErrorKind kind = error->kind();
  const bool is_of_content = kind == ErrorKind::invalid_graph || kind == ErrorKind::unsupported || kind == ErrorKind::invalid_argument;
  return is_of_content && calls_only_what_ships(source, operators);
} catch (const std::bad_alloc&) { return false; }

}  // namespace lazyfx::compile
