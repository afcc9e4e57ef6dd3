// Modules that call modules: one compile per child and generation, relinks instead of compiles above, one consistent set per call.
#define BOOST_TEST_MODULE compile_nested_modules
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::Call;
using support::held_plus;
using support::plus;
using support::vec;

namespace {

using Lazy = std::shared_ptr<LazyGraphModule>;

const Tensor zeros = vec({0, 0, 0, 0});

LazyGraphModuleOptions on_demand() { return LazyGraphModuleOptions().schedule(Schedule::on_demand); }

Lazy leaf(Runtime& runtime, double c, LazyGraphModuleOptions options = on_demand()) {
  return std::make_shared<LazyGraphModule>(runtime, plus(c), nullptr, options);
}

// forward(x): the sum of what each child makes of x.
Lazy sum_of(Runtime& runtime, const std::vector<std::shared_ptr<Module>>& children, LazyGraphModuleOptions options = on_demand()) {
  Container root;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  std::optional<Node> total;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const std::string name = "c" + std::to_string(i);
    root.set_submodule(name, children[i]);
    const Node y = graph->call_module(name, {x});
    total = total ? graph->call_function("onnx::Add", {*total, y}) : y;
  }
  graph->output(*total);
  return std::make_shared<LazyGraphModule>(runtime, graph, &root, options);
}

float value_of(const Value& value) {
  const auto v = value.as_tensor().values<float>();
  if (v[0] != v[1] || v[1] != v[2] || v[2] != v[3]) throw std::logic_error("elements differ");  // on any thread
  return v[0];
}
float call(GraphModule& module) { return value_of(module(Inputs(zeros))); }
float interpreted(const GraphModule& module) {
  Interpreter interpreter(module);
  return value_of(interpreter.run(std::vector<Value>{zeros}));
}

void edit(LazyGraphModule& module, double c) {
  support::set_plus(module.graph(), c);
  module.recompile();
}

// A runtime whose operator t::held keeps every compile that meets it, and whose t::breaks breaks it.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime;
  support::OpenAtEnd open{*gate};
  explicit Held(std::size_t threads = 2)
      : runtime(RuntimeOptions().threads(threads).operators(support::standard_and(support::held_in_compile("t::held", gate)))) {}
};

}  // namespace

// ---- Waiting -----------------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(forward_awaits_the_compiles_of_children_at_once_and_blocks_nobody) {
  Held held(2);
  const auto a = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto b = std::make_shared<LazyGraphModule>(held.runtime, held_plus(2), nullptr, on_demand());
  const auto parent = sum_of(held.runtime, {a, b});
  support::Loop loop;
  Call waiting(loop, *parent, zeros, ForwardOptions().run_on(RunOn::caller));
  held.gate->wait_for_arrivals(2);  // both, at the same time
  loop.poll();
  BOOST_TEST(!waiting.done());
  BOOST_TEST((parent->state() == ModuleState::queued));  // both threads are taken
  held.gate->open();
  BOOST_TEST(value_of(waiting.get()) == 3);
  BOOST_TEST(held.runtime.stats().compiles_started == 3u);
  BOOST_TEST(!parent->needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_shared_child_compiles_once_however_many_ways_lead_to_it) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto d = leaf(runtime, 1);
  const auto b = sum_of(runtime, {d, d});
  const auto c = sum_of(runtime, {d, b});
  const auto a = sum_of(runtime, {b, c, d});
  BOOST_TEST(call(*a) == 6);
  BOOST_TEST(runtime.stats().compiles_started == 4u);
}

BOOST_AUTO_TEST_CASE(signatures_that_a_child_refuses_push_none_of_its_plans_out) {
  Runtime runtime(RuntimeOptions().max_signatures(2));
  const auto child = std::make_shared<LazyGraphModule>(runtime, plus(1, TensorType(DType::f32, {Dim("N")})), nullptr, on_demand());
  Container root;
  root.set_submodule("child", child);
  const auto graph = std::make_shared<Graph>();
  graph->output(graph->call_module("child", {graph->placeholder("x")}));  // takes anything
  LazyGraphModule parent(runtime, graph, &root, on_demand());
  parent(Inputs(zeros));
  for (std::int64_t n = 1; n < 4; ++n) BOOST_CHECK_THROW(parent(Inputs(Tensor::zeros(DType::f32, Shape{n, n}))), Error);
  const std::uint64_t before = runtime.stats().specializations;
  (*child)(Inputs(vec({1, 2})));  // the second that fits: what is published is looked up anew
  (*child)(Inputs(zeros));
  BOOST_TEST(runtime.stats().specializations == before + 1);
}

