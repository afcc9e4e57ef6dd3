#define BOOST_TEST_MODULE interop_onnx_control_flow
#include <boost/test/unit_test.hpp>

#include "importing.hpp"
#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"

using namespace lazyfx;
using namespace importing;
namespace w = onnx_writer;

namespace {

Tensor vector(std::initializer_list<float> values) { return Tensor::from<float>(values, Shape{static_cast<std::int64_t>(values.size())}); }
Tensor count(std::int64_t v) { return Tensor::scalar(v); }

/// What the model answers: compiled, and by the interpreter, which must be the same.
Value answer(const w::Message& bytes, const std::vector<Value>& inputs) {
  const auto model = import_bytes(bytes);
  model.graph->lint();
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, model.graph, model.root.get());
  module.lint();
  const Value compiled = module.call(inputs);
  BOOST_TEST((compiled == run(model, inputs)));
  return compiled;
}

w::Message body(const w::Graph& graph) { return graph.encode(); }
w::Message out(std::string_view name) { return w::value(name, w::f32, {"?"}); }

/// y = c ? x + x : -x, where x is of the graph around.
w::Graph choice() {
  const w::Graph twice{.nodes = {w::node("Add", {"x", "x"}, {"t"})}, .initializers = {}, .inputs = {}, .outputs = {out("t")}, .extra = {}};
  const w::Graph negative{.nodes = {w::node("Neg", {"x"}, {"e"})}, .initializers = {}, .inputs = {}, .outputs = {out("e")}, .extra = {}};
  return {.nodes = {w::node("If", {"c"}, {"y"},
                            {w::graph_attribute("then_branch", body(twice)), w::graph_attribute("else_branch", body(negative))}, "choose")},
          .initializers = {},
          .inputs = {w::value("c", w::boolean, {}), w::value("x", w::f32, {"N"})},
          .outputs = {out("y")},
          .extra = {}};
}

/// A branch that gives x.
w::Graph as_branch() {
  return {.nodes = {w::node("Identity", {"x"}, {"t"})}, .initializers = {}, .inputs = {}, .outputs = {out("t")}, .extra = {}};
}

/// Carries `sum` while below `limit`, collecting it: the body adds `step`, an initializer of its own, and `x` of the graph around.
w::Graph counting_loop() {
  const w::Graph step{.nodes = {w::node("Add", {"sum", "step"}, {"more"}), w::node("Add", {"more", "x"}, {"next"}),
                                w::node("ReduceSum", {"next"}, {"total"}, {w::int_attribute("keepdims", 0)}),
                                w::node("Less", {"total", "limit"}, {"again"}), w::node("Identity", {"next"}, {"seen"})},
                      .initializers = {w::floats("step", {}, {1})},
                      .inputs = {w::value("i", w::i64, {}), w::value("going", w::boolean, {}), w::value("sum", w::f32, {1})},
                      .outputs = {w::value("again", w::boolean, {}), out("next"), out("seen")},
                      .extra = {}};
  return {.nodes = {w::node("Loop", {"most", "", "start"}, {"last", "all"}, {w::graph_attribute("body", body(step))})},
          .initializers = {w::floats("limit", {}, {10})},
          .inputs = {w::value("most", w::i64, {}), w::value("start", w::f32, {1}), w::value("x", w::f32, {1})},
          .outputs = {out("last"), w::value("all", w::f32, {"n", 1})},
          .extra = {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_branch_is_chosen_by_the_condition_and_reads_the_graph_around_it) {
  const auto bytes = w::model(choice());
  BOOST_TEST((answer(bytes, {Tensor::scalar(true), vector({1, 2})}) == Value(vector({2, 4}))));
  BOOST_TEST((answer(bytes, {Tensor::scalar(false), vector({1, 2})}) == Value(vector({-1, -2}))));
  const auto model = import_bytes(bytes);
  BOOST_TEST((std::dynamic_pointer_cast<Subgraph>(model.root->find_submodule("choose.then_branch")) != nullptr));
}

BOOST_AUTO_TEST_CASE(a_condition_that_follows_from_shapes_chooses_anew_for_each_shape) {
  auto graph = choice();
  graph.inputs = {w::value("x", w::f32, {"N"})};
  graph.initializers = {w::tensor("two", w::i64, {1}, w::packed(7, {2}))};
  graph.nodes.insert(graph.nodes.begin(), {w::node("Shape", {"x"}, {"shape"}), w::node("Equal", {"shape", "two"}, {"c"})});
  const auto bytes = w::model(graph);
  BOOST_TEST((answer(bytes, {vector({1, 2})}) == Value(vector({2, 4}))));
  BOOST_TEST((answer(bytes, {vector({1, 2, 3})}) == Value(vector({-1, -2, -3}))));
  const auto model = import_bytes(bytes);
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, model.graph, model.root.get());
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST((module.call(std::vector<Value>{vector({1, 2})}) == Value(vector({2, 4}))));
    BOOST_TEST((module.call(std::vector<Value>{vector({1})}) == Value(vector({-1}))));
  }
}

