#include "compile/typed_graph.hpp"

namespace lazyfx::compile {

std::vector<std::uint32_t> count_uses(const TypedGraph& graph) {
  std::vector<std::uint32_t> uses(graph.values.size(), 0);
  const auto use = [&](TypedGraph::Index v) {
    if (v != TypedGraph::none) ++uses[graph.root(v)];
  };
  for (const auto& step : graph.steps) {
    for (const auto v : step.inputs) use(v);
    for (const auto v : step.epilogue_inputs) use(v);
  }
  for (const auto v : graph.outputs) use(v);
  return uses;
}

void eliminate_dead_steps(TypedGraph& graph) {
  auto uses = count_uses(graph);
  std::vector<bool> dead(graph.steps.size(), false);
  for (std::size_t i = graph.steps.size(); i-- > 0;) {
    const auto& step = graph.steps[i];
    bool used = step.keep;
    for (const auto out : step.outputs) used = used || uses[graph.root(out)] > 0;
    if (used) continue;
    dead[i] = true;
    const auto release = [&](TypedGraph::Index v) {
      if (v != TypedGraph::none) --uses[graph.root(v)];
    };
    for (const auto v : step.inputs) release(v);
    for (const auto v : step.epilogue_inputs) release(v);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    if (dead[i]) continue;
    if (kept != i) graph.steps[kept] = std::move(graph.steps[i]);
    ++kept;
  }
  graph.steps.resize(kept);
}

}  // namespace lazyfx::compile
