// What is left of a compile when those who waited for it have gone, and who is let in.
#define BOOST_TEST_MODULE compile_departure
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include <boost/asio/bind_executor.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/observed_executor.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using namespace std::chrono_literals;
using support::Call;
using support::chain;
using support::plus;
using support::vec;

namespace {

const Tensor zeros = vec({0, 0, 0, 0});

LazyGraphModuleOptions on_demand() { return LazyGraphModuleOptions().schedule(Schedule::on_demand); }

float first_of(const Value& value) { return value.as_tensor().values<float>()[0]; }

/// Threads that compiles of t::held occupy; t::later counts the compiles that come to it.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  std::shared_ptr<std::atomic<int>> later = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<int>> seen = std::make_shared<std::atomic<int>>(-1);  // of `later`, when t::looks was compiled last
  Runtime runtime;
  support::OpenAtEnd open{*gate};

  explicit Held(RuntimeOptions options = RuntimeOptions().threads(1))
      : runtime(options.operators(support::standard_and(
            support::held_in_compile("t::held", gate), support::acts_in_compile("t::later", [later = later] { ++*later; }),
            support::acts_in_compile("t::looks", [later = later, seen = seen] { seen->store(later->load()); })))) {}
  /// The only thread is taken.
  std::unique_ptr<LazyGraphModule> take_thread() {
    auto blocker = std::make_unique<LazyGraphModule>(runtime, chain({"t::held"}));
    blocker->recompile();
    gate->wait_for_arrivals(1);
    return blocker;
  }
  /// Waits until nothing runs and nothing is queued.
  void settle() {
    gate->open();
    support::at_rest(runtime);
  }
};

std::shared_ptr<LazyGraphModule> sum_of(Runtime& runtime, const std::vector<std::shared_ptr<LazyGraphModule>>& children) {
  Container root;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  Node total = x;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const std::string name = "c" + std::to_string(i);
    root.set_submodule(name, children[i]);
    total = graph->call_function("onnx::Add", {total, graph->call_module(name, {x})});
  }
  graph->output(total);
  return std::make_shared<LazyGraphModule>(runtime, graph, &root, on_demand());
}

/// The thread is taken. `other` is awaited, and looks whether the child was compiled before; after it `stays` awaits the parent of the child.
struct ParentBeside : Held {
  std::unique_ptr<LazyGraphModule> blocker = take_thread();
  std::shared_ptr<LazyGraphModule> child = std::make_shared<LazyGraphModule>(runtime, chain({"t::later"}), nullptr, on_demand());
  std::shared_ptr<LazyGraphModule> parent = sum_of(runtime, {child});
  LazyGraphModule other{runtime, chain({"t::looks"}), nullptr, on_demand()};
  support::Loop loop;
  Call first{loop, other, zeros}, stays{loop, *parent, zeros};
  support::OpenAtEnd open_first{*gate};

  void call_parent(ForwardOptions::Clock::duration deadline) const {
    const std::vector<Value> inputs{zeros};
    parent->call(inputs, ForwardOptions().deadline(deadline));
  }
  bool child_went_first() {
    gate->open();
    stays.get();
    first.get();
    return *seen == 1;
  }
};

}  // namespace

// ---- Departures --------------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_superseded_compile_stops_at_its_next_step_when_the_last_who_waits_for_it_leaves) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "t::later", "t::later"}), nullptr, on_demand());
  support::Loop loop;
  Call early(loop, module, zeros);
  held.gate->wait_for_arrivals(1);
  module.set_graph(plus(7));
  early.cancel();
  BOOST_CHECK_THROW(early.get(), std::exception);
  BOOST_TEST(held.runtime.stats().compiles_superseded == 1u);
  held.settle();
  BOOST_TEST(held.later->load() == 0);
  Call late(loop, module, zeros);
  BOOST_TEST(first_of(late.get()) == 7);
}

BOOST_AUTO_TEST_CASE(the_newest_generation_is_compiled_when_those_who_awaited_an_older_one_have_left) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "t::later"}));
  support::Loop loop;
  Call early(loop, module, zeros);
  held.gate->wait_for_arrivals(1);
  module.set_graph(plus(7));
  early.cancel();
  held.settle();
  BOOST_TEST((module.state() == ModuleState::clean));
}