BOOST_AUTO_TEST_CASE(a_cancelled_call_leaves_the_others_that_wait_for_the_same_child) {
  Held held;
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto one = sum_of(held.runtime, {child});
  const auto two = sum_of(held.runtime, {child, child});
  support::Loop loop;
  Call first(loop, *one, zeros), second(loop, *two, zeros);
  held.gate->wait_for_arrivals(1);
  first.cancel();
  BOOST_CHECK_THROW(first.get(), std::exception);
  held.gate->open();
  BOOST_TEST(value_of(second.get()) == 2);
  BOOST_TEST(call(*one) == 1);
}

BOOST_AUTO_TEST_CASE(a_mark_does_not_stop_a_compile_that_a_call_above_waits_for) {
  Held held(1);
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto parent = sum_of(held.runtime, {sum_of(held.runtime, {child})});
  parent->prefetch();
  support::Loop loop;
  Call early(loop, *parent, zeros);
  held.gate->wait_for_arrivals(1);
  for (int i = 2; i <= 50; ++i) edit(*child, i);
  Call late(loop, *parent, zeros);
  held.gate->open();
  const float answer = value_of(early.get());
  BOOST_TEST((answer == 1 || answer == 50));
  BOOST_TEST(value_of(late.get()) == 50);
  BOOST_TEST(held.runtime.stats().compiles_started == 4u);  // two of the child
  BOOST_TEST(held.runtime.stats().compiles_cancelled == 0u);
}

BOOST_AUTO_TEST_CASE(a_blocking_call_compiles_below_it_what_nobody_has_begun) {
  Held held(1);
  LazyGraphModule busy(held.runtime, held_plus(0));
  busy.recompile();
  held.gate->wait_for_arrivals(1);  // the only thread is taken
  const auto parent = sum_of(held.runtime, {sum_of(held.runtime, {leaf(held.runtime, 1), leaf(held.runtime, 2)}), leaf(held.runtime, 3)});
  BOOST_TEST(call(*parent) == 6);
}

// ---- Failure -----------------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_child_that_does_not_compile_fails_the_calls_above_with_its_error_until_it_is_marked_again) {
  Runtime runtime(RuntimeOptions().threads(2));
  auto broken = std::make_shared<Graph>();
  const Node x = broken->placeholder("x", support::f32(4));
  broken->output(broken->call_function("t::unknown", {x}, {}, "bad"));
  const auto child = std::make_shared<LazyGraphModule>(runtime, broken, nullptr, on_demand());
  const auto parent = sum_of(runtime, {leaf(runtime, 1), sum_of(runtime, {leaf(runtime, 2), child})});
  support::Loop loop;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(std::make_unique<Call>(loop, *parent, zeros));
  for (auto& one : calls) {
    try {
      one->get();
      BOOST_ERROR("it should have failed");
    } catch (const CompileError& e) {
      BOOST_TEST(e.submodule() == "c1.c1");
      BOOST_TEST(e.op() == "t::unknown");
      BOOST_TEST(e.node() == "bad");
      BOOST_TEST(std::string(e.what()).find("c1.c1") != std::string::npos);
    }
    BOOST_TEST(one->completions() == 1);
  }
  BOOST_CHECK_THROW(call(*parent), CompileError);  // it stays
  BOOST_TEST((parent->state() == ModuleState::failed));
  broken->find("bad").set_target("onnx::Neg");
  child->recompile();
  BOOST_TEST(call(*parent) == 3);
  BOOST_TEST((parent->state() == ModuleState::clean));
}

BOOST_AUTO_TEST_CASE(a_child_that_fails_later_leaves_the_last_good_answer_usable) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = leaf(runtime, 1);
  const auto parent = sum_of(runtime, {child, leaf(runtime, 2)});
  BOOST_TEST(call(*parent) == 3);
  child->graph().find("total").set_target("t::unknown");
  child->recompile();
  BOOST_CHECK_THROW(call(*parent), CompileError);
  const auto last_good = ForwardOptions().freshness(Freshness::last_good());
  BOOST_TEST(value_of(parent->call(std::vector<Value>{zeros}, last_good)) == 3);
  support::Loop loop;
  BOOST_TEST(value_of(Call(loop, *parent, zeros, last_good).get()) == 3);
}

