// What is kept when no module uses it, and what is known not to compile. Each test is one sentence of the promise.
#define BOOST_TEST_MODULE compile_sharing
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/explain_miss.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::chain;
using support::plus;
using support::set_plus;
using support::vec;

namespace {

const Tensor zeros = vec({0, 0, 0, 0});

bool holds(GraphModule& module, float x) { return equal(module(Inputs(zeros)).as_tensor(), vec({x, x, x, x})); }

void compile_and_drop(Runtime& runtime, const std::shared_ptr<Graph>& graph) { LazyGraphModule(runtime, graph).real_recompile(); }

// forward(x): x * w, with a weight of its own of `count` floats.
struct Weighted {
  Container root;
  std::unique_ptr<LazyGraphModule> module;
  Weighted(Runtime& runtime, std::int64_t count, float value) {
    Tensor weight = Tensor::empty(DType::f32, Shape{count});
    for (float& v : weight.mutable_values<float>()) v = value;
    root.set_tensor("w", weight);
    module = std::make_unique<LazyGraphModule>(runtime, support::times_attribute("w", support::f32(count)), &root);
    module->real_recompile();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_compiled_is_found_again_after_its_last_module_has_gone) {
  Runtime runtime;
  compile_and_drop(runtime, plus(1));
  LazyGraphModule again(runtime, plus(1));
  again.real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().cache_hits == 1u);
  BOOST_TEST(holds(again, 1));
}

BOOST_AUTO_TEST_CASE(going_back_to_an_earlier_graph_compiles_nothing) {
  Runtime runtime;
  auto graph = plus(1);
  LazyGraphModule module(runtime, graph);
  for (int i = 0; i < 10; ++i) {
    set_plus(*graph, 1 + i % 2);
    module.recompile();
    BOOST_TEST(holds(module, static_cast<float>(1 + i % 2)));
  }
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}

BOOST_AUTO_TEST_CASE(without_a_budget_only_what_is_used_is_kept) {
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  compile_and_drop(runtime, plus(1));
  compile_and_drop(runtime, plus(1));
  BOOST_TEST(runtime.stats().compiles_started == 2u);
  BOOST_TEST(runtime.stats().cached_bytes == 0u);
  LazyGraphModule living(runtime, plus(1));
  living.real_recompile();
  LazyGraphModule other(runtime, plus(1));
  other.real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == 3u);  // shared while it lives
}

BOOST_AUTO_TEST_CASE(the_cache_stays_within_its_bytes_and_lets_go_of_the_least_recently_used) {
  constexpr std::size_t budget = 100'000;
  Runtime runtime(RuntimeOptions().cache_bytes(budget));
  for (int i = 0; i < 8; ++i) {
    { const Weighted one(runtime, 4096, static_cast<float>(i + 1)); }
    { const Weighted hot(runtime, 4096, 1); }  // used again and again
    support::at_rest(runtime);  // a thread of the pool lets go a moment after it has published
    BOOST_TEST(runtime.stats().cached_bytes <= budget);
    BOOST_TEST(runtime.stats().cached_bytes >= 4096u * sizeof(float));
  }
  BOOST_TEST(runtime.stats().compiles_started == 8u);
  { const Weighted old(runtime, 4096, 2); }  // the second of the eight has been let go
  BOOST_TEST(runtime.stats().compiles_started == 9u);
}

