#define BOOST_TEST_MODULE compile_islands
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/random_graph.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::vec;

namespace {

Tensor noise(const Shape& shape, std::uint32_t seed = 0) {
  support::Random random(seed);
  return support::random_tensor(random, shape);
}

bool close(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  if (a.dtype() != DType::f32) return equal(a, b);
  const Tensor left = a.contiguous(), right = b.contiguous();
  const auto x = left.values<float>(), y = right.values<float>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::abs(x[i] - y[i]) > 1e-4F * (1 + std::abs(y[i]))) return false;
  }
  return true;
}

bool close(const Value& a, const Value& b) {
  if (a.is_tensor() && b.is_tensor()) return close(a.as_tensor(), b.as_tensor());
  if (!a.is_tuple() || !b.is_tuple() || a.items().size() != b.items().size()) return a == b;
  for (std::size_t i = 0; i < a.items().size(); ++i) {
    if (!close(a.items()[i], b.items()[i])) return false;
  }
  return true;
}

/// What the module answers, compared with what the interpreter says of the same graph.
bool right(GraphModule& module, const std::vector<Value>& inputs) {
  Interpreter interpreter(module);
  return close(module.call(inputs), interpreter.run(inputs));
}

/// A convolution 4 -> 4 of `x` with the weight at `path`.
Node convolve(Graph& graph, Container& root, const Node& x, const std::string& path, std::uint32_t seed) {
  root.set_parameter(path, noise(Shape{4, 4, 3, 3}, seed));
  return graph.call_function("onnx::Conv", {x, graph.get_attr(path)}, {{"pads", Argument::list({1, 1, 1, 1})}});
}

/// A module of the user's own, which a compile cannot look into.
class Doubled final : public Module {
 public:
  std::string class_name() const override { return "Doubled"; }
  Value call(std::span<const Value> inputs) override {
    Tensor out = inputs[0].as_tensor().clone();
    for (float& v : out.mutable_values<float>()) v *= 2;
    return out;
  }
};

struct Net {
  Container root;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  Node x = graph->placeholder("x", TensorType(DType::f32, {1, 4, 8, 8}));
  std::vector<Value> inputs{Value(noise(Shape{1, 4, 8, 8}, 7))};
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_stands_before_a_shape_that_depends_on_values_is_compiled) {
  Net net;
  Node y = net.graph->call_function("onnx::Relu", {convolve(*net.graph, net.root, net.x, "w", 1)});
  const Node found = net.graph->call_function("onnx::NonZero", {y});
  const Node sum = net.graph->call_function("onnx::ReduceSum", {net.graph->call_function("onnx::Cast", {found}, {{"to", DType::f32}})});
  net.graph->output(Argument::tuple({y, found, sum}));
  Runtime runtime;
  LazyGraphModule module(runtime, net.graph, &net.root);
  module.real_recompile();
  BOOST_TEST(runtime.stats().kernels_made == 1u);  // before any run
  for (std::uint32_t seed = 0; seed < 20; ++seed) BOOST_TEST(right(module, {Value(noise(Shape{1, 4, 8, 8}, seed))}));
  BOOST_TEST(runtime.stats().kernels_made == 1u);
}

BOOST_AUTO_TEST_CASE(what_stands_behind_a_module_of_unknown_results_is_compiled_when_they_come) {
  Net net;
  net.root.set_submodule("doubled", std::make_shared<Doubled>());
  Node y = convolve(*net.graph, net.root, net.x, "before", 1);
  y = net.graph->call_module("doubled", {y});
  y = convolve(*net.graph, net.root, y, "after", 2);
  net.graph->output(net.graph->call_function("onnx::Relu", {y}));
  Runtime runtime;
  LazyGraphModule module(runtime, net.graph, &net.root);
  module.real_recompile();
  BOOST_TEST(runtime.stats().kernels_made == 1u);
  for (int i = 0; i < 3; ++i) BOOST_TEST(right(module, net.inputs));
  BOOST_TEST(runtime.stats().kernels_made == 2u);
}

BOOST_AUTO_TEST_CASE(what_an_island_packed_counts_as_its_executable_does) {
  const auto kept = [](bool divided) {
    Net net;
    Node y = convolve(*net.graph, net.root, net.x, "w", 1);
    if (divided) y = net.graph->call_function("onnx::NonZero", {y});
    net.graph->output(y);
    Runtime runtime;
    {
      LazyGraphModule module(runtime, net.graph, &net.root);
      module.real_recompile();
    }
    return runtime.stats().cached_bytes;
  };
  BOOST_TEST(kept(true) >= kept(false));
}

