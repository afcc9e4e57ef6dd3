#define BOOST_TEST_MODULE module_interpreter
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "support/operators.hpp"

using namespace lazyfx;

namespace {

Operator halves() {
  Operator op = support::unary("t::halves", [](float x) { return x; });
  op.schema.outputs = {{"low"}, {"high"}};
  op.reference = [](std::span<const Tensor> in, const Attributes&, std::size_t count) {
    const std::int64_t half = in[0].shape()[0] / 2;
    std::vector<Tensor> out{in[0].slice(0, 0, half), in[0].slice(0, half, half)};
    out.resize(count);
    return out;
  };
  return op;
}

// Tells what arrived in its attributes.
Operator tell() {
  Operator op = support::unary("t::tell", [](float x) { return x; });
  using Kind = AttributeSpec::Kind;
  op.schema.attributes = {{"to", Kind::dtype, {}}, {"label", Kind::string, {}}, {"axes", Kind::integers, {}}};
  op.reference = [](std::span<const Tensor>, const Attributes& a, std::size_t) {
    std::string text = to_string(a.get_dtype("to", DType::boolean)) + std::string(" ") + a.get_string("label", "none");
    for (const std::int64_t axis : a.get_ints("axes")) text += " " + std::to_string(axis);
    return std::vector<Tensor>{Tensor::scalar(text)};
  };
  return op;
}

Operator throwing(std::string name, std::function<void()> act) {
  Operator op = support::unary(std::move(name), [](float x) { return x; });
  op.reference = [act = std::move(act)](std::span<const Tensor> in, const Attributes&, std::size_t) {
    act();
    return std::vector<Tensor>{in[0]};
  };
  return op;
}

OperatorRegistry operators() {
  OperatorRegistry r;
  r.add(support::binary("t::add", [](float x, float y) { return x + y; }));
  r.add(support::binary("t::mul", [](float x, float y) { return x * y; }));
  r.add(support::binary("t::sub", [](float x, float y) { return x - y; }));
  r.add(support::unary("t::neg", [](float x) { return -x; }));
  r.add(halves());
  r.add(tell());
  r.add(throwing("t::throws", [] { throw std::runtime_error("the disk is on fire"); }));
  r.add(throwing("t::throws_int", [] { throw 7; }));
  r.add(throwing("t::throws_memory", [] { throw std::bad_alloc(); }));
  r.add_method("minus", "t::sub");
  return r;
}

Tensor vec(std::initializer_list<float> values) { return Tensor::from<float>(values, Shape{static_cast<std::int64_t>(values.size())}); }

Value run(const Graph& graph, const std::vector<Value>& inputs, const Module* root = nullptr, Interpreter::Environment initial = {}) {
  const OperatorRegistry registry = operators();
  return Interpreter(graph.freeze(), root, registry).run(inputs, std::move(initial));
}

// Checks the error's kind and that each of `parts` is in its message.
template <class Act>
void fails(ErrorKind kind, std::initializer_list<std::string> parts, Act&& act) {
  BOOST_CHECK_EXCEPTION(act(), Error, [&](const Error& e) {
    for (const std::string& part : parts)
      BOOST_TEST(std::string(e.what()).find(part) != std::string::npos, part << " not in: " << e.what());
    BOOST_TEST(std::string(lazyfx::to_string(e.kind())) == lazyfx::to_string(kind));
    return true;
  });
}

std::uint32_t key(Node node) { return static_cast<std::uint32_t>(node.id()); }

}  // namespace

BOOST_AUTO_TEST_CASE(interpreter_runs_a_graph_node_by_node) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node y = g.placeholder("y");
  const Node sum = g.call_function("t::add", {x, y});
  g.output(g.call_function("t::mul", {sum, 2.0}));
  BOOST_TEST(equal(run(g, {vec({1, 2}), vec({10, 20})}).as_tensor(), vec({22, 44})));
}

BOOST_AUTO_TEST_CASE(an_empty_graph_is_callable_and_returns_none) {
  BOOST_TEST(run(Graph(), {}).is_none());
  Graph g;
  g.placeholder("x");
  BOOST_TEST(run(g, {vec({1})}).is_none());
}

