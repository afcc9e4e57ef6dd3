// What the cache keeps when nobody uses it, and what that counts for. Each test is one sentence of the promise.
#define BOOST_TEST_MODULE compile_cache
#include <boost/test/unit_test.hpp>

#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "support/at_rest.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::plus;
using support::vec;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OWN_ALLOCATOR
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define OWN_ALLOCATOR
#endif
#endif

boost::test_tools::assertion_result memory_can_be_asked_for(boost::unit_test::test_unit_id) {
#if defined(OWN_ALLOCATOR)
  boost::test_tools::assertion_result answer(false);
  answer.message() << "a sanitizer's allocator does not tell what is in use";
  return answer;
#else
  return true;
#endif
}

std::size_t in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

constexpr std::int64_t floats = 4096;  // 16 KiB

Tensor filled(std::int64_t count, float value) {
  Tensor tensor = Tensor::empty(DType::f32, Shape{count});
  for (float& v : tensor.mutable_values<float>()) v = value;
  return tensor;
}

/// forward(x): x * w, compiled.
std::unique_ptr<LazyGraphModule> weighted(Runtime& runtime, float value, std::int64_t count = floats) {
  Container root;
  root.set_tensor("w", filled(count, value));
  auto module = std::make_unique<LazyGraphModule>(runtime, support::times_attribute("w", support::f32(count)), &root);
  module->real_recompile();
  return module;
}

/// Compiles and lets go.
void use_once(Runtime& runtime, float value) {
  weighted(runtime, value).reset();
  support::at_rest(runtime);
}

/// x + first + (first + 1) + ..., `nodes` additions.
std::shared_ptr<Graph> long_graph(int nodes, double first, const TensorType& type) {
  auto graph = std::make_shared<Graph>();
  Node y = graph->placeholder("x", type);
  for (int i = 0; i < nodes; ++i) y = graph->call_function("onnx::Add", {y, first + i});
  graph->output(y);
  return graph;
}

/// A module with a weight of `count` floats that does not compile, tried once.
void fail_once(Runtime& runtime, float value, std::int64_t count) {
  Container root;
  root.set_tensor("w", filled(count, value));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(3));
  graph->output(graph->call_function("onnx::Mul", {x, graph->get_attr("w")}));
  LazyGraphModule module(runtime, graph, &root);
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
}

/// One softmax after another: a plan of some size for each length of x.
std::shared_ptr<Graph> many_plans() {
  auto graph = std::make_shared<Graph>();
  Node y = graph->placeholder("x", TensorType(DType::f32));
  for (int i = 0; i < 60; ++i) y = graph->call_function("onnx::Softmax", {y});
  graph->output(y);
  return graph;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_kept_counts_what_its_graph_holds, *boost::unit_test::precondition(memory_can_be_asked_for)) {
  mallopt(M_ARENA_MAX, 1);  // or what other threads allocate is not told
  for (const TensorType& type : {support::f32(4), TensorType(DType::f32, {Dim("N")}), TensorType(DType::f32)}) {
    Runtime runtime(RuntimeOptions().cache_bytes(std::size_t{1} << 30));
    for (int warm = 0; warm < 2; ++warm) LazyGraphModule(runtime, long_graph(1000, -1 - warm, type))(Inputs(vec({0, 0, 0, 0})));
    support::at_rest(runtime);
    runtime.trim();
    const std::size_t before = in_use();
    for (int i = 0; i < 40; ++i) LazyGraphModule(runtime, long_graph(1000, 1000.0 * i, type))(Inputs(vec({0, 0, 0, 0})));
    support::at_rest(runtime);
    const double held = static_cast<double>(in_use() - before);
    const double counted = static_cast<double>(runtime.stats().cached_bytes);
    BOOST_TEST(runtime.stats().cached == 40u);
    BOOST_TEST(counted > held / 2);
    BOOST_TEST(counted < held * 2);
  }
}