BOOST_AUTO_TEST_CASE(a_failure_that_may_pass_is_tried_again_from_above) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  const auto child = std::make_shared<LazyGraphModule>(runtime, support::chain({"t::breaks"}), nullptr, on_demand());
  const auto parent = sum_of(runtime, {child});
  BOOST_CHECK_THROW(call(*parent), CompileError);
  *broken = false;
  BOOST_CHECK_THROW(call(*parent), CompileError);
  parent->retry();
  BOOST_TEST(call(*parent) == 0);
}

BOOST_AUTO_TEST_CASE(a_runtime_that_stops_completes_the_calls_that_wait_for_children) {
  Held held(1);
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto parent = sum_of(held.runtime, {child, leaf(held.runtime, 3)});
  support::Loop loop;
  Call waiting(loop, *parent, zeros);
  held.gate->wait_for_arrivals(1);
  std::thread opener([&] { held.gate->open(); });
  held.runtime.stop();
  opener.join();
  try {
    BOOST_TEST(value_of(waiting.get()) == 4);
  } catch (const Error& e) { BOOST_TEST((e.kind() == ErrorKind::stopped)); }
  BOOST_TEST(waiting.completions() == 1);
}

// ---- Marks and relinks -------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_childs_recompile_relinks_those_above_without_compiling_them) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto d = leaf(runtime, 1);
  const auto b = sum_of(runtime, {d});
  const auto c = sum_of(runtime, {d});
  const auto a = sum_of(runtime, {b, c});
  BOOST_TEST(call(*a) == 2);
  const RuntimeStats before = runtime.stats();
  edit(*d, 5);
  for (const auto& module : {a, b, c}) BOOST_TEST(module->needs_recompile());
  BOOST_TEST((a->state() == ModuleState::dirty));
  BOOST_TEST(runtime.stats().relinks == before.relinks);
  BOOST_TEST(call(*a) == 10);
  const RuntimeStats after = runtime.stats();
  BOOST_TEST(after.compiles_started == before.compiles_started + 1);
  BOOST_TEST(after.relinks == before.relinks + 3);  // each once
  for (const auto& module : {a, b, c, d}) BOOST_TEST(!module->needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_parent_that_follows_marks_has_its_children_compiled) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = leaf(runtime, 1);
  const auto parent = sum_of(runtime, {sum_of(runtime, {child})}, LazyGraphModuleOptions());
  parent->recompile();  // nobody calls
  support::run(parent->wait_ready(Tier::baseline));
  edit(*child, 2);
  support::run(parent->wait_ready(Tier::baseline));
  BOOST_TEST(!child->needs_recompile());
  BOOST_TEST(call(*parent) == 2);
}

BOOST_AUTO_TEST_CASE(a_mark_under_a_parent_on_mark_schedules_the_child_and_one_under_on_demand_does_not) {
  Held held;
  held.gate->open();
  const auto followed = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto left = std::make_shared<LazyGraphModule>(held.runtime, held_plus(2), nullptr, on_demand());
  const auto follows = sum_of(held.runtime, {followed}, LazyGraphModuleOptions());
  const auto leaves = sum_of(held.runtime, {left});
  call(*follows);
  call(*leaves);
  support::at_rest(held.runtime);
  held.gate->close();
  const std::size_t arrived = held.gate->arrivals();
  edit(*left, 3);
  BOOST_TEST((leaves->state() == ModuleState::dirty));
  BOOST_TEST(held.runtime.stats().queued + held.runtime.stats().running == 0u);
  edit(*followed, 4);
  held.gate->wait_for_arrivals(arrived + 1);
  BOOST_TEST((follows->state() == ModuleState::compiling));
}

BOOST_AUTO_TEST_CASE(a_parent_that_follows_marks_goes_on_doing_so_after_a_failure_below) {
  for (const Schedule schedule : {Schedule::on_mark, Schedule::debounced}) {
    Runtime runtime(RuntimeOptions().threads(2));
    const Lazy fails = leaf(runtime, 1), other = leaf(runtime, 2);
    const Lazy top = sum_of(runtime, {fails, other}, LazyGraphModuleOptions().schedule(schedule).quiet_time(std::chrono::microseconds(1)));
    BOOST_TEST(call(*top) == 3);
    fails->set_graph(support::chain({"t::absent"}));
    while (top->state() != ModuleState::failed) std::this_thread::yield();
    edit(*other, 20);
    while (other->needs_recompile()) std::this_thread::yield();  // for ever where nobody asks for it
    fails->set_graph(plus(10));
    while (top->needs_recompile()) std::this_thread::yield();
    BOOST_TEST(call(*top) == 30);
  }
}

