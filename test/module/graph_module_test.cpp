#define BOOST_TEST_MODULE module_graph_module
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::chain;
using support::plus;
using support::vec;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Tensor call(GraphModule& module, Tensor x) { return module(Inputs(std::move(x))).as_tensor(); }

template <class Act>
void fails(ErrorKind kind, std::initializer_list<std::string> parts, Act&& act) {
  BOOST_CHECK_EXCEPTION(act(), Error, [&](const Error& e) {
    for (const std::string& part : parts) BOOST_TEST(contains(e.what(), part), part << " not in: " << e.what());
    BOOST_TEST(std::string(lazyfx::to_string(e.kind())) == lazyfx::to_string(kind));
    return true;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_eager_module_is_clean_once_it_is_made) {
  Runtime runtime;
  GraphModule module(runtime, plus(2));
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST((module.state() == ModuleState::clean));
  BOOST_TEST(module.generation() == 1u);
  BOOST_TEST(!module.is_lazy());
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
  BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({3, 4, 5, 6})));
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
}

BOOST_AUTO_TEST_CASE(a_module_whose_runtime_is_gone_answers_is_checked_and_says_so) {
  auto runtime = std::make_unique<Runtime>(
      RuntimeOptions().operators(support::standard_and(support::unary("t::twice", [](float x) { return 2 * x; }))));
  auto graph = chain({"t::twice"});
  GraphModule module(*runtime, graph);
  BOOST_TEST(&module.runtime() == runtime.get());
  const Tensor x = vec({1, 2, 3, 4});
  static_cast<void>(call(module, x));
  runtime.reset();
  BOOST_TEST(equal(call(module, x), vec({2, 4, 6, 8})));
  module.lint();
  graph->output_node().set_meta("note", Value("edited"));
  module.lint();
  Interpreter interpreter(module);
  BOOST_TEST(equal(interpreter.run(std::vector<Value>{Value(x)}).as_tensor(), vec({2, 4, 6, 8})));
  BOOST_TEST(module.operators().find("t::twice")->name == "t::twice");
  const auto says_stopped = [](const Error& e) { return e.kind() == ErrorKind::stopped; };
  BOOST_CHECK_EXCEPTION(module.runtime(), Error, says_stopped);
  BOOST_CHECK_EXCEPTION(module.recompile(), Error, says_stopped);
}

BOOST_AUTO_TEST_CASE(edits_without_recompile_leave_the_old_answers_in_force) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  support::set_plus(module.graph(), 10);
  BOOST_TEST(equal(call(module, vec({0, 0, 0, 0})), vec({1, 1, 1, 1})));
  BOOST_TEST(!module.needs_recompile());
  module.recompile();
  BOOST_TEST(module.generation() == 2u);
  BOOST_TEST(equal(call(module, vec({0, 0, 0, 0})), vec({10, 10, 10, 10})));
}

BOOST_AUTO_TEST_CASE(an_empty_graph_is_a_module_that_returns_none) {
  Runtime runtime;
  GraphModule module(runtime, std::make_shared<Graph>());
  BOOST_TEST(module(Inputs()).is_none());
}

BOOST_AUTO_TEST_CASE(a_module_equals_its_interpreter) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {2, 3}));
  const Node t = graph->call_function("onnx::Tanh", {x});
  const Node s = graph->call_function("onnx::Sigmoid", {graph->call_function("onnx::Mul", {t, 3.0})});
  graph->output(Argument::tuple({graph->call_function("onnx::Add", {s, x}), Argument::dict({{"t", t}, {"n", 3}}), x}));
  GraphModule module(runtime, graph);
  const Tensor in = Tensor::from<float>({-1, 0, 1, 2, -3, 0.5F}, Shape{2, 3});
  const std::vector<Value> inputs{in};
  const Value got = module.call(inputs);
  const Value expected = Interpreter(module).run(inputs);
  BOOST_TEST(support::close(got[0], expected[0]));
  BOOST_TEST(support::close(got[1]["t"], expected[1]["t"]));
  BOOST_TEST(got[1]["n"].as_int() == 3);
  BOOST_TEST(equal(got[2].as_tensor(), in));
}

BOOST_AUTO_TEST_CASE(an_input_that_is_returned_is_the_callers_own_value) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  graph->output(x);
  GraphModule module(runtime, graph);
  const Value values[] = {1, 2.5, true, "text", Value(), Value::list({1, "a"}), Value::dict({{"k", vec({1})}})};
  for (const Value& value : values) BOOST_TEST((module(Inputs(value)) == value), to_string(value));
  const Tensor strided = vec({1, 2, 3, 4}).slice(0, 0, 2, 2);
  BOOST_TEST(call(module, strided).is_same(strided));
}