BOOST_AUTO_TEST_CASE(a_loop_carries_collects_and_ends_by_count_or_condition) {
  const auto bytes = w::model(counting_loop());
  const Value by_count = answer(bytes, {count(2), vector({0}), vector({2})});
  BOOST_TEST((by_count[0] == Value(vector({6}))));
  BOOST_TEST((by_count[1] == Value(Tensor::from<float>({3, 6}, {2, 1}))));
  const Value by_condition = answer(bytes, {count(100), vector({0}), vector({2})});
  BOOST_TEST((by_condition[0] == Value(vector({12}))));
  BOOST_TEST(by_condition[1].as_tensor().shape()[0] == 4);
  BOOST_TEST((answer(bytes, {count(0), vector({5}), vector({2})})[0] == Value(vector({5}))));
}

BOOST_AUTO_TEST_CASE(a_scan_walks_slices_and_stacks_what_it_makes) {
  const w::Graph sum{.nodes = {w::node("Add", {"s", "v"}, {"t"}), w::node("Identity", {"t"}, {"u"})},
                     .initializers = {},
                     .inputs = {out("s"), out("v")},
                     .outputs = {out("t"), out("u")},
                     .extra = {}};
  const auto scan = [&](std::int64_t direction) {
    return w::model({.nodes = {w::node("Scan", {"start", "x"}, {"last", "all"},
                                       {w::graph_attribute("body", body(sum)), w::int_attribute("num_scan_inputs", 1),
                                        w::ints_attribute("scan_input_directions", {direction})})},
                     .initializers = {},
                     .inputs = {out("start"), w::value("x", w::f32, {"n", 1})},
                     .outputs = {out("last"), w::value("all", w::f32, {"n", 1})},
                     .extra = {}});
  };
  const std::vector<Value> inputs{vector({0}), Tensor::from<float>({1, 2, 3}, {3, 1})};
  BOOST_TEST((answer(scan(0), inputs)[1] == Value(Tensor::from<float>({1, 3, 6}, {3, 1}))));
  BOOST_TEST((answer(scan(1), inputs)[1] == Value(Tensor::from<float>({3, 5, 6}, {3, 1}))));
}