BOOST_AUTO_TEST_CASE(a_parent_that_follows_marks_does_so_when_a_call_of_it_was_cancelled) {
  Simulation world(1);
  Runtime runtime(world.options());
  const auto child = leaf(runtime, 1);
  const auto parent =
      sum_of(runtime, {child}, LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(std::chrono::microseconds(1)));
  parent->prefetch();
  world.run();
  edit(*child, 2);
  while (child->state() != ModuleState::compiling) BOOST_REQUIRE(world.step());
  boost::asio::cancellation_signal cancel;
  parent->forward(Inputs(zeros), boost::asio::bind_cancellation_slot(
                                     cancel.slot(), boost::asio::bind_executor(world.executor(), [](std::exception_ptr, const Value&) {})));
  cancel.emit(boost::asio::cancellation_type::terminal);
  edit(*child, 3);
  world.run();
  BOOST_TEST(!parent->needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_child_that_calls_others_while_those_above_wait_for_it_is_compiled_for_them) {
  Simulation world(1);
  Runtime runtime(world.options());
  const auto one = leaf(runtime, 1), two = leaf(runtime, 2);
  const auto child = sum_of(runtime, {one});
  const auto parent = sum_of(runtime, {child}, LazyGraphModuleOptions());
  for (const Lazy& module : {parent, two}) module->prefetch();
  world.run();
  BOOST_REQUIRE(!parent->needs_recompile());
  edit(*one, 3);
  child->set_submodule("c0", two);
  child->recompile();
  world.run();
  BOOST_TEST(!parent->needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_parents_own_mark_and_new_children_take_part) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto one = leaf(runtime, 1), two = leaf(runtime, 10);
  const auto parent = sum_of(runtime, {one});
  BOOST_TEST(call(*parent) == 1);
  parent->set_submodule("c1", two);
  {
    Graph& graph = parent->graph();
    const auto scope = graph.inserting_before(graph.output_node());
    const Node y = graph.call_module("c1", {graph.find("x")});
    graph.output_node().update_arg(0, graph.call_function("onnx::Add", {graph.node(graph.output_node().arg(0).as_node()), y}));
  }
  BOOST_TEST(call(*parent) == 1);  // not marked
  parent->recompile();
  BOOST_TEST(call(*parent) == 11);
  parent->set_submodule("c0", leaf(runtime, 100));
  edit(*two, 20);
  BOOST_TEST(call(*parent) == 21);
  parent->recompile();
  BOOST_TEST(call(*parent) == 120);
  edit(*one, 7);  // no child any more
  BOOST_TEST(!parent->needs_recompile());
}

BOOST_AUTO_TEST_CASE(interpret_until_ready_sees_the_newest_of_every_child) {
  Held held(1);
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
  const auto parent = sum_of(held.runtime, {child, sum_of(held.runtime, {child})});
  const auto now = ForwardOptions().freshness(Freshness::interpret_until_ready());
  const std::vector<Value> x{zeros};
  BOOST_TEST(value_of(parent->call(x, now)) == 2);
  edit(*child, 4);
  support::Loop loop;
  BOOST_TEST(value_of(Call(loop, *parent, zeros, ForwardOptions(now).run_on(RunOn::caller)).get()) == 8);
  held.gate->open();
  BOOST_TEST(call(*parent) == 8);
}

BOOST_AUTO_TEST_CASE(an_eager_parent_of_lazy_children_answers_for_their_newest) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = leaf(runtime, 1);
  Container root;
  root.set_submodule("a", child);
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_module("a", {graph->placeholder("x", support::f32(4))}));
  GraphModule parent(runtime, graph, &root);
  BOOST_TEST(!child->needs_recompile());
  BOOST_TEST(call(parent) == 1);
  edit(*child, 2);
  BOOST_TEST(call(parent) == 2);
  child->graph().find("total").set_target("t::unknown");
  child->recompile();
  BOOST_TEST(call(parent) == 2);  // the last good one goes on answering
  BOOST_CHECK_THROW(parent.recompile(), CompileError);
  child->graph().find("total").set_target("onnx::Sub");
  child->recompile();
  BOOST_TEST(call(parent) == -2);
}

