#pragma once

#include <memory>
#include <string>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/store/reduce.hpp"

/// Modules to save.
namespace stored {

using namespace lazyfx;

/// A graph with every kind of argument, types, metadata, gaps among its ids, an order that is not that of creation, and users that
/// began in another order.
inline std::shared_ptr<Graph> every_kind() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim("N"), Dim(4), Dim()}));
  graph->placeholder("scale", TensorType(DType::f64), Argument(1.5));
  const Node gone = graph->call_function("onnx::Relu", {x});
  Node first = graph->call_function("onnx::Relu", {x});
  Node second = graph->call_function("my::op", {x, first});
  second.set_args({Argument::list({first, Argument::tuple({x, 7, -9}), Argument::dict({{"k", x}, {"", true}})}),
                   Argument::slice(1, {}, Argument::tuple({})), Argument(), DType::bf16, "text\n\xff", 2.5,
                   Tensor::from<float>({1, 2, 3}, Shape{3}), Tensor::from<std::string>({"a", ""}, Shape{2})});
  second.set_kwargs({{"odd key", false}, {"axis", std::int64_t{-1} << 62}});
  Node third = graph->call_method("relu", {second}, {}, "third");
  first.prepend(third);
  third.set_args({x});
  second.append(third);
  graph->erase_node(gone);
  third.set_meta("stack_trace", "line 1");
  third.set_meta("facts", Value::dict({{"a", Value::list({1, 2.0, "three", Value()})}, {"t", Tensor::scalar<bool>(true)}}));
  graph->output(Argument::tuple({third, second, first}));
  return graph;
}

/// x times a parameter, plus a child module, and members that no node names.
inline std::shared_ptr<Graph> nested_graph() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim(4)}));
  const Node scaled = graph->call_function("onnx::Mul", {x, graph->get_attr("layers.0.weight")});
  graph->output(graph->call_module("child", {scaled}));
  return graph;
}

inline std::shared_ptr<Graph> child_graph() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim(4)}));
  graph->output(graph->call_function("onnx::Add", {x, graph->get_attr("bias")}));
  return graph;
}

inline std::shared_ptr<LazyGraphModule> nested(Runtime& runtime, Schedule schedule = Schedule::on_demand) {
  const Tensor shared = Tensor::from<float>({1, 2, 3, 4}, Shape{4});
  Container child_root;
  child_root.set_parameter("bias", shared);
  auto child = std::make_shared<LazyGraphModule>(runtime, child_graph(), &child_root, LazyGraphModuleOptions().class_name("Child"));
  Container root;
  root.set_tensor("layers.0.weight", shared, Module::TensorKind::parameter);
  root.set_submodule("child", child);
  auto module =
      std::make_shared<LazyGraphModule>(runtime, nested_graph(), &root, LazyGraphModuleOptions().class_name("Nested").schedule(schedule));
  module->set_buffer("unreferenced", Tensor::from<std::int64_t>({5}, Shape{1}), false);
  module->set_submodule("unused", std::make_shared<Container>());
  module->set_submodule("again", child);
  return module;
}

/// A user's own leaf.
class Scale : public Module {
 public:
  explicit Scale(double by) : by_(by) {}
  Value call(std::span<const Value> inputs) override { return inputs[0]; }
  double by() const { return by_; }
  std::string class_name() const override { return "Scale"; }

 private:
  double by_;
};

inline Reconstructors with_scale() {
  Reconstructors known;
  known.add<Scale>(
      "test.Scale", [](const Scale& s) { return Value(s.by()); },
      [](const Value& by) -> std::shared_ptr<Module> { return std::make_shared<Scale>(by.as_double()); });
  return known;
}

}  // namespace stored