BOOST_AUTO_TEST_CASE(a_graph_within_a_graph_within_a_graph_reads_the_outermost) {
  // The loop's body chooses whether to add x; the branch reads both x, two graphs out, and sum, one out.
  const w::Graph with_x{
      .nodes = {w::node("Add", {"sum", "x"}, {"a"})}, .initializers = {}, .inputs = {}, .outputs = {out("a")}, .extra = {}};
  const w::Graph as_is{.nodes = {}, .initializers = {}, .inputs = {}, .outputs = {out("sum")}, .extra = {}};
  const w::Graph step{.nodes = {w::node("Greater", {"i", "first"}, {"late"}),
                                w::node("If", {"late"}, {"next"},
                                        {w::graph_attribute("then_branch", body(with_x)), w::graph_attribute("else_branch", body(as_is))}),
                                w::node("Identity", {"going"}, {"again"})},
                      .initializers = {},
                      .inputs = {w::value("i", w::i64, {}), w::value("going", w::boolean, {}), out("sum")},
                      .outputs = {w::value("again", w::boolean, {}), out("next")},
                      .extra = {}};
  const auto bytes =
      w::model({.nodes = {w::node("Loop", {"most", "", "start"}, {"last"}, {w::graph_attribute("body", body(step))})},
                .initializers = {w::tensor("first", w::i64, {}, w::packed(7, {0})), w::tensor("most", w::i64, {}, w::packed(7, {4}))},
                .inputs = {out("start"), out("x")},
                .outputs = {out("last")},
                .extra = {}});
  BOOST_TEST((answer(bytes, {vector({1}), vector({10})}) == Value(vector({31}))));
}

BOOST_AUTO_TEST_CASE(sequences_flow_between_operators) {
  const w::Graph negative{
      .nodes = {w::node("Neg", {"v"}, {"n"})}, .initializers = {}, .inputs = {out("v")}, .outputs = {out("n")}, .extra = {}};
  const auto bytes =
      w::model({.nodes = {w::node("SplitToSequence", {"x"}, {"parts"}),
                          w::node("SequenceMap", {"parts"}, {"negated"}, {w::graph_attribute("body", body(negative))}),
                          w::node("SequenceInsert", {"negated", "x"}, {"longer"}),
                          w::node("SequenceErase", {"longer", "zero"}, {"shorter"}), w::node("SequenceLength", {"shorter"}, {"length"}),
                          w::node("ConcatFromSequence", {"shorter"}, {"y"}, {w::int_attribute("axis", 0)})},
                .initializers = {w::tensor("zero", w::i64, {}, w::packed(7, {0}))},
                .inputs = {out("x")},
                .outputs = {out("y"), w::value("length", w::i64, {})},
                .extra = {}},
               17);
  const Value result = answer(bytes, {vector({1, 2, 3})});
  BOOST_TEST((result[0] == Value(vector({-2, -3, 1, 2, 3}))));
  BOOST_TEST((result[1] == Value(count(3))));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_within_a_graph_is_told) {
  auto graph = choice();
  const w::Graph unknown{
      .nodes = {w::node("Add", {"x", "nowhere"}, {"t"})}, .initializers = {}, .inputs = {}, .outputs = {out("t")}, .extra = {}};
  graph.nodes[0] =
      w::node("If", {"c"}, {"y"}, {w::graph_attribute("then_branch", body(unknown)), w::graph_attribute("else_branch", body(unknown))});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"reads 'nowhere', which nothing makes"});
  const w::Graph foreign{
      .nodes = {w::node("Frobnicate", {"x"}, {"t"})}, .initializers = {}, .inputs = {}, .outputs = {out("t")}, .extra = {}};
  graph.nodes[0] =
      w::node("If", {"c"}, {"y"}, {w::graph_attribute("then_branch", body(foreign)), w::graph_attribute("else_branch", body(foreign))});
  check_refused(w::model(graph), ErrorKind::unsupported, {"onnx::Frobnicate", "used 2 times"});
  graph.nodes[0] = w::node("If", {"c"}, {"y"}, {w::graph_attribute("then_branch", body(as_branch()))});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"lacks attribute 'else_branch'"});
  graph.nodes[0] = w::node("Neg", {"x"}, {"y"}, {w::graph_attribute("then_branch", body(as_branch()))});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"'then_branch' is a graph, which onnx::Neg does not take"});
}