BOOST_AUTO_TEST_CASE(placeholder_defaults_fill_what_is_not_passed) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  const Node y = graph->placeholder("y", {}, Argument(1.0));
  const Node z = graph->placeholder("z", {}, Argument(2.0));
  graph->output(graph->call_function("onnx::Sub", {graph->call_function("onnx::Mul", {x, y}), z}));
  GraphModule module(runtime, graph);
  BOOST_TEST(equal(module(Inputs(vec({5}))).as_tensor(), vec({3})));
  BOOST_TEST(equal(module(Inputs(vec({5}), 3.0)).as_tensor(), vec({13})));
  BOOST_TEST(equal(module(Inputs(vec({5}), 3.0, 10.0)).as_tensor(), vec({5})));
  fails(ErrorKind::invalid_argument, {"parameter x"}, [&] { module(Inputs()); });
  fails(ErrorKind::invalid_argument, {"3", "4"}, [&] { module(Inputs(vec({5}), 3.0, 10.0, 1.0)); });
}

BOOST_AUTO_TEST_CASE(what_the_graph_names_is_taken_from_the_root) {
  Runtime runtime;
  Container root;
  root.set_tensor("foo.bar.baz", vec({1, 2, 3, 4}), Module::TensorKind::parameter);
  root.set_tensor("foo.scratch", vec({1}), Module::TensorKind::buffer, false);
  root.set_tensor("foo.unnamed", vec({9}));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  const Node y = graph->call_function("onnx::Add", {x, graph->get_attr("foo.bar.baz")});
  graph->output(graph->call_function("onnx::Add", {y, graph->get_attr("foo.scratch")}));
  GraphModule module(runtime, graph, &root);
  BOOST_TEST(equal(call(module, vec({1, 1, 1, 1})), vec({3, 4, 5, 6})));
  BOOST_REQUIRE(module.find_tensor("foo.bar.baz"));
  BOOST_TEST((module.find_tensor("foo.bar.baz")->kind == Module::TensorKind::parameter));
  BOOST_TEST(module.find_tensor("foo.bar.baz")->tensor.is_same(root.find_tensor("foo.bar.baz")->tensor));
  BOOST_TEST(!module.find_tensor("foo.scratch")->persistent);
  BOOST_TEST(module.find_tensor("foo.unnamed") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_path_that_the_root_lacks_is_refused_by_node_and_path) {
  Runtime runtime;
  Container root;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->get_attr("foo.missing"));
  fails(ErrorKind::invalid_graph, {"foo.missing", graph->find_nodes(Opcode::get_attr)[0].name()},
        [&] { GraphModule(runtime, graph, &root); });
  fails(ErrorKind::invalid_graph, {"foo.missing"}, [&] { GraphModule(runtime, graph); });
  auto calls = std::make_shared<Graph>();
  calls->output(calls->call_module("no.module", {}));
  fails(ErrorKind::invalid_graph, {"no.module"}, [&] { GraphModule(runtime, calls, &root); });
}

BOOST_AUTO_TEST_CASE(submodules_are_called) {
  struct Negate : Module {
    Value call(std::span<const Value> in) override {
      Tensor out = Tensor::empty(DType::f32, in[0].as_tensor().shape());
      const Tensor x = in[0].as_tensor().contiguous();
      std::transform(x.values<float>().begin(), x.values<float>().end(), out.mutable_values<float>().begin(), std::negate<>());
      return out;
    }
  };
  Runtime runtime;
  Container root;
  root.add_submodule("layers.0", std::make_shared<Negate>());
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  graph->output(graph->call_function("onnx::Add", {graph->call_module("layers.0", {x}), 1.0}));
  GraphModule module(runtime, graph, &root);
  BOOST_TEST(equal(call(module, vec({1, 2})), vec({0, -1})));
  BOOST_TEST(module.find_submodule("layers.0") == root.find_submodule("layers.0"));
}

BOOST_AUTO_TEST_CASE(a_submodule_that_an_edit_begins_to_call_is_called) {
  struct Hundred : Module {
    Value call(std::span<const Value>) override { return vec({100}); }
  };
  Runtime runtime;
  Container root;
  root.set_submodule("a", std::make_shared<Hundred>());
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  const Node called = graph->call_module("a", {x});
  graph->output(graph->call_function("onnx::Add", {called, x}, {}, "total"));
  GraphModule module(runtime, graph, &root);
  module.set_submodule("b", std::make_shared<Hundred>());
  module.recompile();
  {
    const InsertionScope scope = graph->inserting_before(graph->find("total"));
    graph->find("total").update_arg(1, graph->call_module("b", {x}));  // nothing but the graph is edited
  }
  module.recompile();
  BOOST_TEST(equal(call(module, vec({1})), vec({200})));
}

BOOST_AUTO_TEST_CASE(lint_names_the_path_that_does_not_exist) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  module.lint();
  const Node total = module.graph().find("total");
  {
    const InsertionScope scope = module.graph().inserting_before(total);
    module.graph().get_attr("foo.absent");
  }
  fails(ErrorKind::invalid_graph, {"foo.absent"}, [&] { module.lint(); });
  module.set_attr("foo.absent", vec({1}));
  module.lint();
  {
    const InsertionScope scope = module.graph().inserting_before(total);
    module.graph().call_module("foo.nothing", {});
  }
  fails(ErrorKind::invalid_graph, {"foo.nothing"}, [&] { module.lint(); });
}