BOOST_AUTO_TEST_CASE(a_compile_whose_module_is_gone_stops_at_its_next_step_when_the_last_who_waits_leaves) {
  Held held;
  auto module = std::make_unique<LazyGraphModule>(held.runtime, chain({"t::held", "t::later", "t::later"}), nullptr, on_demand());
  support::Loop loop;
  Call call(loop, *module, zeros);
  held.gate->wait_for_arrivals(1);
  module.reset();
  call.cancel();
  held.settle();
  BOOST_TEST(held.later->load() == 0);
}

BOOST_AUTO_TEST_CASE(a_queued_compile_whose_module_is_gone_is_withdrawn_when_the_last_who_waits_leaves) {
  Held held;
  const auto blocker = held.take_thread();
  auto module = std::make_unique<LazyGraphModule>(held.runtime, chain({"t::later"}), nullptr, on_demand());
  support::Loop loop;
  Call call(loop, *module, zeros);
  module.reset();
  BOOST_TEST(held.runtime.stats().queued == 1u);
  call.cancel();
  BOOST_TEST(held.runtime.stats().queued == 0u);
}

BOOST_AUTO_TEST_CASE(a_compile_that_nobody_awaits_any_more_gives_way_to_what_is_awaited) {
  Held held;
  LazyGraphModule left(held.runtime, chain({"t::held", "t::later"})), other(held.runtime, chain({"t::looks"}));
  support::Loop loop;
  Call leaves(loop, left, zeros);
  held.gate->wait_for_arrivals(1);
  leaves.cancel();
  Call waits(loop, other, zeros);
  held.gate->open();
  waits.get();
  BOOST_TEST(held.seen->load() == 0);
  held.settle();
  BOOST_TEST((left.state() == ModuleState::clean));
}

BOOST_AUTO_TEST_CASE(a_plan_that_is_queued_for_those_who_left_only_is_not_made) {
  Held held;
  LazyGraphModule module(held.runtime, plus(1, TensorType(DType::f32)), nullptr, on_demand());
  module.real_recompile();
  const auto blocker = held.take_thread();
  support::Loop loop;
  Call leaves(loop, module, vec({0, 0})), stays(loop, module, vec({0, 0, 0})), leaves_too(loop, module, vec({0, 0, 0}));
  BOOST_TEST(held.runtime.stats().queued == 2u);
  leaves.cancel();
  leaves_too.cancel();
  BOOST_TEST(held.runtime.stats().queued == 1u);
  held.gate->open();
  BOOST_TEST(first_of(stays.get()) == 1);
  BOOST_TEST(held.runtime.stats().specializations == 1u);
}

BOOST_AUTO_TEST_CASE(what_those_who_left_had_asked_for_makes_room_for_those_who_wait) {
  Held held(RuntimeOptions().threads(1).max_queued(1));
  const auto blocker = held.take_thread();
  LazyGraphModule a(held.runtime, plus(1)), b(held.runtime, plus(2));
  support::Loop loop;
  Call left(loop, a, zeros, ForwardOptions().deadline(1ms));
  BOOST_CHECK_THROW(left.get(), std::exception);
  Call waits(loop, b, zeros);
  held.gate->open();
  BOOST_TEST(first_of(waits.get()) == 2);
}

BOOST_AUTO_TEST_CASE(what_was_asked_of_submodules_makes_room_when_the_call_above_has_left) {
  Held held(RuntimeOptions().threads(1).max_queued(3));
  const auto blocker = held.take_thread();
  std::vector<std::shared_ptr<LazyGraphModule>> children;
  for (int i = 0; i < 2; ++i) children.push_back(std::make_shared<LazyGraphModule>(held.runtime, plus(i), nullptr, on_demand()));
  const auto parent = sum_of(held.runtime, children);
  std::vector<std::unique_ptr<LazyGraphModule>> others;
  for (int i = 0; i < 3; ++i) others.push_back(std::make_unique<LazyGraphModule>(held.runtime, plus(10 + i), nullptr, on_demand()));
  support::Loop loop;
  {
    Call left(loop, *parent, zeros);
    BOOST_TEST(held.runtime.stats().queued == 3u);
    left.cancel();
  }
  std::vector<std::unique_ptr<Call>> calls;
  for (const auto& other : others) calls.push_back(std::make_unique<Call>(loop, *other, zeros));
  held.gate->open();
  for (int i = 0; i < 3; ++i) BOOST_TEST(first_of(calls[i]->get()) == 10 + i);
  Call again(loop, *parent, zeros);  // asks anew
  BOOST_TEST(first_of(again.get()) == 1);
}

