// How much memory compiles may take at once.
#define BOOST_TEST_MODULE compile_memory_bound
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::Call;
using support::vec;

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

/// forward(x): op(x) + a weight of a mebibyte's first elements.
std::unique_ptr<LazyGraphModule> heavy(Runtime& runtime, float value, const std::string& op = "t::held") {
  Container root;
  Tensor weight = Tensor::empty(DType::f32, Shape{mebibyte / 4});
  for (float& v : weight.mutable_values<float>()) v = value;
  root.set_tensor("w", weight);
  auto graph = std::make_shared<Graph>();
  const Node held = graph->call_function(op, {graph->placeholder("x", support::f32(1))});
  graph->output(graph->call_function("onnx::Add", {held, graph->get_attr("w")}));
  return std::make_unique<LazyGraphModule>(runtime, graph, &root);
}

struct Bounded {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  std::mutex mutex;
  std::vector<std::string> order;
  Runtime runtime;
  support::OpenAtEnd open{*gate};
  /// What waits grows no more urgent, if not asked for.
  explicit Bounded(std::size_t bytes, RuntimeOptions options = RuntimeOptions().ageing(std::chrono::nanoseconds(0)))
      : runtime(options.threads(2).compile_bytes(bytes).operators(
            support::standard_and(support::held_in_compile("t::held", gate), acts("t::large"), acts("t::small")))) {}
  /// t::large and t::small tell when they are compiled.
  Operator acts(const std::string& name) {
    return support::acts_in_compile(name, [this, name] {
      const std::lock_guard lock(mutex);
      order.push_back(name);
    });
  }
};

float first_of(const Value& value) { return value.as_tensor().values<float>()[0]; }

}  // namespace

BOOST_AUTO_TEST_CASE(compiles_that_need_more_memory_than_there_may_be_follow_one_another) {
  Bounded bounded(mebibyte * 3 / 2);
  const auto a = heavy(bounded.runtime, 1), b = heavy(bounded.runtime, 2);
  a->recompile();
  b->recompile();
  bounded.gate->wait_for_arrivals(1);
  LazyGraphModule small(bounded.runtime, support::plus(1));
  support::Loop loop;
  Call call(loop, small, vec({0, 0, 0, 0}));
  BOOST_TEST(first_of(call.get()) == 1);  // there is room for it, and a thread
  BOOST_TEST(bounded.runtime.stats().queued == 1u);
  BOOST_TEST(bounded.gate->arrivals() == 1u);
  bounded.gate->open();
  Call call_a(loop, *a, vec({0})), call_b(loop, *b, vec({0}));
  BOOST_TEST(first_of(call_a.get()) == 1);
  BOOST_TEST(first_of(call_b.get()) == 2);
}

BOOST_AUTO_TEST_CASE(compiles_that_fit_together_run_together) {
  Bounded bounded(3 * mebibyte);
  const auto a = heavy(bounded.runtime, 1), b = heavy(bounded.runtime, 2);
  a->recompile();
  b->recompile();
  bounded.gate->wait_for_arrivals(2);
}

BOOST_AUTO_TEST_CASE(a_compile_that_needs_more_than_there_may_be_is_left_to_whoever_calls_and_then_runs_alone) {
  Bounded bounded(mebibyte / 2);
  const auto a = heavy(bounded.runtime, 1), b = heavy(bounded.runtime, 2);
  a->recompile();
  BOOST_TEST((a->state() == ModuleState::dirty));
  BOOST_TEST(bounded.runtime.stats().compiles_deferred == 1u);
  support::Loop loop;
  Call call_a(loop, *a, vec({0})), call_b(loop, *b, vec({0}));
  bounded.gate->wait_for_arrivals(1);
  BOOST_TEST(bounded.runtime.stats().queued == 1u);
  bounded.gate->open();
  BOOST_TEST(first_of(call_a.get()) == 1);
  BOOST_TEST(first_of(call_b.get()) == 2);
}

