#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compile/source.hpp"
#include "compile/stop.hpp"
#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/ops/binding.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx::compile {

class KernelTable;
class Nested;
using CompileErrorPtr = std::shared_ptr<const CompileError>;

/// What a program is made from, takes and returns, and what its values are called: all that a plan needs of it at a run if every shape was
/// known before. Immutable.
struct Interface {
  Source source;
  std::vector<std::uint32_t> inputs;  ///< values
  Argument result;
  std::vector<NodeId> nodes;  ///< by value; empty: values are numbered by node id

  NodeId node_of(std::uint32_t value) const { return nodes.empty() ? NodeId{value} : nodes[value]; }
  /// The placeholder that an input is; nothing for one that flows into an island, of which every run says what it is.
  std::optional<NodeView> placeholder(std::size_t input) const {
    if (!nodes.empty()) return std::nullopt;
    return source.graph.node(NodeId{inputs[input]});
  }
  /// "%name" of a value, for messages.
  std::string node_name(std::uint32_t value) const { return source.graph.node(node_of(value)).name(); }
};

/// A graph with every name resolved and every application bound to its operator: what is true for all inputs. Made once per content,
/// specialised per input signature. Immutable.
struct Program {
  enum class Kind : std::uint8_t { constant, apply, item, call_module };
  /// One node after binding.
  struct Step {
    Kind kind = Kind::apply;
    std::uint32_t value = 0;
    OperatorPtr op;
    Application application;  ///< apply: bound arguments
    Arguments args;           ///< item, call_module, and apply where arguments are aggregates that binding cannot see through
    Tensor constant;
    const ModuleTable::Entry* module = nullptr;
    std::vector<std::shared_ptr<const Nested>> graphs;  ///< apply: of the operator's graph attributes, in its order
    std::int64_t index = 0;   ///< item: unless it is the host's
    bool of_operator = false;  ///< item: of what an operator gave
    std::size_t output_count = 1;  ///< apply: outputs that the graph can ask for
    bool host = false;  ///< calls a module, works on values that are no tensors, or picks items of what is no operator's output
  };

  std::shared_ptr<const Interface> interface;
  std::vector<Step> steps;
  std::size_t value_limit = 0;
  std::shared_ptr<KernelTable> kernels;  ///< where its plans' kernels come from; null: each plan makes its own
  bool needs_host = false;  ///< one of the steps does
  std::size_t islands_around = 0;  ///< made by dividing a program that was made by dividing another, and so on
};

/// The graph that a step runs in its own place once its condition is known, on the inputs behind it; null for a step of another operator.
const Nested* chosen_graph(const Program::Step& step, bool condition);
/// True for the operator whose steps choose a graph.
bool chooses_graph(const Operator& op);

/// Binds every node. Throws CompileError naming operator and node; Stopped.
std::shared_ptr<const Program> bind_program(const Source& source, const OperatorRegistry& operators, const StopToken& stop,
                                            const std::shared_ptr<KernelTable>& kernels = nullptr);

/// The current exception as a CompileError about a node, with its line in the generated code: Errors keep their kind, others become
/// user_code. Stopped is not for this.
CompileError current_error_at(const Source& source, NodeId at, const std::string& op, const char* pass);

}  // namespace lazyfx::compile