BOOST_AUTO_TEST_CASE(several_outputs_cross_from_island_to_island) {
  Net net;
  net.root.set_submodule("doubled", std::make_shared<Doubled>());
  Graph& g = *net.graph;
  const Node parts = g.call_function("onnx::Split", {net.x}, {{"axis", 1}});
  const Node a = g.call_function("getitem", {parts, 0}), b = g.call_function("getitem", {parts, 1});
  const Node c = g.call_module("doubled", {a});
  const Node again = g.call_function("onnx::Split", {g.call_function("onnx::Add", {b, c})}, {{"axis", 1}});
  const Node d = g.call_function("getitem", {again, 1});
  const Node e = g.call_module("doubled", {d});
  const Node late = g.call_function("getitem", {again, 0});  // behind a step of the host, of an island before it
  g.output(Argument::tuple({g.call_function("onnx::Add", {late, e}), parts, a}));
  Runtime runtime;
  LazyGraphModule module(runtime, net.graph, &net.root);
  BOOST_TEST(right(module, net.inputs));
  BOOST_TEST(right(module, net.inputs));
}

BOOST_AUTO_TEST_CASE(items_of_a_step_of_the_host_come_before_what_needs_them) {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {8}));
  const Node unique = graph->call_function("onnx::Unique", {x});
  const Node values = graph->call_function("onnx::Neg", {graph->call_function("getitem", {unique, 0})});
  const Node inverse = graph->call_function("getitem", {unique, 2});
  graph->output(graph->call_function("onnx::Gather", {values, inverse}));
  Runtime runtime;
  LazyGraphModule module(runtime, graph);
  const Tensor given = vec({3, 1, 3, 2, 1, 1, 4, 3});
  for (int i = 0; i < 3; ++i) BOOST_TEST(equal(module(Inputs(given)).as_tensor(), vec({-3, -1, -3, -2, -1, -1, -4, -3})));
}

BOOST_AUTO_TEST_CASE(errors_inside_of_islands_name_their_node) {
  auto registry = OperatorRegistry::standard();
  Operator breaks = support::unary("t::breaks", [](float) -> float { throw std::runtime_error("no"); });
  registry.add(breaks);
  Net net;
  Node y = net.graph->call_function("onnx::NonZero", {net.graph->call_function("t::breaks", {net.x}, {}, "broken")});
  net.graph->output(y);
  Runtime runtime(RuntimeOptions().operators(registry));
  LazyGraphModule module(runtime, net.graph, &net.root);
  BOOST_CHECK_EXCEPTION(module.call(net.inputs), Error, [](const Error& e) {
    const std::string text = e.what();
    return e.kind() == ErrorKind::user_code && text.find("while running %broken: ") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(a_part_that_meets_ever_new_shapes_is_not_compiled_for_each) {
  auto graph = std::make_shared<Graph>();
  Container root;
  root.set_parameter("w", noise(Shape{2048, 1}));  // too large to be left to the reference kernels always
  const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim("N")}));
  const Node found = graph->call_function("onnx::Cast", {graph->call_function("onnx::NonZero", {x})}, {{"to", DType::f32}});
  graph->output(graph->call_function("onnx::MatMul", {graph->get_attr("w"), found}));
  Runtime runtime;
  LazyGraphModule module(runtime, graph, &root);
  const auto call = [&](std::size_t ones) {
    std::vector<float> values(64, 0.0F);
    std::fill_n(values.begin(), ones, 1.0F);
    BOOST_TEST(right(module, {Value(Tensor::from<float>(values, Shape{64}))}));
  };
  for (std::size_t ones = 1; ones <= 64; ++ones) call(ones);
  const std::uint64_t made = runtime.stats().kernels_made;
  BOOST_TEST(made >= 1u);
  BOOST_TEST(made < 64u);
  call(1);  // long forgotten, or refused: it comes anew
  call(1);
  call(1);
  BOOST_TEST(runtime.stats().kernels_made <= made + 1);
}

BOOST_AUTO_TEST_CASE(random_graphs_with_steps_for_the_host_anywhere_in_them_answer_as_the_interpreter_does) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    support::RandomGraph random(seed, {.nodes = 12});
    support::Random dice(seed);
    Container root;
    for (const auto& [path, named] : random.root().named_tensors()) root.set_tensor(path, named.tensor);
    root.set_submodule("doubled", std::make_shared<Doubled>());
    Graph& graph = *random.graph();
    for (const Node node : graph.find_nodes(Opcode::call_function)) {
      if (!support::chance(dice, 5)) continue;
      // What each user had of the node comes through a module first.
      const auto users = node.users();
      const InsertionScope scope = graph.inserting_after(node);
      const Node through = graph.call_module("doubled", {node});
      for (Node user : users) {
        if (support::chance(dice, 2)) user.replace_input_with(node, through);
      }
    }
    graph.lint();
    Runtime runtime;
    LazyGraphModule module(runtime, random.graph(), &root);
    for (int i = 0; i < 3; ++i) {
      BOOST_TEST_INFO("seed " << seed);
      BOOST_TEST(right(module, random.inputs(dice)));
    }
  }
}