BOOST_AUTO_TEST_CASE(a_graph_given_twice_is_refused) {
  w::Graph graph = choice();
  graph.nodes[0] += w::bytes(
      5, w::graph_attribute(
             "then_branch",
             body({.nodes = {w::node("Neg", {"x"}, {"t"})}, .initializers = {}, .inputs = {}, .outputs = {out("t")}, .extra = {}})));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"node 'choose' (If)", "attribute 'then_branch' is given twice"});
}

BOOST_AUTO_TEST_CASE(graphs_nested_without_end_are_refused) {
  w::Graph innermost{.nodes = {w::node("Neg", {"x"}, {"y"})}, .initializers = {}, .inputs = {}, .outputs = {out("y")}, .extra = {}};
  for (int depth = 0; depth < 40; ++depth) {
    innermost.nodes = {
        w::node("If", {"c"}, {"y"}, {w::graph_attribute("then_branch", body(innermost)), w::graph_attribute("else_branch", {})})};
  }
  auto graph = choice();
  graph.nodes = innermost.nodes;
  check_refused(w::model(graph), ErrorKind::invalid_model, {"nested more than 32 deep"});
}

BOOST_AUTO_TEST_CASE(every_truncation_of_a_graph_within_a_graph_is_an_error_or_a_module) {
  const auto whole = w::model(counting_loop());
  std::size_t refused = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    try {
      import_bytes(whole.substr(0, length)).graph->lint();
    } catch (const Error& error) {
      ++refused;
      BOOST_TEST(std::string(error.what()).starts_with("test.onnx: "));
    }
  }
  BOOST_TEST(refused > 200U);
}

BOOST_AUTO_TEST_CASE(an_error_in_a_branch_names_the_operators_on_the_way) {
  auto graph = choice();
  const w::Graph refusing{.nodes = {w::node("Reshape", {"x", "shape"}, {"t"}, {}, "inner")},
                          .initializers = {w::tensor("shape", w::i64, {1}, w::packed(7, {5}))},
                          .inputs = {},
                          .outputs = {out("t")},
                          .extra = {}};
  graph.nodes[0] = w::node("If", {"c"}, {"y"},
                           {w::graph_attribute("then_branch", body(refusing)), w::graph_attribute("else_branch", body(refusing))}, "outer");
  const auto model = import_bytes(w::model(graph));
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, model.graph, model.root.get());
  const auto speaks = [](const Error& error) {
    const std::string message = error.what();
    return contains(message, "%outer") && contains(message, "%inner") && contains(message, "onnx::Reshape");
  };
  BOOST_CHECK_EXCEPTION(module.call(std::vector<Value>{Tensor::scalar(true), vector({1, 2})}), Error, speaks);
}

BOOST_AUTO_TEST_CASE(an_operator_whose_graph_is_not_there_does_not_compile) {
  auto graph = std::make_shared<Graph>();
  const Node c = graph->placeholder("c");
  graph->output(graph->call_function("onnx::If", {c}, {{"then_branch", "here"}, {"else_branch", "there"}}));
  Runtime runtime(RuntimeOptions().threads(1));
  BOOST_CHECK_EXCEPTION(GraphModule(runtime, graph), CompileError,
                        [](const Error& e) { return contains(e.what(), "no Subgraph at 'there'"); });
}

BOOST_AUTO_TEST_CASE(a_subgraph_put_in_the_place_of_another_is_run_after_the_next_mark) {
  const auto model = import_bytes(w::model(choice()));
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, model.graph, model.root.get());
  const std::vector<Value> inputs{Tensor::scalar(true), vector({3})};
  BOOST_TEST((module.call(inputs) == Value(vector({6}))));
  Graph square;
  const Node x = square.placeholder("x");
  square.output(Argument::tuple({square.call_function("onnx::Mul", {x, x})}));
  module.delete_submodule("choose.then_branch");
  module.add_submodule("choose.then_branch", std::make_shared<Subgraph>(square));
  module.recompile();
  BOOST_TEST((module.call(inputs) == Value(vector({9}))));
  module.delete_all_unused_submodules();
  BOOST_TEST((module.find_submodule("choose.else_branch") != nullptr));
}