BOOST_AUTO_TEST_CASE(eviction_never_touches_what_a_module_uses) {
  Runtime runtime(RuntimeOptions().cache_bytes(40'000));
  std::vector<std::unique_ptr<Weighted>> living;
  for (int i = 0; i < 8; ++i) living.push_back(std::make_unique<Weighted>(runtime, 4096, static_cast<float>(i + 1)));
  runtime.trim();
  for (int i = 0; i < 8; ++i) {
    Tensor ones = Tensor::empty(DType::f32, Shape{4096});
    for (float& v : ones.mutable_values<float>()) v = 1;
    const Value y = (*living[static_cast<std::size_t>(i)]->module)(Inputs(ones));
    BOOST_TEST(y.as_tensor().values<float>()[4095] == static_cast<float>(i + 1));
  }
  BOOST_TEST(runtime.stats().compiles_started == 8u);
}

BOOST_AUTO_TEST_CASE(trim_keeps_the_most_recent_bytes) {
  Runtime runtime;
  { const Weighted old(runtime, 4096, 1); }
  { const Weighted young(runtime, 4096, 2); }
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached == 2u);
  runtime.trim(30'000);
  BOOST_TEST(runtime.stats().cached == 1u);
  { const Weighted young(runtime, 4096, 2); }
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}

BOOST_AUTO_TEST_CASE(content_that_is_known_not_to_compile_is_not_tried_again) {
  Runtime runtime;
  LazyGraphModule first(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(first.real_recompile(), CompileError);
  LazyGraphModule second(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(second.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().known_failures == 1u);
  second.retry();
  BOOST_CHECK_THROW(second.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 2u);
  runtime.trim();
  LazyGraphModule third(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(third.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 3u);
}

BOOST_AUTO_TEST_CASE(a_failure_of_a_users_own_code_is_tried_again_by_the_next_module) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  LazyGraphModule first(runtime, chain({"t::breaks"}));
  BOOST_CHECK_THROW(first.real_recompile(), CompileError);
  *broken = false;
  LazyGraphModule second(runtime, chain({"t::breaks"}));
  BOOST_TEST(holds(second, 0));
}

BOOST_AUTO_TEST_CASE(explain_miss_names_what_keeps_two_modules_apart) {
  Runtime runtime;
  LazyGraphModule one(runtime, plus(1));
  LazyGraphModule equal_one(runtime, plus(1));
  LazyGraphModule two(runtime, plus(2));
  LazyGraphModule relu(runtime, chain({"onnx::Relu"}));
  LazyGraphModule tanh(runtime, chain({"onnx::Tanh"}));
  LazyGraphModule wide(runtime, plus(1, support::f32(8)));
  BOOST_TEST(explain_miss(one, equal_one) == "");
  BOOST_TEST(explain_miss(one, two).find("%total") != std::string::npos);
  BOOST_TEST(explain_miss(one, two).find("arguments") != std::string::npos);
  BOOST_TEST(explain_miss(relu, tanh).find("target") != std::string::npos);
  BOOST_TEST(explain_miss(one, wide).find("type") != std::string::npos);
  const Weighted a(runtime, 4, 1), b(runtime, 4, 2);
  BOOST_TEST(explain_miss(*a.module, *b.module) == "tensor 'w' differs");
}

BOOST_AUTO_TEST_CASE(explain_miss_looks_into_subgraphs) {
  Runtime runtime;
  const auto branch = [](const char* op, double c) {
    Graph graph;
    graph.output(graph.call_function("onnx::Add", {graph.call_function(op, {graph.placeholder("x", support::f32(4))}), c}, {}, "total"));
    return std::make_shared<Subgraph>(graph);
  };
  const auto chooses = [&](std::shared_ptr<Subgraph> then) {
    Container root;
    root.set_submodule("then", std::move(then));
    root.set_submodule("otherwise", branch("onnx::Neg", 1));
    auto graph = std::make_shared<Graph>();
    const Node c = graph->placeholder("c", TensorType(DType::boolean, Shape{}));
    const Node x = graph->placeholder("x", support::f32(4));
    graph->output(graph->call_function("onnx::If", {c, x}, {{"captured", 1}, {"then_branch", "then"}, {"else_branch", "otherwise"}}));
    return std::make_unique<LazyGraphModule>(runtime, graph, &root);
  };
  const auto relu = chooses(branch("onnx::Relu", 1)), tanh = chooses(branch("onnx::Tanh", 1)), more = chooses(branch("onnx::Relu", 2));
  BOOST_TEST(explain_miss(*relu, *chooses(branch("onnx::Relu", 1))) == "");
  BOOST_TEST(explain_miss(*relu, *tanh) == "in subgraph 'then': the targets of %relu and %tanh differ");
  BOOST_TEST(explain_miss(*relu, *more) == "in subgraph 'then': the arguments of %total differ");
  auto extended = branch("onnx::Relu", 1);
  extended->set_tensor("extra", vec({1}));
  BOOST_TEST(explain_miss(*relu, *chooses(extended)) == "only one has a tensor 'then.extra'");
}

BOOST_AUTO_TEST_CASE(explain_miss_says_that_what_calls_modules_is_not_shared) {
  Runtime runtime;
  Container root;
  root.set_submodule("c", std::make_shared<LazyGraphModule>(runtime, plus(1)));
  const auto parent = [&] {
    auto graph = std::make_shared<Graph>();
    graph->output(graph->call_module("c", {graph->placeholder("x", support::f32(4))}));
    return std::make_unique<LazyGraphModule>(runtime, graph, &root);
  };
  const auto a = parent(), b = parent();
  BOOST_TEST(explain_miss(*a, *b) == "modules that call other modules do not share");
}

namespace {

/// forward(x): one operator on one node.
std::shared_ptr<Graph> with_node(const char* op, const char* name) {
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_function(op, {graph->placeholder("x", support::f32(4))}, {}, name));
  return graph;
}

std::string what_fails(LazyGraphModule& module, std::string& node, std::size_t& line) {
  try {
    module.real_recompile();
  } catch (const CompileError& error) {
    node = error.node();
    line = error.line();
    return error.what();
  }
  return "nothing";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_failure_that_is_known_names_the_nodes_of_who_asks) {
  Runtime runtime;
  LazyGraphModule a(runtime, with_node("no::such", "alpha")), b(runtime, with_node("no::such", "beta"));
  std::string node;
  std::size_t line = 0, other = 0;
  BOOST_TEST(what_fails(a, node, line).find("at %alpha (no::such) on line") != std::string::npos);
  BOOST_TEST(node == "alpha");
  const std::string what = what_fails(b, node, other);
  BOOST_TEST(runtime.stats().known_failures == 1u);
  BOOST_TEST(node == "beta");
  BOOST_TEST(line == other);
  BOOST_TEST(what.find("at %beta (no::such) on line") != std::string::npos);
  BOOST_TEST(what.find("alpha") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_failure_inside_of_a_subgraph_names_the_nodes_of_who_asks) {
  Runtime runtime;
  const auto module = [&](const char* name) {
    Container root;
    root.set_submodule("branch", std::make_shared<Subgraph>(*with_node("no::such", name)));
    auto graph = std::make_shared<Graph>();
    const Node c = graph->placeholder("c", TensorType(DType::boolean, Shape{}));
    const Node x = graph->placeholder("x", support::f32(4));
    graph->output(graph->call_function("onnx::If", {c, x}, {{"captured", 1}, {"then_branch", "branch"}, {"else_branch", "branch"}}));
    return std::make_unique<LazyGraphModule>(runtime, graph, &root);
  };
  const auto a = module("alpha"), b = module("beta");
  std::string node;
  std::size_t line = 0;
  what_fails(*a, node, line);
  BOOST_TEST(node == "alpha");
  what_fails(*b, node, line);
  BOOST_TEST(node == "beta");
}

BOOST_AUTO_TEST_CASE(everyone_who_waits_for_one_failing_compile_hears_of_a_node_of_its_own) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::acts_in_compile("t::broken", [gate] {
    gate->pass();
    throw std::runtime_error("no");
  }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule a(runtime, with_node("t::broken", "alpha")), b(runtime, with_node("t::broken", "beta"));
  support::Loop loop;
  support::Call first(loop, a, zeros);
  gate->wait_for_arrivals(1);
  support::Call second(loop, b, zeros);
  while (runtime.stats().flights_joined == 0) std::this_thread::yield();
  gate->open();
  const auto node_of = [](support::Call& call) {
    try {
      call.get();
    } catch (const CompileError& error) { return error.node(); }
    return std::string("none");
  };
  BOOST_TEST(node_of(first) == "alpha");
  BOOST_TEST(node_of(second) == "beta");
}

BOOST_AUTO_TEST_CASE(thousands_of_equal_modules_leave_one_compile_in_any_order) {
  constexpr std::size_t count = 20'000;
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  const auto graph = chain({"t::held"});
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (std::size_t i = 0; i < count; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, graph));
    modules.back()->recompile();
  }
  while (runtime.stats().flights_joined < count - 1) std::this_thread::yield();
  support::Loop loop;
  support::Call stays(loop, *modules[count / 2], zeros);
  for (std::size_t i = 0; i < count / 2; ++i) modules[count - 1 - i].reset();  // those who came last
  for (std::size_t i = 0; i < count / 2; ++i) modules[i].reset();
  gate->open();
  BOOST_TEST(equal(stays.get().as_tensor(), zeros));
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
}