BOOST_AUTO_TEST_CASE(submodules_are_as_urgent_as_those_who_still_wait_above) {
  ParentBeside beside;
  BOOST_CHECK_THROW(beside.call_parent(1ms), std::exception);  // who blocks is more urgent than who awaits
  BOOST_TEST(!beside.child_went_first());
}

BOOST_AUTO_TEST_CASE(submodules_are_asked_for_anew_when_somebody_blocks_again) {
  ParentBeside beside;
  BOOST_CHECK_THROW(beside.call_parent(1ms), std::exception);
  std::thread blocks([&] { beside.call_parent(1h); });
  while (beside.runtime.stats().waiting < 3) std::this_thread::yield();
  const bool child_went_first = beside.child_went_first();
  blocks.join();
  BOOST_TEST(child_went_first);
}

BOOST_AUTO_TEST_CASE(submodules_of_a_compile_that_failed_are_as_urgent_as_others_want_them) {
  Held held;
  const auto blocker = held.take_thread();
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, chain({"t::later"}), nullptr, on_demand());
  Container root;
  root.set_submodule("c", child);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  graph->output(graph->call_function("t::absent", {graph->call_module("c", {x})}));
  LazyGraphModule parent(held.runtime, graph, &root), other(held.runtime, chain({"t::looks"}), nullptr, on_demand());
  parent.recompile();
  support::Loop loop;
  Call fails(loop, parent, zeros), call(loop, other, zeros);
  held.gate->open();
  BOOST_CHECK_THROW(fails.get(), CompileError);
  call.get();
  BOOST_TEST(*held.seen == 0);
}

BOOST_AUTO_TEST_CASE(a_superseded_compile_stops_when_those_who_wait_all_wait_for_a_newer_one) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "t::later", "t::later"}), nullptr, on_demand());
  support::Loop loop;
  Call leaves(loop, module, zeros);
  held.gate->wait_for_arrivals(1);
  module.set_graph(plus(5));
  Call stays(loop, module, zeros);
  leaves.cancel();
  held.gate->open();
  BOOST_TEST(first_of(stays.get()) == 5);
  BOOST_TEST(*held.later == 0);
}

BOOST_AUTO_TEST_CASE(a_compile_that_its_module_has_left_to_others_is_as_urgent_as_those_who_wait_for_its_thread) {
  const auto gate = std::make_shared<support::Gate>(), kept = std::make_shared<support::Gate>();
  std::atomic<int> later{0}, seen{-1};
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(
      support::held_in_compile("t::held", gate), support::held_in_compile("t::kept", kept),
      support::acts_in_compile("t::later", [&] { ++later; }), support::acts_in_compile("t::looks", [&] { seen = later.load(); }))));
  const support::OpenAtEnd open(*gate), open_too(*kept);
  LazyGraphModule leads(runtime, chain({"t::held", "t::later"})), joins(runtime, chain({"t::held", "t::later"}));
  leads.recompile();
  gate->wait_for_arrivals(1);
  joins.recompile();
  while (runtime.stats().flights_joined < 1) std::this_thread::yield();
  LazyGraphModule blocker(runtime, chain({"t::kept"})), other(runtime, chain({"t::looks"}), nullptr, on_demand());
  blocker.recompile();
  kept->wait_for_arrivals(1);
  leads.set_graph(plus(5));
  support::Loop loop;
  Call waits(loop, leads, zeros), call(loop, other, zeros);
  gate->open();
  call.get();
  BOOST_TEST(first_of(waits.get()) == 5);
  BOOST_TEST(seen == 1);
}