BOOST_AUTO_TEST_CASE(shapes_that_only_the_call_knows_are_specialised_below_too) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = std::make_shared<LazyGraphModule>(runtime, plus(1, TensorType(DType::f32)), nullptr, on_demand());
  Container root;
  root.set_submodule("a", child);
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_module("a", {graph->call_module("a", {graph->placeholder("x")})}));
  LazyGraphModule parent(runtime, graph, &root);
  for (const Tensor& x : {vec({0, 0}), vec({0, 0, 0}), vec({0})}) {
    const Tensor y = parent(Inputs(x)).as_tensor();
    BOOST_TEST(y.shape().size() == x.shape().size());
    BOOST_TEST(y.values<float>()[0] == 2);
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      support::Loop loop;
      for (std::int64_t n = 1; n < 40; ++n) {
        Tensor x = Tensor::empty(DType::f32, Shape{n});
        for (float& element : x.mutable_values<float>()) element = 3;
        if (Call(loop, parent, x).get().as_tensor().values<float>()[0] != 5) wrong.fetch_add(1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong.load() == 0);
}

BOOST_AUTO_TEST_CASE(modules_that_would_call_each_other_in_a_circle_are_refused) {
  Runtime runtime;
  const auto inner = leaf(runtime, 1);
  const auto outer = sum_of(runtime, {inner});
  call(*outer);
  outer->remove("c0");  // not marked
  inner->set_submodule("up", outer);
  {
    Graph& graph = inner->graph();
    const auto scope = graph.inserting_before(graph.output_node());
    graph.output_node().update_arg(0, graph.call_module("up", {graph.find("x")}));
  }
  BOOST_CHECK_THROW(inner->recompile(), Error);
}

// ---- Read your writes --------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_call_never_sees_half_a_switch_over_of_a_shared_child) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto d = leaf(runtime, 0);
  const auto b = sum_of(runtime, {d});
  const auto c = sum_of(runtime, {b, d});
  const auto a = sum_of(runtime, {b, c, d, d});  // five times d
  std::atomic<int> newest{0}, calls{0}, wrong{0};
  std::atomic<bool> editing{true};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      support::Loop loop;
      while (editing.load()) {
        const int before = newest.load();
        const float sum = t % 2 == 0 ? call(*a) : value_of(Call(loop, *a, zeros).get());
        const int after = newest.load() + 1;
        const float each = sum / 5;
        if (each != static_cast<float>(static_cast<int>(each)) || each < static_cast<float>(before) || each > static_cast<float>(after)) {
          wrong.fetch_add(1);
        }
        calls.fetch_add(1);
      }
    });
  }
  for (int i = 1; i <= 200 || calls.load() < 200; ++i) {
    edit(*d, i);
    newest.store(i);
    if (i % 8 == 0) BOOST_TEST(call(*a) == interpreted(*a));
  }
  editing.store(false);
  for (auto& caller : callers) caller.join();
  BOOST_TEST(wrong.load() == 0);
  BOOST_TEST(runtime.stats().compiles_started <= static_cast<std::uint64_t>(newest.load()) + 4);
}

BOOST_AUTO_TEST_CASE(children_marked_without_end_do_not_keep_a_parent_waiting) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto a = leaf(runtime, 0), b = leaf(runtime, 0);
  const auto parent = sum_of(runtime, {a, b});
  std::atomic<bool> editing{true};
  std::vector<std::thread> editors;
  for (const auto& child : {a, b}) {
    editors.emplace_back([&editing, child] {
      for (int i = 1; editing.load(); ++i) edit(*child, i);
    });
  }
  support::Loop loop;
  float last = 0;
  for (int i = 0; i < 50; ++i) {
    const float now = i % 2 == 0 ? call(*parent) : value_of(Call(loop, *parent, zeros).get());
    BOOST_TEST(now >= last);
    last = now;
  }
  editing.store(false);
  for (auto& editor : editors) editor.join();
}

// ---- Cost and lifetime -------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_chain_a_thousand_deep_is_marked_relinked_and_destroyed) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto bottom = leaf(runtime, 1);
  std::vector<Lazy> chain{bottom};
  for (int i = 0; i < 1000; ++i) chain.push_back(sum_of(runtime, {chain.back()}));
  BOOST_TEST(call(*chain.back()) == 1);
  const RuntimeStats before = runtime.stats();
  BOOST_TEST(before.compiles_started == 1001u);
  edit(*bottom, 2);
  BOOST_TEST(chain.back()->needs_recompile());
  BOOST_TEST(call(*chain.back()) == 2);
  BOOST_TEST(runtime.stats().compiles_started == before.compiles_started + 1);
  BOOST_TEST(runtime.stats().relinks == before.relinks + 1000);
}