BOOST_AUTO_TEST_CASE(what_is_prefetched_runs_alone_though_it_needs_more_than_there_may_be) {
  Bounded bounded(mebibyte / 2);
  bounded.gate->open();
  const auto a = heavy(bounded.runtime, 1);
  a->recompile();
  a->prefetch();
  while (a->needs_recompile()) std::this_thread::yield();
  BOOST_TEST(bounded.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_large_compile_that_has_waited_long_goes_before_small_ones_that_came_later) {
  Bounded bounded(mebibyte / 2, RuntimeOptions().ageing(std::chrono::nanoseconds(1)));
  support::Loop loop;
  LazyGraphModule clean(bounded.runtime, support::plus(1));
  clean.real_recompile();
  LazyGraphModule first(bounded.runtime, support::chain({"t::held"}));
  LazyGraphModule small(bounded.runtime, support::chain({"t::small"}));
  const auto large = heavy(bounded.runtime, 1, "t::large");
  const auto x = vec({0, 0, 0, 0});
  Call call_first(loop, first, x);
  bounded.gate->wait_for_arrivals(1);
  large->prefetch();
  Call call_small(loop, small, x);
  // Runs do not wait with them. It came last: what the second thread could compile before, it has.
  BOOST_TEST(first_of(Call(loop, clean, x, ForwardOptions().run_on(RunOn::pool)).get()) == 1);
  bounded.gate->open();
  call_first.get();
  call_small.get();
  BOOST_TEST(bounded.order == (std::vector<std::string>{"t::large", "t::small"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_queued_compile_that_a_mark_makes_too_large_is_left_to_whoever_calls_or_prefetches) {
  for (const bool prefetches : {false, true}) {
    Bounded bounded(mebibyte / 2);
    LazyGraphModule first(bounded.runtime, support::chain({"t::held"}));
    LazyGraphModule second(bounded.runtime, support::chain({"t::held", "t::held"}));
    first.recompile();
    second.recompile();
    bounded.gate->wait_for_arrivals(2);  // no thread is free
    LazyGraphModule module(bounded.runtime, support::chain({"t::small"}));
    module.recompile();
    BOOST_TEST((module.state() == ModuleState::queued));
    module.set_tensor("w", Tensor::empty(DType::f32, Shape{mebibyte / 4}));
    auto graph = std::make_shared<Graph>();
    graph->placeholder("x", support::f32(4));
    graph->output(graph->call_function("t::large", {graph->get_attr("w")}));
    module.set_graph(graph);
    module.recompile();
    if (prefetches) module.prefetch();
    bounded.gate->open();
    while (module.state() == ModuleState::queued || module.state() == ModuleState::compiling) std::this_thread::yield();
    BOOST_TEST((module.state() == ModuleState::clean) == prefetches);
    BOOST_TEST(bounded.runtime.stats().compiles_dropped == (prefetches ? 0u : 1u));
    BOOST_TEST(module(Inputs(vec({0, 0, 0, 0}))).as_tensor().shape().size() == static_cast<std::int64_t>(mebibyte / 4));
  }
}

BOOST_AUTO_TEST_CASE(a_mark_below_that_is_left_to_whoever_calls_fails_nobody_who_waits_above) {
  Bounded bounded(mebibyte / 2);
  bounded.gate->open();
  const std::shared_ptr<LazyGraphModule> large = heavy(bounded.runtime, 1);
  const auto other = std::make_shared<LazyGraphModule>(bounded.runtime, support::chain({"t::held"}, support::f32(1)));
  Container root;
  root.set_submodule("large", large);
  root.set_submodule("other", other);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(1));
  graph->output(graph->call_function("onnx::Add", {graph->call_module("large", {x}), graph->call_module("other", {x})}));
  LazyGraphModule parent(bounded.runtime, graph, &root);
  support::Loop loop;
  BOOST_TEST(first_of(Call(loop, parent, vec({0})).get()) == 1);
  bounded.gate->close();
  const std::size_t arrived = bounded.gate->arrivals();
  other->set_graph(support::chain({"t::held", "onnx::Relu"}, support::f32(1)));
  Call waits(loop, parent, vec({0}));
  bounded.gate->wait_for_arrivals(arrived + 1);
  large->recompile();
  bounded.gate->open();
  BOOST_TEST(first_of(waits.get()) == 1);
}