BOOST_AUTO_TEST_CASE(lint_names_the_operator_that_is_not_registered) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  const InsertionScope scope = module.graph().inserting_before(module.graph().find("total"));
  module.graph().call_function("my::unheard", {});
  BOOST_CHECK_EXCEPTION(module.lint(), Error, [](const Error& e) { return contains(e.what(), "my::unheard"); });
}

BOOST_AUTO_TEST_CASE(unused_submodules_are_deleted_and_tensors_kept) {
  Runtime runtime;
  Container root;
  auto leaf = std::make_shared<Container>();
  leaf->set_submodule("inner", std::make_shared<Container>());
  root.add_submodule("used.leaf", leaf);
  root.set_tensor("weights.w", vec({1, 2, 3, 4}), Module::TensorKind::parameter);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  graph->call_module("used.leaf", {x});
  graph->output(graph->get_attr("weights.w"));
  GraphModule module(runtime, graph, &root);
  for (const char* path : {"a", "a.b", "used.sibling", "weights.sub"}) module.add_submodule(path, std::make_shared<Container>());
  module.set_attr("used.buffer", vec({5}));
  module.delete_all_unused_submodules();
  for (const char* path : {"a", "a.b", "used.sibling", "weights.sub"}) BOOST_TEST(module.find_submodule(path) == nullptr, path);
  BOOST_TEST(module.find_submodule("used.leaf.inner") != nullptr);  // what stands below a module that is called
  BOOST_TEST(module.find_tensor("weights.w") != nullptr);
  BOOST_TEST(module.find_tensor("used.buffer") != nullptr);
  module.lint();
}

BOOST_AUTO_TEST_CASE(a_compile_error_leaves_the_last_good_generation_answering) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  Node total = module.graph().find("total");
  total.set_target("my::unheard");
  try {
    module.recompile();
    BOOST_FAIL("recompile() took an unknown operator");
  } catch (const CompileError& e) {
    BOOST_TEST(e.op() == "my::unheard");
    BOOST_TEST(e.node() == "total");
    BOOST_TEST(e.pass() == "bind");
    BOOST_TEST(e.line() > 0u);
    BOOST_TEST((e.kind() == ErrorKind::unsupported));
    BOOST_TEST(contains(e.what(), "my::unheard"));
    BOOST_TEST(contains(e.what(), "total"));
  }
  BOOST_TEST((module.state() == ModuleState::failed));
  BOOST_TEST(equal(call(module, vec({1, 1, 1, 1})), vec({2, 2, 2, 2})));
  total.set_target("onnx::Sub");
  module.recompile();
  BOOST_TEST(equal(call(module, vec({1, 1, 1, 1})), vec({0, 0, 0, 0})));
}

BOOST_AUTO_TEST_CASE(a_graph_that_cannot_be_compiled_is_refused_by_the_constructor) {
  Runtime runtime;
  BOOST_CHECK_THROW(GraphModule(runtime, chain({"my::unheard"})), CompileError);
}

BOOST_AUTO_TEST_CASE(set_graph_replaces_the_graph_whole) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  module.set_graph(plus(5));
  BOOST_TEST(module.generation() == 2u);
  BOOST_TEST(equal(call(module, vec({0, 0, 0, 0})), vec({5, 5, 5, 5})));
}

BOOST_AUTO_TEST_CASE(code_renders_the_marked_graph_and_print_readable_the_live_one) {
  Runtime runtime;
  GraphModule module(runtime, chain({"onnx::Sin"}), nullptr, GraphModuleOptions().class_name("Wave"));
  module.graph().find_nodes(Opcode::call_function)[0].set_target("onnx::Cos");
  BOOST_TEST(contains(module.code(), "onnx::Sin"));
  BOOST_TEST(!contains(module.code(), "onnx::Cos"));
  BOOST_TEST(contains(module.print_readable(), "onnx::Cos"));
  BOOST_TEST(contains(module.print_readable(), "Wave"));
  module.recompile();
  BOOST_TEST(contains(module.code(), "onnx::Cos"));
  BOOST_TEST(module.class_name() == "Wave");
}

BOOST_AUTO_TEST_CASE(printing_shows_class_name_submodules_and_code) {
  Runtime runtime;
  Container root;
  root.set_submodule("part", std::make_shared<Container>());
  auto graph = chain({"onnx::Sin"});
  {
    const InsertionScope scope = graph->inserting_before(graph->output_node());
    graph->call_module("part", {});
  }
  GraphModule module(runtime, graph, &root, GraphModuleOptions().class_name("Wave"));
  std::ostringstream out;
  out << module;
  BOOST_TEST(out.str() == to_string(module));
  for (const char* part : {"Wave", "part", "Container", "onnx::Sin"})
    BOOST_TEST(contains(out.str(), part), part << " not in " << out.str());
}

BOOST_AUTO_TEST_CASE(an_eager_module_is_awaited_like_a_lazy_one) {
  Runtime runtime;
  GraphModule module(runtime, plus(1));
  const Value y = support::run(module.forward(vec({1, 2, 3, 4})));
  BOOST_TEST(equal(y.as_tensor(), vec({2, 3, 4, 5})));
}
