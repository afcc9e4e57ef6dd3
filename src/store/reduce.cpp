#include "lazyfx/store/reduce.hpp"

#include <algorithm>

#include "lazyfx/module/graph_module.hpp"
#include "store/output_archive.hpp"
#include "store/state.hpp"

namespace lazyfx {

bool operator==(const ReducedState& a, const ReducedState& b) {
  if (a.state_ == b.state_) return true;
  if (!a.state_ || !b.state_) return false;
  store::OutputArchive left, right;
  left << a.state_->description;
  right << b.state_->description;
  return left.bytes() == right.bytes() && std::equal(a.state_->tensors.begin(), a.state_->tensors.end(), b.state_->tensors.begin(),
                                                     b.state_->tensors.end(), [](const Tensor& x, const Tensor& y) { return equal(x, y); });
}

const Reconstructors::Rebuild* Reconstructors::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

const std::pair<std::string, Reconstructors::Reduce>* Reconstructors::find(std::type_index type) const {
  const auto found = by_type_.find(type);
  return found == by_type_.end() ? nullptr : &found->second;
}

void Reconstructors::add(std::string name, std::type_index type, Reduce reduce, Rebuild rebuild) {
  if (name.empty() || name.starts_with("lazyfx.")) {
    throw Error(ErrorKind::invalid_argument, "'" + name + "' cannot name a reconstructor");
  }
  if (by_name_.contains(name) || by_type_.contains(type)) {
    throw Error(ErrorKind::invalid_argument, "reconstructor '" + name + "' or its type is registered already");
  }
  by_type_.emplace(type, std::pair(name, std::move(reduce)));
  by_name_.emplace(std::move(name), std::move(rebuild));
}

Reduced reduce(const Module& module, const Reconstructors& reconstructors) {
  auto state = store::describe(module, reconstructors);
  const store::Description& tables = state->description;
  std::string name = tables.strings[tables.modules.back().reconstructor];
  return {std::move(name), ReducedState(std::move(state))};
}

std::shared_ptr<Module> rebuild(const Reduced& reduced, Runtime& runtime, const Reconstructors& reconstructors) {
  if (!reduced.state.defined()) throw Error(ErrorKind::invalid_argument, "an undefined state cannot be rebuilt");
  const store::State& state = reduced.state.tables();
  return store::rebuild(state.description, state.tensors, {runtime, reconstructors, StoreLimits(), reduced.reconstructor, nullptr});
}

std::shared_ptr<GraphModule> reduce_graph_module(const ReducedState& state, Runtime& runtime, const Reconstructors& reconstructors) {
  auto module = rebuild({store::graph_module_name, state}, runtime, reconstructors);
  if (auto graph_module = std::dynamic_pointer_cast<GraphModule>(std::move(module))) return graph_module;
  throw StoreError(StoreFault::incompatible, "the state given is not that of a graph module");
}

std::shared_ptr<Module> deep_copy(const Module& module, Runtime& runtime, const Reconstructors& reconstructors) {
  return rebuild(reduce(module, reconstructors), runtime, reconstructors);
}

std::vector<std::string> store::operators_of(const Description& description) {
  std::vector<std::string> names;
  for (const GraphTable& graph : description.graphs) {
    for (const NodeRow& node : graph.nodes) {
      if (node.op == static_cast<std::uint8_t>(Opcode::call_function)) names.push_back(description.strings[node.target]);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace lazyfx
