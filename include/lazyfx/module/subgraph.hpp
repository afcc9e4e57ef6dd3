// Stability: experimental.
#pragma once

#include <memory>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/graph/snapshot.hpp"
#include "lazyfx/module/module.hpp"

namespace lazyfx {

/// A graph that an operator of another graph runs: the branch of an If, the body of a Loop. It hangs in the tree of modules of the graph that
/// applies the operator, whose keyword argument names its path; it is compiled with that graph, and holds the tensors and subgraphs that its
/// own nodes name. The graph is as it was when the Subgraph was made: to change it, put another in its place. It sees no values but its inputs.
/// Thread safety: as Module; its graph may be read from any thread.
class LAZYFX_API Subgraph : public Module {
 public:
  explicit Subgraph(const Graph& graph) : source_(std::make_shared<const Graph>(graph)), graph_(source_->freeze()) {}

  const Snapshot& graph() const noexcept { return graph_; }
  /// The same as a Graph: to copy, edit, and make another Subgraph of.
  const Graph& source() const noexcept { return *source_; }
  /// Always throws Error(invalid_argument): the operator that names it runs it.
  Value call(std::span<const Value> inputs) override;
  std::string class_name() const override { return "Subgraph"; }

 private:
  std::shared_ptr<const Graph> source_;
  Snapshot graph_;
};

/// The Subgraphs below `root` that nodes of `graph` name, and those that nodes of these name, by their paths from `root`: each after the one
/// that holds it, in order of first use. What render_code prints after the graph.
/// Any thread, while nobody edits `root`. Cost: linear in the nodes of all these graphs.
LAZYFX_API NamedSnapshots subgraphs_of(const Snapshot& graph, const Module& root);

}  // namespace lazyfx