BOOST_AUTO_TEST_CASE(marks_of_many_modules_that_one_chain_calls_walk_it_once) {
  constexpr std::size_t width = 500, depth = 500;
  Runtime runtime(RuntimeOptions().threads(2));
  std::vector<Lazy> children;
  for (std::size_t i = 0; i < width; ++i) children.push_back(leaf(runtime, 1));
  Lazy top = sum_of(runtime, {children.begin(), children.end()});
  for (std::size_t i = 0; i < depth; ++i) top = sum_of(runtime, {top});
  BOOST_TEST(call(*top) == static_cast<float>(width));
  const std::uint64_t before = runtime.stats().nest_visits;
  for (const Lazy& child : children) edit(*child, 2);
  BOOST_TEST(runtime.stats().nest_visits - before < 20 * (width + depth));
  BOOST_TEST(call(*top) == static_cast<float>(2 * width));
}

BOOST_AUTO_TEST_CASE(callers_of_one_shared_child_come_and_leave_in_linear_time) {
  constexpr std::size_t parents = 500;
  Held held(1);
  const Lazy shared = leaf(held.runtime, 1), blocker = std::make_shared<LazyGraphModule>(held.runtime, support::chain({"t::held"}));
  blocker->recompile();
  held.gate->wait_for_arrivals(1);
  std::vector<Lazy> above;
  for (std::size_t i = 0; i < parents; ++i) above.push_back(sum_of(held.runtime, {shared}));
  support::Loop loop;
  std::vector<std::unique_ptr<Call>> calls;
  const std::uint64_t before = held.runtime.stats().nest_visits;
  for (const Lazy& parent : above) calls.push_back(std::make_unique<Call>(loop, *parent, zeros));
  for (const auto& call : calls) call->cancel();
  BOOST_TEST(held.runtime.stats().nest_visits - before < 20 * parents);
}

BOOST_AUTO_TEST_CASE(a_mark_looks_at_no_parent_that_nobody_calls) {
  constexpr std::size_t parents = 500, marks = 10;
  Runtime runtime(RuntimeOptions().threads(2));
  const Lazy shared = leaf(runtime, 1), elsewhere = sum_of(runtime, {leaf(runtime, 2)});
  std::vector<Lazy> above;
  for (std::size_t i = 0; i < parents; ++i) above.push_back(sum_of(runtime, {shared}));
  BOOST_TEST(call(*shared) == 1);
  const std::uint64_t before = runtime.stats().nest_visits;
  for (std::size_t i = 0; i < marks; ++i) {
    edit(*shared, static_cast<double>(3 + i));
    elsewhere->recompile();
    BOOST_TEST(call(*elsewhere) == 2);  // somebody comes and leaves
  }
  BOOST_TEST(runtime.stats().nest_visits - before < 20 * marks);
}

BOOST_AUTO_TEST_CASE(a_chain_is_built_from_either_end_in_linear_time) {
  constexpr std::size_t depth = 1000;
  Runtime runtime(RuntimeOptions().threads(2));
  for (const bool from_the_top : {false, true}) {
    const std::uint64_t before = runtime.stats().nest_visits;
    std::vector<Lazy> chain{leaf(runtime, 1)};
    chain.back()->recompile();
    for (std::size_t i = 0; i < depth; ++i) {
      if (!from_the_top) {
        chain.push_back(sum_of(runtime, {chain.back()}));
        chain.back()->recompile();
        continue;
      }
      const Lazy below = leaf(runtime, 1);
      Graph& graph = chain.back()->graph();
      chain.back()->set_submodule("c0", below);
      {
        const auto scope = graph.inserting_before(graph.output_node());
        graph.output_node().update_arg(0, graph.call_module("c0", {graph.find("x")}));
      }
      chain.back()->recompile();
      chain.push_back(below);
    }
    BOOST_TEST(call(from_the_top ? *chain.front() : *chain.back()) == 1);
    BOOST_TEST(runtime.stats().nest_visits - before < 40 * depth);
  }
}