BOOST_AUTO_TEST_CASE(a_compile_that_begins_while_those_who_waited_for_the_last_are_told_is_not_ended_with_it) {
  const auto gate = std::make_shared<support::Gate>();
  std::atomic<int> compiles{0}, later{0};
  const auto breaks = [&] {
    if (compiles++ == 0) throw std::runtime_error("broken");
  };
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate),
                                                                              support::acts_in_compile("t::breaks", breaks),
                                                                              support::acts_in_compile("t::later", [&] { ++later; }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, chain({"t::held", "t::breaks", "t::later"}), nullptr, on_demand());
  support::Loop loop;
  support::Gate posting;
  support::Seen seen;
  seen.after_post = [&] { posting.pass(); };
  module.forward(Inputs(zeros), boost::asio::bind_executor(support::Observed(loop, seen), [](std::exception_ptr, Value) {}));
  gate->wait_for_arrivals(1);
  gate->open();
  posting.wait_for_arrivals(1);  // the thread that compiled tells who waited
  gate->close();
  module.retry();
  gate->wait_for_arrivals(2);
  posting.open();
  while (runtime.stats().running > 1) std::this_thread::yield();
  BOOST_TEST((module.state() == ModuleState::compiling));
  module.set_graph(plus(7));  // nobody awaits the one under way
  BOOST_TEST(runtime.stats().compiles_superseded == 1u);
  gate->open();
  support::at_rest(runtime);
  BOOST_TEST(later == 0);
  loop.run();
}

// ---- Admission ---------------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_thread_that_is_free_needs_no_room_in_the_queue) {
  Runtime runtime(RuntimeOptions().threads(1).max_queued(0));
  LazyGraphModule module(runtime, plus(1), nullptr, on_demand());
  support::Loop loop;
  Call call(loop, module, zeros);
  BOOST_TEST(first_of(call.get()) == 1);
}

BOOST_AUTO_TEST_CASE(a_blocking_call_needs_no_room_in_the_queue) {
  Held held(RuntimeOptions().threads(1).max_queued(0));
  const auto blocker = held.take_thread();
  LazyGraphModule module(held.runtime, plus(1), nullptr, on_demand());
  BOOST_TEST(first_of(module(Inputs(zeros))) == 1);
}

BOOST_AUTO_TEST_CASE(a_call_that_needs_more_submodules_than_may_wait_finds_room_as_a_whole) {
  Held held(RuntimeOptions().threads(1).max_queued(1));
  const auto blocker = held.take_thread();
  std::vector<std::shared_ptr<LazyGraphModule>> children;
  for (int i = 0; i < 8; ++i) children.push_back(std::make_shared<LazyGraphModule>(held.runtime, plus(i), nullptr, on_demand()));
  const auto parent = sum_of(held.runtime, children);
  support::Loop loop;
  Call call(loop, *parent, zeros);
  Call refused(loop, *sum_of(held.runtime, {children[0]}), zeros);
  BOOST_CHECK_EXCEPTION(refused.get(), Error, [](const Error& e) { return e.kind() == ErrorKind::overloaded; });
  held.gate->open();
  BOOST_TEST(first_of(call.get()) == 28);
}

BOOST_AUTO_TEST_CASE(a_submodule_that_found_no_room_when_it_was_marked_is_asked_for_by_the_next_call_above) {
  Held held(RuntimeOptions().threads(1).max_queued(1));
  held.gate->open();
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, plus(1), nullptr, on_demand());
  const auto busy = std::make_shared<LazyGraphModule>(held.runtime, plus(2), nullptr, on_demand());
  const auto middle = sum_of(held.runtime, {child}), top = sum_of(held.runtime, {middle, busy});
  BOOST_TEST(first_of((*top)(Inputs(zeros))) == 3);
  LazyGraphModule fills(held.runtime, plus(7), nullptr, on_demand());
  held.gate->close();
  const std::size_t arrived = held.gate->arrivals();
  busy->set_graph(chain({"t::held"}));
  support::Loop loop;
  Call early(loop, *top, zeros);
  held.gate->wait_for_arrivals(arrived + 1);
  Call waits(loop, fills, zeros);
  child->set_graph(plus(10));  // nobody needs it yet
  held.gate->open();
  waits.get();
  early.get();
  held.settle();
  Call late(loop, *top, zeros);
  BOOST_TEST(first_of(late.get()) == 10);
}

