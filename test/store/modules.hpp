#pragma once

#include <bit>
#include <limits>
#include <memory>
#include <string>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"
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

/// Names, numbers and targets that are written in ways of their own. It has no output.
inline std::shared_ptr<Graph> unusual() {
  using L = std::numeric_limits<double>;
  auto graph = std::make_shared<Graph>();
  const Node image = graph->placeholder("image:0", TensorType(DType::f16, {Dim("odd name"), Dim(0), Dim()}));
  graph->placeholder("*args");
  graph->placeholder("x", TensorType(DType::i8), Argument(Argument::tuple({1})));
  const Node conv = graph->call_module("layers.0.conv", {image});
  const Node weight = graph->get_attr("0.1.class.weight");
  graph->call_function("odd target", {conv, L::infinity(), -L::infinity(), L::quiet_NaN(), std::bit_cast<double>(0x7ff8000000000001)});
  graph->call_function("ai.onnx.ml::Scaler", {-0.0, 5e-324, L::max(), 1e22, std::int64_t{1} << 62, L::denorm_min()});
  graph->call_function("getattr", {weight});
  graph->call_function("plain", {});
  const Node dtype = graph->call_function("onnx::Relu", {conv}, {}, "dtype");
  graph->call_method("relu", {dtype, DType::u16});
  graph->call_method("relu", {1});
  graph->call_method("odd method", {dtype, Tensor()});
  graph->call_function("t", {Tensor::from<float>({1, std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0xffc00000U)}, Shape{3}),
                             Tensor::from<bool>({true, false}, Shape{2, 1}), Tensor::empty(DType::i64, Shape{0, 3}),
                             Tensor::from<std::uint64_t>({~std::uint64_t{0}}, Shape{}), Tensor::from<Float16>({Float16(1.5F)}, Shape{1})});
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

struct GraphAndRoot {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::shared_ptr<Container> root = std::make_shared<Container>();
};

/// x -> target(x), of which nodes have metadata.
inline std::shared_ptr<Subgraph> applying(const char* target) {
  Graph graph;
  Node x = graph.placeholder("x");
  x.set_meta("onnx_name", "x:0");
  Node y = graph.call_function(target, {x});
  y.set_meta("facts", Value::tuple({y.name(), Value::list({}), Value()}));
  graph.output(y);
  return std::make_shared<Subgraph>(graph);
}

/// A choice between two graphs, one of which chooses between two of its own, at a path that is not all words.
inline GraphAndRoot branching() {
  GraphAndRoot made;
  Node x = made.graph->placeholder("x", TensorType(DType::f32, {Dim("N")}));
  x.set_meta("onnx_name", "x:0");
  x.set_meta("range", Value::tuple({-1.5, 2}));
  const Node up = made.graph->placeholder("up", TensorType(DType::boolean, std::initializer_list<Dim>{}));
  Node again = made.graph->placeholder("again", TensorType(DType::boolean, std::initializer_list<Dim>{}));
  again.set_meta("", true);
  Node choice =
      made.graph->call_function("onnx::If", {up, x, again},
                                {{"then_branch", "choice.then_branch"}, {"else_branch", "choice.else_branch"}, {"captured", 2}}, "choice");
  choice.set_meta("stack_trace", "line 1\nline 2 # \"quoted\"");
  made.graph->output(choice).set_meta("seen", Tensor::from<std::int64_t>({1, 2}, Shape{2}));

  Graph up_graph;
  const Node only = up_graph.placeholder("x");
  up_graph.placeholder("again");
  up_graph.output(up_graph.call_function("onnx::Abs", {only}));
  Graph down_graph;
  const Node inner = down_graph.placeholder("x");
  const Node condition = down_graph.placeholder("again");
  down_graph.output(
      down_graph.call_function("onnx::If", {condition, inner}, {{"then_branch", "odd name.1"}, {"else_branch", "plain"}, {"captured", 1}}));
  const auto down = std::make_shared<Subgraph>(down_graph);
  down->add_submodule("odd name.1", applying("onnx::Neg"));
  down->add_submodule("plain", applying("onnx::Exp"));
  made.root->add_submodule("choice.then_branch", std::make_shared<Subgraph>(up_graph));
  made.root->add_submodule("choice.else_branch", down);
  return made;
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