BOOST_AUTO_TEST_CASE(children_that_publish_one_by_one_relink_a_chain_above_them_once) {
  constexpr std::size_t width = 500, depth = 500;
  Runtime runtime(RuntimeOptions().threads(2));
  std::vector<Lazy> children;
  for (std::size_t i = 0; i < width; ++i) children.push_back(leaf(runtime, 1));
  Lazy top = sum_of(runtime, {children.begin(), children.end()});
  for (std::size_t i = 0; i < depth; ++i) top = sum_of(runtime, {top});
  BOOST_TEST(call(*top) == static_cast<float>(width));
  support::Loop loop;
  for (const bool awaited : {false, true}) {
    for (const Lazy& child : children) edit(*child, awaited ? 3 : 2);
    const RuntimeStats before = runtime.stats();
    BOOST_TEST((awaited ? value_of(Call(loop, *top, zeros).get()) : call(*top)) == (awaited ? 3.0F : 2.0F) * width);
    const RuntimeStats after = runtime.stats();
    BOOST_TEST(after.relinks - before.relinks <= depth + 2);
    BOOST_TEST(after.nest_visits - before.nest_visits < 20 * (width + depth));
  }
}

BOOST_AUTO_TEST_CASE(plans_that_children_make_in_one_run_relink_a_chain_above_them_once) {
  constexpr std::size_t width = 100, depth = 100;
  Runtime runtime(RuntimeOptions().threads(2));
  const auto open_sum_of = [&](const std::vector<Lazy>& children) {
    Container root;
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x");
    Node total = x;
    for (std::size_t i = 0; i < children.size(); ++i) {
      root.set_submodule("c" + std::to_string(i), children[i]);
      total = graph->call_function("onnx::Add", {total, graph->call_module("c" + std::to_string(i), {x})});
    }
    graph->output(total);
    return std::make_shared<LazyGraphModule>(runtime, graph, &root, on_demand());
  };
  std::vector<Lazy> children;
  for (std::size_t i = 0; i < width; ++i) {
    children.push_back(std::make_shared<LazyGraphModule>(runtime, plus(1, TensorType(DType::f32)), nullptr, on_demand()));
  }
  Lazy top = open_sum_of(children);
  for (std::size_t i = 0; i < depth; ++i) top = open_sum_of({top});
  top->real_recompile();
  const RuntimeStats before = runtime.stats();
  for (int i = 0; i < 4; ++i) BOOST_TEST((*top)(Inputs(vec({0, 0, 0}))).as_tensor().values<float>()[0] == static_cast<float>(width));
  BOOST_TEST(runtime.stats().relinks - before.relinks <= 4 * (width + depth));
}

BOOST_AUTO_TEST_CASE(last_good_links_what_is_newest_below_though_other_children_are_not_ready) {
  Held held(1);
  const auto ready = leaf(held.runtime, 1);
  const auto late = std::make_shared<LazyGraphModule>(held.runtime, held_plus(10), nullptr, on_demand());
  const auto middle = sum_of(held.runtime, {ready, late});
  const auto top = sum_of(held.runtime, {middle});
  held.gate->open();
  BOOST_TEST(call(*top) == 11);
  held.gate->close();
  edit(*late, 20);
  late->prefetch();
  held.gate->wait_for_arrivals(2);
  edit(*ready, 2);
  BOOST_TEST(call(*ready) == 2);
  const auto last_good = ForwardOptions().freshness(Freshness::last_good());
  BOOST_TEST(value_of(top->call(std::vector<Value>{zeros}, last_good)) == 12);
  support::Loop loop;
  BOOST_TEST(value_of(Call(loop, *top, zeros, ForwardOptions(last_good).run_on(RunOn::caller)).get()) == 12);
  held.gate->open();
  BOOST_TEST(call(*top) == 22);
}