BOOST_AUTO_TEST_CASE(output_keeps_its_aggregate) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node n = g.call_function("t::neg", {x});
  g.output(Argument::dict({{"pair", Argument::tuple({x, n})}, {"list", Argument::list({n, 3, "text", Argument()})}}));
  const Value out = run(g, {vec({1})});
  BOOST_TEST(out["pair"].is_tuple());
  BOOST_TEST(equal(out["pair"][1].as_tensor(), vec({-1})));
  BOOST_TEST(out["list"].is_list());
  BOOST_TEST(out["list"][1].as_int() == 3);
  BOOST_TEST(out["list"][2].as_string() == "text");
  BOOST_TEST(out["list"][3].is_none());
}

BOOST_AUTO_TEST_CASE(placeholders_without_an_input_take_their_default) {
  Graph g;
  const Node y = g.placeholder("y", {}, Argument(1.0));
  const Node z = g.placeholder("z", {}, Argument(2.0));
  g.output(g.call_function("t::sub", {y, z}));
  BOOST_TEST(run(g, {}).as_tensor().item<float>() == -1);
  BOOST_TEST(run(g, {5.0}).as_tensor().item<float>() == 3);
  BOOST_TEST(run(g, {5.0, 7.0}).as_tensor().item<float>() == -2);
}

BOOST_AUTO_TEST_CASE(a_missing_input_is_named) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node y = g.placeholder("y");
  g.output(g.call_function("t::add", {x, y}));
  fails(ErrorKind::invalid_argument, {"Expected positional argument for parameter y, but one was not passed in"},
        [&] { run(g, {vec({1})}); });
}

BOOST_AUTO_TEST_CASE(too_many_inputs_are_refused) {
  Graph g;
  g.output(g.placeholder("x"));
  fails(ErrorKind::invalid_argument, {"takes 1", "3 were passed"}, [&] { run(g, {1, 2, 3}); });
}

BOOST_AUTO_TEST_CASE(several_outputs_of_an_operator_are_a_tuple) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node parts = g.call_function("t::halves", {x});
  const Node low = g.call_function("getitem", {parts, 0});
  const Node high = g.call_function("getitem", {parts, 1});
  g.output(Argument::tuple({g.call_function("t::sub", {high, low}), parts}));
  const Value out = run(g, {vec({1, 2, 10, 20})});
  BOOST_TEST(equal(out[0].as_tensor(), vec({9, 18})));
  BOOST_TEST(out[1].is_tuple());
  BOOST_TEST(out[1].items().size() == 2u);
}

BOOST_AUTO_TEST_CASE(only_the_outputs_asked_for_are_made) {
  Graph g;
  const Node parts = g.call_function("t::halves", {g.placeholder("x")});
  const Node low = g.call_function("getitem", {parts, 0});
  g.output(Argument::tuple({low, parts}));
  const Value out = run(g, {vec({1, 2, 10, 20})});
  BOOST_TEST(equal(out[0].as_tensor(), vec({1, 2})));
  BOOST_TEST(equal(out[1].as_tensor(), vec({1, 2})));  // one output is the tensor itself
}

BOOST_AUTO_TEST_CASE(getitem_picks_from_lists_tuples_and_dicts) {
  Graph g;
  const Node x = g.placeholder("x");
  g.output(
      Argument::list({g.call_function("getitem", {x, "key"}), g.call_function("getitem", {g.call_function("getitem", {x, "list"}), -1})}));
  const Value out = run(g, {Value::dict({{"key", 5}, {"list", Value::list({1, Value::tuple({8, 9})})}})});
  BOOST_TEST(out[0].as_int() == 5);
  BOOST_TEST(out[1][0].as_int() == 8);
}

BOOST_AUTO_TEST_CASE(getitem_out_of_range_names_the_node) {
  Graph g;
  const Node x = g.placeholder("x");
  g.output(g.call_function("getitem", {x, 2}, {}, "third"));
  fails(ErrorKind::invalid_argument, {"While executing %third", "no item 2 among 2"}, [&] { run(g, {Value::tuple({1, 2})}); });
  Graph h;
  h.output(h.call_function("getitem", {h.call_function("t::halves", {h.placeholder("x")}), -4}, {}, "wild"));
  fails(ErrorKind::invalid_argument, {"%wild", "no item -4"}, [&] { run(h, {vec({1, 2})}); });
}

BOOST_AUTO_TEST_CASE(call_method_takes_the_receiver_first) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node y = g.placeholder("y");
  g.output(g.call_method("minus", {y, x}));
  BOOST_TEST(equal(run(g, {vec({1}), vec({10})}).as_tensor(), vec({9})));
}