BOOST_AUTO_TEST_CASE(a_blocking_call_compiles_itself_what_had_to_make_room) {
  Held held(RuntimeOptions().threads(1).max_queued(1));
  const auto blocker = held.take_thread();
  LazyGraphModule a(held.runtime, plus(1)), b(held.runtime, plus(2));
  a.recompile();
  support::Loop loop;
  Call displaces(loop, b, zeros);
  BOOST_TEST(first_of(a(Inputs(zeros))) == 1);  // no thread has come by to drop its compile
  held.gate->open();
  BOOST_TEST(first_of(displaces.get()) == 2);
}

BOOST_AUTO_TEST_CASE(what_had_to_make_room_comes_back_when_it_is_awaited) {
  Held held(RuntimeOptions().threads(1).max_queued(2));
  LazyGraphModule module(held.runtime, plus(1, TensorType(DType::f32)), nullptr, on_demand());
  module.real_recompile();
  const auto blocker = held.take_thread();
  LazyGraphModule unawaited(held.runtime, plus(2)), displaces(held.runtime, plus(3), nullptr, on_demand());
  unawaited.prefetch();
  support::Loop loop;
  // Its answer is interpreted, while its plan is asked for by the way.
  const std::vector<Value> two{vec({0, 0})};
  BOOST_TEST(first_of(module.call(two, ForwardOptions().freshness(Freshness::interpret_until_ready()))) == 1);
  BOOST_TEST(held.runtime.stats().queued == 2u);
  Call first(loop, displaces, zeros);
  Call second(loop, module, vec({0, 0}));
  held.gate->open();
  BOOST_TEST(first_of(first.get()) == 3);
  BOOST_TEST(first_of(second.get()) == 1);
}

BOOST_AUTO_TEST_CASE(what_had_to_make_room_on_an_executor_from_outside_is_asked_for_again_once_somebody_waits_for_it) {
  boost::asio::thread_pool pool(1);
  Held held(RuntimeOptions().threads(1).max_queued(1).executor(pool.get_executor()));
  const auto blocker = held.take_thread();
  LazyGraphModule a(held.runtime, plus(1)), b(held.runtime, plus(2));
  a.recompile();
  support::Loop loop;
  Call displaces(loop, b, zeros);
  Call waits(loop, a, zeros);
  held.gate->open();  // the blocker gives way to b, and nothing is queued when it ends
  BOOST_TEST(first_of(displaces.get()) == 2);
  BOOST_TEST(first_of(waits.get()) == 1);  // ends with the test's time limit if nobody came by to drop its compile
}

BOOST_AUTO_TEST_CASE(a_call_that_is_refused_takes_back_what_it_asked_of_submodules) {
  Held held(RuntimeOptions().threads(1).max_queued(2));
  const auto blocker = held.take_thread();
  const auto child = std::make_shared<LazyGraphModule>(held.runtime, plus(1));
  const auto idle = std::make_shared<LazyGraphModule>(held.runtime, plus(2), nullptr, on_demand());
  const auto parent = sum_of(held.runtime, {child, idle});
  LazyGraphModule fills(held.runtime, plus(3), nullptr, on_demand()), other(held.runtime, plus(4), nullptr, on_demand());
  child->recompile();
  support::Loop loop;
  Call waits(loop, fills, zeros), refused(loop, *parent, zeros);
  BOOST_CHECK_EXCEPTION(refused.get(), Error, [](const Error& e) { return e.kind() == ErrorKind::overloaded; });
  Call displaces(loop, other, zeros);  // the child's compile, which nobody awaits
  held.gate->open();
  BOOST_TEST(first_of(displaces.get()) == 4);
  BOOST_TEST(first_of(waits.get()) == 3);
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_may_be_allowed) {
  Runtime runtime(RuntimeOptions().threads(std::numeric_limits<std::size_t>::max()));
  LazyGraphModule module(runtime, plus(1));
  support::Loop loop;
  Call call(loop, module, zeros);
  BOOST_TEST(first_of(call.get()) == 1);
}