BOOST_AUTO_TEST_CASE(constants_in_the_arguments_of_a_graph_and_of_graphs_within_it_count) {
  Runtime runtime;
  constexpr std::size_t bytes = floats * sizeof(float);
  const auto kept = [&](const std::shared_ptr<Graph>& graph, const Module* root) {
    LazyGraphModule(runtime, graph, root).real_recompile();
    support::at_rest(runtime);
    const std::size_t now = runtime.stats().cached_bytes;
    runtime.trim();
    return now;
  };
  auto flat = std::make_shared<Graph>();
  const Node x = flat->placeholder("x", support::f32(floats));
  flat->output(flat->call_function("onnx::Mul", {x, filled(floats, 1)}));
  BOOST_TEST(kept(flat, nullptr) > bytes);

  Graph branch;
  branch.output(branch.call_function("onnx::Mul", {branch.placeholder("x", support::f32(floats)), filled(floats, 2)}));
  Container root;
  root.set_submodule("one", std::make_shared<Subgraph>(branch));
  root.set_submodule("other", std::make_shared<Subgraph>(branch));
  auto graph = std::make_shared<Graph>();
  const Node c = graph->placeholder("c", TensorType(DType::boolean, Shape{}));
  const Node y = graph->placeholder("y", support::f32(floats));
  graph->output(graph->call_function("onnx::If", {c, y}, {{"captured", 1}, {"then_branch", "one"}, {"else_branch", "other"}}));
  BOOST_TEST(kept(graph, &root) > bytes);
}