BOOST_AUTO_TEST_CASE(call_module_and_get_attr_reach_into_the_root_by_dotted_path) {
  struct Doubler : Module {
    Value call(std::span<const Value> in) override { return in[0].as_tensor().defined() ? Value::tuple({in[0], in[0]}) : Value(); }
  };
  Container root;
  root.add_submodule("blocks.0", std::make_shared<Doubler>());
  root.set_tensor("blocks.bias", vec({100}));
  Graph g;
  const Node x = g.placeholder("x");
  const Node pair = g.call_module("blocks.0", {x});
  const Node second = g.call_function("getitem", {pair, 1});
  g.output(g.call_function("t::add", {second, g.get_attr("blocks.bias")}));
  BOOST_TEST(equal(run(g, {vec({7})}, &root).as_tensor(), vec({107})));
}

BOOST_AUTO_TEST_CASE(names_that_lead_nowhere_are_named) {
  Container root;
  const auto only = [](auto make) {
    auto g = std::make_unique<Graph>();
    g->output(make(*g));
    return g;
  };
  const auto attr = only([](Graph& g) { return g.get_attr("no.such"); });
  const auto module = only([](Graph& g) { return g.call_module("sub"); });
  const auto function = only([](Graph& g) { return g.call_function("nobody::knows"); });
  const auto method = only([](Graph& g) { return g.call_method("unheard", {1}); });
  fails(ErrorKind::invalid_graph, {"While executing %", "no tensor at 'no.such'"}, [&] { run(*attr, {}, &root); });
  fails(ErrorKind::invalid_graph, {"no tensor at 'no.such'"}, [&] { run(*attr, {}); });
  fails(ErrorKind::invalid_graph, {"no submodule at 'sub'"}, [&] { run(*module, {}, &root); });
  fails(ErrorKind::unsupported, {"no operator called nobody::knows"}, [&] { run(*function, {}); });
  fails(ErrorKind::unsupported, {"no method called unheard"}, [&] { run(*method, {}); });
}

BOOST_AUTO_TEST_CASE(attributes_arrive_as_they_are_written) {
  Graph g;
  const Node x = g.placeholder("x");
  g.output(g.call_function("t::tell", {x}, {{"to", DType::f16}, {"label", "f32"}, {"axes", Argument::ints({2, -1})}}));
  BOOST_TEST(run(g, {vec({1})}).as_tensor().item<std::string>() == "f16 f32 2 -1");
}

BOOST_AUTO_TEST_CASE(errors_say_which_node_was_executed_and_keep_their_kind) {
  const auto failing = [](const char* target) {
    auto g = std::make_unique<Graph>();
    g->output(g->call_function(target, {g->placeholder("x")}, {}, "culprit"));
    return g;
  };
  const auto with = [&](const char* target) { return [g = failing(target)] { run(*g, {vec({1})}); }; };
  fails(ErrorKind::user_code, {"While executing %culprit", "t::throws", "the disk is on fire"}, with("t::throws"));
  fails(ErrorKind::user_code, {"While executing %culprit", "t::throws_int"}, with("t::throws_int"));
  fails(ErrorKind::resource, {"While executing %culprit"}, with("t::throws_memory"));
  fails(ErrorKind::invalid_graph, {"While executing %culprit", "missing"}, with("t::add"));
}

BOOST_AUTO_TEST_CASE(what_went_wrong_is_nested_in_the_error) {
  struct Broken : Module {
    Value call(std::span<const Value>) override { throw std::out_of_range("inner"); }
  };
  Container root;
  root.set_submodule("m", std::make_shared<Broken>());
  Graph g;
  g.output(g.call_module("m", {}));
  try {
    run(g, {}, &root);
    BOOST_FAIL("nothing was thrown");
  } catch (const Error& error) { BOOST_CHECK_THROW(std::rethrow_if_nested(error), std::out_of_range); }
}

BOOST_AUTO_TEST_CASE(nodes_with_an_initial_value_are_not_run) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node broken = g.call_function("t::throws", {x});
  g.output(g.call_function("t::neg", {broken}));
  BOOST_TEST(equal(run(g, {vec({1})}, nullptr, {{key(broken), vec({5})}}).as_tensor(), vec({-5})));
}

BOOST_AUTO_TEST_CASE(a_placeholder_with_an_initial_value_takes_no_input) {
  Graph g;
  const Node x = g.placeholder("x");
  const Node y = g.placeholder("y");
  g.output(g.call_function("t::sub", {x, y}));
  BOOST_TEST(equal(run(g, {vec({1})}, nullptr, {{key(x), vec({10})}}).as_tensor(), vec({9})));
  fails(ErrorKind::invalid_argument, {"takes 1", "2 were passed"}, [&] { run(g, {1, 2}, nullptr, {{key(x), vec({10})}}); });
}

