#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {

/// `getitem(value, index)` picks an item of a list, tuple or dict, and so one output of an operator that has several. That is a matter of
/// the graph's structure: whoever runs or compiles a graph resolves it and never asks here, unless the value turns out to be a tensor.
void add_getitem(OperatorRegistry& registry) {
  const auto refuse = [] { throw Error(ErrorKind::invalid_graph, "items are taken of lists, tuples and dicts, not of tensors"); };
  registry.add({.name = "getitem",
                .since_version = 1,
                .until_version = 0,
                .effect = Effect::pure,
                .schema = schema({"value", "index"}, {"item"}),
                .type_rule = [refuse](const TypeContext&) -> std::vector<TensorType> {
                  refuse();
                  return {};
                },
                .reference = [refuse](std::span<const Tensor>, const Attributes&, std::size_t) -> std::vector<Tensor> {
                  refuse();
                  return {};
                },
                .lowering = {}});
}

}  // namespace lazyfx::ops
