// Stability: stable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/snapshot.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "lazyfx/module/module.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

/// Runs a graph node by node with the operators' reference kernels, after torch.fx's Interpreter: the plain meaning of a graph, against which
/// compiled answers are compared. Values are released after their last use, those that nobody uses at once. Override run_node, or a
/// method per opcode, to watch or change what happens. One run at a time per Interpreter; several may share a snapshot.
///
/// Fails with Error, of the kind of what went wrong, that says "While executing %node = ..." around what was said; the exception itself is
/// nested in it (std::rethrow_if_nested). What is thrown besides Error counts as user_code.
class LAZYFX_API Interpreter {
 public:
  using Environment = std::unordered_map<std::uint32_t, Value>;  // by node id

  /// The graph as it is now, edits never marked included. Editor's thread. The module and its runtime must outlive the interpreter.
  explicit Interpreter(const GraphModule& module);
  /// `root` (may be null) answers get_attr and call_module; it and the registry must outlive the interpreter.
  Interpreter(Snapshot graph, const Module* root, const OperatorRegistry& operators);
  virtual ~Interpreter();

  /// Positional inputs; missing ones take the placeholder's default, else Error(invalid_argument) "Expected positional argument for
  /// parameter y, but one was not passed in"; so are too many. Nodes present in `initial` are not run but have that value; a
  /// placeholder among them takes no input. Without an output node the result is none.
  Value run(std::span<const Value> inputs, Environment initial = {});

  /// Before releasing: what each node made so far (the output node's value is left at the end).
  const Environment& environment() const noexcept { return environment_; }
  const Snapshot& snapshot() const noexcept { return graph_; }

 protected:
  virtual Value run_node(NodeView node);
  virtual Value call_function(NodeView node, std::span<const Value> args, const std::vector<std::pair<std::string, Value>>& kwargs);
  virtual Value call_method(NodeView node, std::span<const Value> args, const std::vector<std::pair<std::string, Value>>& kwargs);
  virtual Value call_module(NodeView node, std::span<const Value> args);
  virtual Value get_attr(NodeView node);
  virtual Value placeholder(NodeView node);
  /// The value of an argument: nodes looked up, aggregates rebuilt, a dtype as its name, a slice as a dict of start, stop and step.
  Value evaluate(const Argument& argument) const;

 private:
  // What the graph says about the users of a node: who comes last, and how many of its outputs are asked for.
  struct Uses {
    NodeId last = no_node;
    std::uint32_t output_count = 1;
  };
  Value evaluate(const Argument& argument, std::uint32_t depth) const;
  Value apply_to_values(const Operator& op, NodeView node, std::size_t output_count);
  void check_input_count() const;

  Snapshot graph_;
  const Module* root_;
  const OperatorRegistry& operators_;
  Environment environment_;
  std::span<const Value> inputs_;
  std::size_t next_input_ = 0;
  std::vector<Uses> uses_;  // by node id
};

}  // namespace lazyfx