BOOST_AUTO_TEST_CASE(what_is_known_not_to_compile_counts_and_the_oldest_is_forgotten) {
  constexpr std::size_t budget = 10 * floats * sizeof(float);
  Runtime runtime(RuntimeOptions().cache_bytes(budget));
  for (int i = 0; i < 24; ++i) {
    fail_once(runtime, static_cast<float>(i), floats);
    BOOST_TEST(runtime.stats().cached_bytes <= budget);
    BOOST_TEST(runtime.stats().cached_bytes >= floats * sizeof(float));
  }
  BOOST_TEST(runtime.stats().compiles_started == 24u);
  fail_once(runtime, 23, floats);
  BOOST_TEST(runtime.stats().compiles_started == 24u);
  BOOST_TEST(runtime.stats().known_failures == 1u);
  fail_once(runtime, 0, floats);
  BOOST_TEST(runtime.stats().compiles_started == 25u);
  runtime.trim();
  BOOST_TEST(runtime.stats().cached_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(a_failure_that_is_asked_for_again_is_not_the_oldest) {
  Runtime runtime(RuntimeOptions().cache_bytes(10 * floats * sizeof(float)));
  for (int i = 0; i < 24; ++i) {
    fail_once(runtime, static_cast<float>(i), floats);
    fail_once(runtime, 0, floats);
  }
  BOOST_TEST(runtime.stats().compiles_started == 24u);
}

BOOST_AUTO_TEST_CASE(a_failure_whose_source_alone_is_beyond_the_budget_is_not_kept) {
  Runtime runtime(RuntimeOptions().cache_bytes(100'000));
  use_once(runtime, 1);
  fail_once(runtime, 1, 100'000);
  fail_once(runtime, 1, 100'000);
  BOOST_TEST(runtime.stats().known_failures == 0u);
  BOOST_TEST(runtime.stats().cached == 1u);
}

BOOST_AUTO_TEST_CASE(failures_push_out_what_was_used_longer_ago_and_nothing_else) {
  constexpr std::size_t budget = 6 * floats * sizeof(float);
  Runtime runtime(RuntimeOptions().cache_bytes(budget));
  use_once(runtime, 1);
  fail_once(runtime, 1, floats);
  for (int i = 2; i < 5; ++i) use_once(runtime, static_cast<float>(i));
  fail_once(runtime, 2, floats);  // one too many
  BOOST_TEST(runtime.stats().cached == 3u);
  const auto started = runtime.stats().compiles_started;
  fail_once(runtime, 1, floats);
  for (int i = 2; i < 5; ++i) use_once(runtime, static_cast<float>(i));
  BOOST_TEST(runtime.stats().compiles_started == started);
  use_once(runtime, 1);
  BOOST_TEST(runtime.stats().compiles_started == started + 1);
}

BOOST_AUTO_TEST_CASE(what_modules_use_does_not_count) {
  Runtime runtime(RuntimeOptions().cache_bytes(50'000));
  use_once(runtime, 1);
  std::vector<std::unique_ptr<LazyGraphModule>> living;
  for (int i = 0; i < 8; ++i) living.push_back(weighted(runtime, 10.0F + static_cast<float>(i)));
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached == 1u);
  use_once(runtime, 1);
  BOOST_TEST(runtime.stats().compiles_started == 9u);
}

BOOST_AUTO_TEST_CASE(what_modules_let_go_of_is_kept_within_the_budget_at_once) {
  constexpr std::size_t budget = 50'000;
  Runtime runtime(RuntimeOptions().cache_bytes(budget));
  std::vector<std::unique_ptr<LazyGraphModule>> living;
  for (int i = 0; i < 8; ++i) living.push_back(weighted(runtime, static_cast<float>(i)));
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached_bytes == 0u);
  living.clear();
  BOOST_TEST(runtime.stats().cached_bytes <= budget);
  BOOST_TEST(runtime.stats().cached >= 1u);
  BOOST_TEST(runtime.stats().executables == runtime.stats().cached);
}

BOOST_AUTO_TEST_CASE(what_was_in_use_last_is_kept_longest) {
  Runtime runtime(RuntimeOptions().cache_bytes(50'000));
  auto hot = weighted(runtime, 1);
  for (int i = 2; i < 6; ++i) use_once(runtime, static_cast<float>(i));
  hot.reset();
  use_once(runtime, 1);
  BOOST_TEST(runtime.stats().compiles_started == 5u);
}

BOOST_AUTO_TEST_CASE(one_that_grows_while_it_is_used_pushes_nobody_out) {
  Runtime runtime(RuntimeOptions().cache_bytes(200'000));
  for (int i = 0; i < 5; ++i) use_once(runtime, static_cast<float>(i));
  auto growing = std::make_unique<LazyGraphModule>(runtime, many_plans());
  for (std::int64_t n = 1; n <= 32; ++n) (*growing)(Inputs(filled(n, 0)));
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached == 5u);
  growing.reset();  // larger than all that may be kept
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached == 5u);
  const auto started = runtime.stats().compiles_started;
  for (int i = 0; i < 5; ++i) use_once(runtime, static_cast<float>(i));
  BOOST_TEST(runtime.stats().compiles_started == started);
}

BOOST_AUTO_TEST_CASE(plans_made_inside_of_runs_count) {
  const auto kept = [](int runs) {
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim("N")}));
    Node y = graph->call_function("onnx::Cast", {graph->call_function("onnx::NonZero", {x})}, {{"to", DType::f32}});
    for (int i = 0; i < 50; ++i) y = graph->call_function("onnx::Softmax", {y});
    graph->output(y);
    Runtime runtime;
    {
      LazyGraphModule module(runtime, graph);
      const auto run = [&](std::size_t ones) {
        Tensor ramp = filled(64, 0);
        for (std::size_t i = 0; i < ones; ++i) ramp.mutable_values<float>()[i] = 1;
        module(Inputs(ramp));
      };
      run(1);
      for (int i = 1; i < runs; ++i) run(static_cast<std::size_t>(1 + i));
    }
    support::at_rest(runtime);
    return runtime.stats().cached_bytes;
  };
  const std::size_t one = kept(1), five = kept(5);
  BOOST_TEST(five > one + std::size_t{4} * 50 * 100);
}

BOOST_AUTO_TEST_CASE(plans_of_loops_and_branches_made_inside_of_runs_count) {
  const auto kept = [](int runs) {
    Graph body;
    Node y = body.placeholder("x", TensorType(DType::f32));
    for (int i = 0; i < 50; ++i) y = body.call_function("onnx::Softmax", {y});
    body.output(y);
    Container root;
    root.set_submodule("branch", std::make_shared<Subgraph>(body));
    auto graph = std::make_shared<Graph>();
    const Node c = graph->placeholder("c", TensorType(DType::boolean, Shape{}));
    const Node x = graph->placeholder("x", TensorType(DType::f32, {Dim("N")}));
    const Node many = graph->call_function("onnx::Cast", {graph->call_function("onnx::NonZero", {x})}, {{"to", DType::f32}});
    graph->output(graph->call_function("onnx::If", {c, many}, {{"captured", 1}, {"then_branch", "branch"}, {"else_branch", "branch"}}));
    Runtime runtime;
    {
      LazyGraphModule module(runtime, graph, &root);
      for (int i = 0; i < runs; ++i) {
        Tensor ramp = filled(64, 0);
        for (int k = 0; k <= i; ++k) ramp.mutable_values<float>()[static_cast<std::size_t>(k)] = 1;
        module(Inputs(Tensor::scalar(true), ramp));
      }
    }
    support::at_rest(runtime);
    return runtime.stats().cached_bytes;
  };
  const std::size_t one = kept(1), five = kept(5);
  BOOST_TEST(five > one + std::size_t{4} * 50 * 100);
}

BOOST_AUTO_TEST_CASE(one_content_compiled_again_and_again_leaves_nothing_behind) {
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  for (int i = 0; i < 200; ++i) {
    use_once(runtime, 1);
    BOOST_TEST(runtime.stats().executables == 0u);
  }
  BOOST_TEST(runtime.stats().compiles_started == 200u);
}