BOOST_AUTO_TEST_CASE(ten_thousand_modules_deep_a_call_does_not_run_out_of_stack) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto bottom = leaf(runtime, 1);
  Lazy top = bottom;
  for (int i = 0; i < 10'000; ++i) top = sum_of(runtime, {top});
  support::Loop loop;
  BOOST_TEST(value_of(Call(loop, *top, zeros, ForwardOptions().run_on(RunOn::pool)).get()) == 1);
  for (int i = 2; i <= 1000; ++i) edit(*bottom, i);  // only the first goes all the way up
  const auto interpreted_now = ForwardOptions().freshness(Freshness::interpret_until_ready());
  BOOST_TEST(value_of(top->call(std::vector<Value>{zeros}, interpreted_now)) == 1000);
  BOOST_TEST(call(*top) == 1000);
  BOOST_TEST(runtime.stats().compiles_started <= 10'003u);
}

BOOST_AUTO_TEST_CASE(what_is_published_follows_its_links_while_a_graph_that_calls_others_waits_for_its_compile) {
  Held held(1);
  const auto shared = leaf(held.runtime, 1);
  const auto a = sum_of(held.runtime, {shared}), b = sum_of(held.runtime, {shared});
  const auto top = sum_of(held.runtime, {a, b});
  BOOST_TEST(call(*top) == 2);
  a->set_submodule("c0", std::make_shared<LazyGraphModule>(held.runtime, held_plus(100), nullptr, on_demand()));
  a->recompile();
  a->prefetch();
  held.gate->wait_for_arrivals(1);  // what a calls now is not there yet
  edit(*shared, 10);
  BOOST_TEST(call(*b) == 10);
  const auto last_good = ForwardOptions().freshness(Freshness::last_good());
  BOOST_TEST(value_of(top->call(std::vector<Value>{zeros}, last_good)) == 20);  // not 11
  held.gate->open();
  BOOST_TEST(call(*top) == 110);
}

BOOST_AUTO_TEST_CASE(a_child_marked_without_a_call_in_between_is_told_to_those_above_once) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = leaf(runtime, 1);
  const auto parent = sum_of(runtime, {child});
  call(*parent);
  const RuntimeStats before = runtime.stats();
  for (int i = 2; i <= 100; ++i) edit(*child, i);
  BOOST_TEST(parent->needs_recompile());
  BOOST_TEST(call(*parent) == 100);
  const RuntimeStats after = runtime.stats();
  BOOST_TEST(after.compiles_started == before.compiles_started + 1);
  BOOST_TEST(after.relinks == before.relinks + 1);
}

BOOST_AUTO_TEST_CASE(a_tower_of_diamonds_is_walked_once_a_module) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto bottom = leaf(runtime, 0);
  Lazy top = bottom;
  constexpr int floors = 40;  // 2^40 ways lead down
  for (int i = 0; i < floors; ++i) {
    Container root;
    root.set_submodule("l", sum_of(runtime, {top}));
    root.set_submodule("r", sum_of(runtime, {top}));
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", support::f32(4));
    graph->output(graph->call_function("onnx::Max", {graph->call_module("l", {x}), graph->call_module("r", {x})}));
    top = std::make_shared<LazyGraphModule>(runtime, graph, &root, on_demand());
  }
  top->real_recompile();
  const RuntimeStats before = runtime.stats();
  edit(*bottom, 1);
  BOOST_TEST(top->needs_recompile());
  top->real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == before.compiles_started + 1);
  BOOST_TEST(runtime.stats().relinks <= before.relinks + 3u * floors);
}

BOOST_AUTO_TEST_CASE(modules_may_be_destroyed_in_any_order_while_calls_wait) {
  for (int order = 0; order < 4; ++order) {
    Held held(1);
    auto child = std::make_shared<LazyGraphModule>(held.runtime, held_plus(1), nullptr, on_demand());
    auto middle = sum_of(held.runtime, {child});
    auto parent = sum_of(held.runtime, {middle, child});
    support::Loop loop;
    Call waiting(loop, *parent, zeros);
    held.gate->wait_for_arrivals(1);
    if (order == 0) parent.reset(), middle.reset(), child.reset();
    if (order == 1) child.reset(), middle.reset(), parent.reset();
    if (order == 2) parent->remove("c0"), parent->remove("c1"), middle.reset(), child.reset();
    if (order == 3) parent->delete_submodule("c1"), child.reset(), parent.reset(), middle.reset();
    held.gate->open();
    BOOST_TEST(value_of(waiting.get()) == 2);
  }
}

BOOST_AUTO_TEST_CASE(nested_modules_leave_nothing_behind) {
  Runtime runtime(RuntimeOptions().threads(2));
  std::weak_ptr<Graph> graph;
  const Tensor weight = Tensor::from<float>({1, 1, 1, 1}, Shape{4});
  {
    Container root;
    root.set_tensor("w", weight);
    auto built = support::times_attribute("w");
    graph = built;
    const auto child = std::make_shared<LazyGraphModule>(runtime, built, &root, on_demand());
    built.reset();
    const auto parent = sum_of(runtime, {sum_of(runtime, {child}), child});
    for (int i = 0; i < 3; ++i) {
      call(*parent);
      child->recompile();
      parent->recompile();
    }
    call(*parent);
  }
  support::at_rest(runtime);
  runtime.trim();
  BOOST_TEST(graph.expired());
  BOOST_TEST(weight.unique());
}