BOOST_AUTO_TEST_CASE(threads_retire_though_a_timer_is_set) {
  Runtime runtime(RuntimeOptions().threads(4).idle_timeout(1ms));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (int i = 0; i < 16; ++i) modules.push_back(std::make_unique<LazyGraphModule>(runtime, plus(i)));
  for (const auto& module : modules) module->recompile();
  LazyGraphModule debounced(runtime, plus(100), nullptr, LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(1h));
  debounced.recompile();
  while (runtime.stats().threads > 1) std::this_thread::yield();
  BOOST_TEST(runtime.stats().threads == 1u);  // which waits for the timer
}

BOOST_AUTO_TEST_CASE(an_executor_from_outside_keeps_no_timer_of_a_runtime_that_has_stopped) {
  boost::asio::io_context context;
  {
    Runtime runtime(RuntimeOptions().executor(context.get_executor()));
    LazyGraphModule module(runtime, plus(1), nullptr, LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(1h));
    module.recompile();
  }
  context.run();  // ends with the test's time limit if the timer is left
}

// ---- Blocking where one cannot wait ------------------------------------------------------------------------------------------------------

namespace {

/// t::asks makes whoever compiles it first ask for `module` blocking, and keeps what comes of it.
struct Asking {
  std::unique_ptr<LazyGraphModule> module;
  std::atomic<bool> first{true};
  std::string answer;

  Operator op() {
    return support::acts_in_compile("t::asks", [this] {
      if (!first.exchange(false)) return;
      try {
        module->real_recompile();
        answer = "compiled";
      } catch (const Error& e) { answer = e.kind() == ErrorKind::would_deadlock ? "would deadlock" : e.what(); }
    });
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_compile_that_waits_for_equal_content_is_told_that_it_would_deadlock) {
  Asking asking;
  {
    Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(asking.op())));
    LazyGraphModule module(runtime, chain({"t::asks"}));
    asking.module = std::make_unique<LazyGraphModule>(runtime, chain({"t::asks"}));
    support::Loop loop;
    Call call(loop, module, zeros);
    call.get();
  }
  BOOST_TEST(asking.answer == "would deadlock");
}

BOOST_AUTO_TEST_CASE(so_is_one_on_the_thread_of_a_caller_that_helps) {
  Asking asking;
  {
    Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(asking.op())));
    LazyGraphModule module(runtime, chain({"t::asks"}), nullptr, on_demand());
    asking.module = std::make_unique<LazyGraphModule>(runtime, chain({"t::asks"}), nullptr, on_demand());
    module.real_recompile();
  }
  BOOST_TEST(asking.answer == "would deadlock");
}

BOOST_AUTO_TEST_CASE(so_is_a_run_for_which_a_compile_of_equal_content_has_given_way) {
  const auto gate = std::make_shared<support::Gate>();
  std::unique_ptr<LazyGraphModule> equal_module;
  std::string answer;
  const auto calls = [&](float x) {
    if (!answer.empty()) return x;
    try {
      answer = std::to_string(first_of((*equal_module)(Inputs(zeros))));
    } catch (const Error& e) { answer = e.kind() == ErrorKind::would_deadlock ? "would deadlock" : e.what(); }
    return x;
  };
  {
    Runtime runtime(RuntimeOptions().threads(1).operators(
        support::standard_and(support::held_in_compile("t::held", gate), support::unary("t::calls", calls))));
    support::OpenAtEnd open(*gate);
    LazyGraphModule run(runtime, chain({"t::calls"}));
    run.real_recompile();
    LazyGraphModule module(runtime, chain({"t::held", "onnx::Relu"}));
    equal_module = std::make_unique<LazyGraphModule>(runtime, chain({"t::held", "onnx::Relu"}), nullptr, on_demand());
    module.recompile();
    gate->wait_for_arrivals(1);
    support::Loop loop;
    Call call(loop, run, zeros, ForwardOptions().run_on(RunOn::pool));
    gate->open();
    call.get();
    equal_module.reset();
  }
  BOOST_TEST(answer == "would deadlock");
}