BOOST_AUTO_TEST_CASE(only_the_output_is_left_after_a_run) {
  Graph g;
  const Node x = g.placeholder("x");
  g.placeholder("unused");
  const Node n = g.call_function("t::neg", {x});
  g.call_function("t::neg", {n});  // for nobody
  const Node out = g.output(g.call_function("t::add", {n, n}));
  const OperatorRegistry registry = operators();
  Interpreter interpreter(g.freeze(), nullptr, registry);
  const std::vector<Value> inputs{vec({1}), vec({2})};
  interpreter.run(inputs);
  BOOST_TEST(interpreter.environment().size() == 1u);
  BOOST_TEST(interpreter.environment().contains(key(out)));
  interpreter.run(inputs, {{key(n), vec({3})}});  // and again, with a value that was given
  BOOST_TEST(interpreter.environment().size() == 1u);
}

BOOST_AUTO_TEST_CASE(values_are_released_after_their_last_use) {
  // Counts how many values are held while each node runs.
  struct Counting : Interpreter {
    using Interpreter::Interpreter;
    std::vector<std::size_t> held;
    Value run_node(NodeView node) override {
      held.push_back(environment().size());
      return Interpreter::run_node(node);
    }
  };
  Graph g;
  Node n = g.placeholder("x");
  for (int i = 0; i < 50; ++i) n = g.call_function("t::neg", {n});
  g.call_function("t::neg", {n});
  g.output(n);
  const OperatorRegistry registry = operators();
  Counting interpreter(g.freeze(), nullptr, registry);
  const std::vector<Value> inputs{vec({4})};
  BOOST_TEST(equal(interpreter.run(inputs).as_tensor(), vec({4})));
  BOOST_TEST(interpreter.held.front() == 0u);
  BOOST_TEST(*std::max_element(interpreter.held.begin(), interpreter.held.end()) == 1u);
}

BOOST_AUTO_TEST_CASE(an_overridden_run_node_sees_every_node) {
  struct Swapping : Interpreter {
    using Interpreter::Interpreter;
    std::vector<std::string> seen;
    Value run_node(NodeView node) override {
      seen.push_back(node.name());
      return Interpreter::run_node(node);
    }
    Value call_function(NodeView node, std::span<const Value> args, const std::vector<std::pair<std::string, Value>>& kwargs) override {
      if (node.target() != "t::neg") return Interpreter::call_function(node, args, kwargs);
      return args[0].as_tensor().defined() ? Value(vec({42})) : Value();
    }
  };
  Graph g;
  const Node x = g.placeholder("x");
  const Node n = g.call_function("t::neg", {x}, {}, "n");
  g.output(g.call_function("t::add", {n, x}, {}, "total"));
  const OperatorRegistry registry = operators();
  Swapping interpreter(g.freeze(), nullptr, registry);
  const std::vector<Value> inputs{vec({1})};
  BOOST_TEST(equal(interpreter.run(inputs).as_tensor(), vec({43})));
  const std::vector<std::string> expected{"x", "n", "total", "output"};
  BOOST_TEST(interpreter.seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_interpreter_answers_for_its_snapshot_whatever_is_edited_later) {
  Graph g;
  const Node x = g.placeholder("x");
  Node n = g.call_function("t::neg", {x});
  g.output(n);
  const OperatorRegistry registry = operators();
  Interpreter before(g.freeze(), nullptr, registry);
  const InsertionScope scope = g.inserting_before(n);
  n.set_args({g.call_function("t::add", {x, x})});
  Interpreter after(g.freeze(), nullptr, registry);
  const std::vector<Value> inputs{vec({1})};
  BOOST_TEST(equal(before.run(inputs).as_tensor(), vec({-1})));
  BOOST_TEST(equal(after.run(inputs).as_tensor(), vec({-2})));
}

BOOST_AUTO_TEST_CASE(a_chain_of_a_hundred_thousand_nodes_needs_no_stack) {
  Graph g;
  Node n = g.placeholder("x");
  for (int i = 0; i < 100'000; ++i) n = g.call_function("t::neg", {n});
  g.output(n);
  BOOST_TEST(equal(run(g, {vec({4})}).as_tensor(), vec({4})));
}
