// The promises of the design about marks, flights, waits and failures, for flat modules. Each test is one sentence of it.
#define BOOST_TEST_MODULE compile_promises
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/system/system_error.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::Call;
using support::chain;
using support::held_plus;
using support::plus;
using support::vec;

namespace {

namespace asio = boost::asio;

const Tensor zeros = vec({0, 0, 0, 0});

Tensor call(GraphModule& module, const Tensor& x = zeros) { return module(Inputs(x)).as_tensor(); }

LazyGraphModuleOptions on_demand() { return LazyGraphModuleOptions().schedule(Schedule::on_demand); }

// A runtime whose operator t::held keeps every compile that meets it.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime;
  support::OpenAtEnd open{*gate};

  explicit Held(std::size_t threads = 2)
      : runtime(RuntimeOptions().threads(threads).operators(support::standard_and(support::held_in_compile("t::held", gate)))) {}
  RuntimeStats stats() const { return runtime.stats(); }
};

bool holds(const Tensor& tensor, float value) { return equal(tensor, vec({value, value, value, value})); }

bool aborted(Call& call) {
  try {
    call.get();
  } catch (const boost::system::system_error& e) { return e.code() == asio::error::operation_aborted; }
  return false;
}

template <class Act>
bool throws_kind(ErrorKind kind, Act&& act) {
  try {
    act();
  } catch (const Error& e) { return e.kind() == kind; }
  return false;
}

}  // namespace

// ---- 1. Lazy ---------------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(construction_leaves_a_module_dirty_and_schedules_nothing) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  const RuntimeStats stats = runtime.stats();
  BOOST_TEST((module.state() == ModuleState::dirty));
  BOOST_TEST(stats.queued + stats.running + stats.compiles_started == 0u);
}

BOOST_AUTO_TEST_CASE(a_mark_schedules_its_compile_in_the_background) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(1));
  module.recompile();
  held.gate->wait_for_arrivals(1);  // nobody called
  BOOST_TEST((module.state() == ModuleState::compiling));
}

BOOST_AUTO_TEST_CASE(with_on_demand_only_forward_and_prefetch_schedule) {
  Held held;
  LazyGraphModule called(held.runtime, held_plus(1), nullptr, on_demand());
  LazyGraphModule prefetched(held.runtime, held_plus(2), nullptr, on_demand());
  for (int i = 0; i < 5; ++i) {
    called.recompile();
    prefetched.recompile();
  }
  BOOST_TEST(held.stats().queued + held.stats().running + held.stats().compiles_started == 0u);
  support::Loop loop;
  Call waiting(loop, called, zeros);
  prefetched.prefetch();
  held.gate->wait_for_arrivals(2);
  held.gate->open();
  BOOST_TEST(holds(waiting.get().as_tensor(), 1));
}

BOOST_AUTO_TEST_CASE(a_module_built_marked_and_destroyed_costs_at_most_one_dropped_job_and_leaves_nothing_behind) {
  Held held(1);
  LazyGraphModule busy(held.runtime, held_plus(0));
  busy.recompile();
  held.gate->wait_for_arrivals(1);  // the only thread is taken
  std::weak_ptr<Graph> graph;
  const Tensor weight = Tensor::from<float>({1, 2, 3, 4}, Shape{4});
  {
    Container root;
    root.set_tensor("w", weight);
    auto built = support::times_attribute("w");
    graph = built;
    LazyGraphModule module(held.runtime, std::move(built), &root);
    for (int i = 0; i < 5; ++i) module.recompile();
    BOOST_TEST(held.stats().queued == 1u);
  }
  BOOST_TEST(held.stats().queued == 0u);
  BOOST_TEST(held.stats().compiles_dropped <= 1u);
  BOOST_TEST(held.stats().compiles_started == 1u);  // the busy one's
  BOOST_TEST(graph.expired());
  BOOST_TEST(weight.unique());
}

BOOST_AUTO_TEST_CASE(a_module_destroyed_while_it_compiles_leaves_nothing_behind) {
  Held held(1);
  std::weak_ptr<Graph> graph;
  const Tensor weight = Tensor::from<float>({1, 2, 3, 4}, Shape{4});
  {
    auto built = held_plus(0);
    graph = built;
    Container root;
    root.set_tensor("w", weight);
    {
      const InsertionScope scope = built->inserting_before(built->output_node());
      built->output_node().update_arg(0, Argument::tuple({built->find("total"), built->get_attr("w")}));
    }
    LazyGraphModule module(held.runtime, std::move(built), &root);
    module.recompile();
    held.gate->wait_for_arrivals(1);
  }
  held.gate->open();
  held.runtime.stop();
  BOOST_TEST(graph.expired());
  BOOST_TEST(weight.unique());
  BOOST_TEST(held.stats().compiles_cancelled == 1u);
  BOOST_TEST(held.stats().compiles_finished == 0u);
}

BOOST_AUTO_TEST_CASE(a_module_that_answered_and_is_destroyed_leaves_nothing_behind_but_what_the_cache_keeps) {
  Runtime runtime;
  std::weak_ptr<Graph> graph;
  const Tensor first = Tensor::from<float>({1, 1, 1, 1}, Shape{4});
  const Tensor second = Tensor::from<float>({2, 2, 2, 2}, Shape{4});
  {
    Container root;
    root.set_tensor("w", first);
    auto built = support::times_attribute("w");
    graph = built;
    LazyGraphModule module(runtime, std::move(built), &root);
    call(module);
    root.remove("w");
    module.set_attr("w", second);
    module.recompile();
    call(module);
    support::Loop loop;
    Call(loop, module, zeros).get();
    support::at_rest(runtime);
    runtime.trim();
    BOOST_TEST(first.unique());  // the superseded generation is gone already
  }
  BOOST_TEST(graph.expired());
  runtime.trim();
  BOOST_TEST(second.unique());
}

// ---- 2. Marking is cheap ---------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(recompile_never_waits_for_a_compile) {
  Held held(1);
  LazyGraphModule module(held.runtime, held_plus(1));
  module.recompile();
  held.gate->wait_for_arrivals(1);
  for (int i = 0; i < 100; ++i) {
    support::set_plus(module.graph(), i);
    module.recompile();  // returns though the compile cannot end
  }
  BOOST_TEST(module.generation() == 102u);
  held.gate->open();
  BOOST_TEST(holds(call(module), 99));
}

BOOST_AUTO_TEST_CASE(recompile_needs_no_pool) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  runtime.stop();
  module.recompile();
  BOOST_TEST(module.generation() == 2u);
  BOOST_TEST(module.needs_recompile());
}

// ---- 3, as far as one module goes: coalescing ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_thousand_marks_during_a_running_compile_cost_at_most_one_more) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(0));
  module.recompile();
  held.gate->wait_for_arrivals(1);
  for (int i = 1; i <= 1000; ++i) {
    support::set_plus(module.graph(), i);
    module.recompile();
  }
  held.gate->open();
  BOOST_TEST(holds(call(module), 1000));
  BOOST_TEST(held.stats().compiles_started == 2u);
  BOOST_TEST(held.stats().marks == 1001u);
}

BOOST_AUTO_TEST_CASE(with_an_edit_before_each_of_a_thousand_marks_on_a_live_pool_at_most_two_compiles_run_to_completion) {
  // Every compile takes longer than the next mark: its operator's type rule waits for a mark newer than the one it compiles.
  struct Marks {
    std::mutex mutex;
    std::condition_variable changed;
    std::int64_t newest = 0;
    void set(std::int64_t value) {
      const std::lock_guard lock(mutex);
      newest = value;
      changed.notify_all();
    }
    void wait_beyond(std::int64_t value) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return newest > value; });
    }
  };
  const auto marks = std::make_shared<Marks>();
  Operator slow = support::unary("t::slow", [](float x) { return x; });
  slow.schema.attributes = {{"mark", AttributeSpec::Kind::integer, 0}};
  slow.type_rule = [marks](const TypeContext& c) {
    marks->wait_beyond(c.attributes.get_int("mark"));
    return std::vector<TensorType>{*c.inputs[0]};
  };
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(std::move(slow))));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  const Node first = graph->call_function("t::slow", {x}, {{"mark", 0}}, "first");
  graph->output(graph->call_function("onnx::Add", {first, 0}, {}, "total"));
  LazyGraphModule module(runtime, graph);
  for (int i = 1; i <= 1000; ++i) {
    support::set_plus(module.graph(), i);
    module.graph().find("first").update_kwarg("mark", i);
    module.recompile();
    marks->set(i);
  }
  marks->set(1001);
  BOOST_TEST(holds(call(module), 1000));
  BOOST_TEST(runtime.stats().compiles_finished <= 2u);
  BOOST_TEST(runtime.stats().compiles_finished >= 1u);
}

// ---- 4. Read your writes ---------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(forward_from_eight_threads_during_edits_answers_for_a_generation_at_or_after_its_call) {
  Runtime runtime(RuntimeOptions().threads(2));
  LazyGraphModule module(runtime, plus(1));  // adds its generation
  std::atomic<bool> editing{true};
  std::atomic<int> wrong{0};
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] {
      support::Loop loop;
      while (editing.load()) {
        const auto before = static_cast<float>(module.generation());
        const Tensor y = t % 2 == 0 ? call(module) : Call(loop, module, zeros).get().as_tensor();
        const auto after = static_cast<float>(module.generation());
        const float answered = y.values<float>()[0];
        if (answered < before || answered > after || !holds(y, answered)) wrong.fetch_add(1);
        calls.fetch_add(1);
      }
    });
  }
  for (int generation = 2; generation <= 300 || calls.load() < 100; ++generation) {
    support::set_plus(module.graph(), generation);
    module.recompile();
    if (generation % 16 == 0) call(module);  // lets the callers meet a clean module too
  }
  editing.store(false);
  for (std::thread& caller : callers) caller.join();
  BOOST_TEST(wrong.load() == 0);
  BOOST_TEST(holds(call(module), static_cast<float>(module.generation())));
}

BOOST_AUTO_TEST_CASE(a_call_made_before_a_mark_may_be_answered_by_it_and_never_by_an_older_one) {
  Held held(1);
  LazyGraphModule module(held.runtime, held_plus(1));
  support::Loop loop;
  Call early(loop, module, zeros);
  held.gate->wait_for_arrivals(1);
  support::set_plus(module.graph(), 2);
  module.recompile();
  Call late(loop, module, zeros);
  held.gate->open();
  BOOST_TEST(holds(late.get().as_tensor(), 2));
  const Tensor y = early.get().as_tensor();
  BOOST_TEST((holds(y, 1) || holds(y, 2)));
}

// ---- 5. One flight per content ---------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(equal_graphs_in_eight_modules_compile_once) {
  std::size_t arrivals_per_compile = 0;
  {
    Held alone;
    alone.gate->open();
    LazyGraphModule module(alone.runtime, held_plus(1));
    call(module);
    arrivals_per_compile = alone.gate->arrivals();
  }
  Held held(4);
  support::Loop loop;
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(held.runtime, held_plus(1)));
    calls.push_back(std::make_unique<Call>(loop, *modules.back(), zeros));
  }
  held.gate->wait_for_arrivals(1);
  held.gate->open();
  for (auto& one : calls) BOOST_TEST(holds(one->get().as_tensor(), 1));
  BOOST_TEST(held.stats().compiles_started == 1u);
  BOOST_TEST(held.stats().compiles_finished == 1u);
  BOOST_TEST(held.stats().flights_joined + held.stats().cache_hits == 7u);
  BOOST_TEST(held.gate->arrivals() == arrivals_per_compile);
}

BOOST_AUTO_TEST_CASE(equal_graphs_called_from_eight_threads_compile_once) {
  Runtime runtime(RuntimeOptions().threads(4));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (int i = 0; i < 8; ++i) modules.push_back(std::make_unique<LazyGraphModule>(runtime, plus(3)));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (auto& module : modules) {
    threads.emplace_back([&right, &module] {
      if (holds(call(*module), 3)) right.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(right.load() == 8);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(graphs_that_differ_in_a_constant_do_not_share) {
  Runtime runtime;
  Container one, two;
  one.set_tensor("w", vec({1, 1, 1, 1}));
  two.set_tensor("w", vec({2, 2, 2, 2}));
  LazyGraphModule a(runtime, support::times_attribute("w"), &one);
  LazyGraphModule b(runtime, support::times_attribute("w"), &two);
  LazyGraphModule c(runtime, support::times_attribute("w"), &one);
  const Tensor ones = vec({1, 1, 1, 1});
  BOOST_TEST(holds(call(a, ones), 1));
  BOOST_TEST(holds(call(b, ones), 2));
  BOOST_TEST(holds(call(c, ones), 1));
  BOOST_TEST(runtime.stats().compiles_started == 2u);
  BOOST_TEST(runtime.stats().cache_hits == 1u);
}

BOOST_AUTO_TEST_CASE(names_and_metadata_do_not_keep_graphs_apart) {
  Runtime runtime;
  auto renamed = plus(3);
  renamed->find("total").set_meta("stack_trace", "elsewhere");
  renamed->find("total").rename("result");
  LazyGraphModule a(runtime, plus(3));
  LazyGraphModule b(runtime, renamed);
  call(a);
  call(b);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(b.code().find("result") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_mark_without_edits_finds_its_executable_again) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(3));
  call(module);
  module.recompile();
  call(module);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().cache_hits == 1u);
  BOOST_TEST(!module.needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_failure_is_shared_by_the_waiters_of_its_flight_only) {
  const auto gate = std::make_shared<support::Gate>();
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::acts_in_compile("t::breaks", [gate, broken] {
    gate->pass();
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  const support::OpenAtEnd open(*gate);
  support::Loop loop;
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 4; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, chain({"t::breaks"})));
    calls.push_back(std::make_unique<Call>(loop, *modules.back(), zeros));
    if (i == 0) gate->wait_for_arrivals(1);
  }
  // All others have joined: the second thread has taken their jobs when nothing is queued or running besides the flight.
  while (runtime.stats().flights_joined < 3) std::this_thread::yield();
  gate->open();
  for (auto& one : calls) BOOST_CHECK_THROW(one->get(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().compiles_failed == 1u);
  *broken = false;
  LazyGraphModule later(runtime, chain({"t::breaks"}));
  BOOST_TEST(holds(call(later), 0));
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}

// ---- 7. Cancelling a wait never cancels the work of another ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(cancelling_one_of_several_waiters_gives_only_it_operation_aborted) {
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
    Held held;
    LazyGraphModule module(held.runtime, held_plus(1));
    support::Loop loop;
    Call first(loop, module, zeros), second(loop, module, zeros), third(loop, module, zeros);
    held.gate->wait_for_arrivals(1);
    BOOST_TEST(held.stats().waiting == 3u);
    second.cancel(type);
    BOOST_TEST(aborted(second));  // at once: the compile cannot end yet
    BOOST_TEST(!first.done());
    BOOST_TEST(!third.done());
    BOOST_TEST(held.stats().waiting == 2u);
    held.gate->open();
    BOOST_TEST(holds(first.get().as_tensor(), 1));
    BOOST_TEST(holds(third.get().as_tensor(), 1));
    loop.restart();
    loop.run();
    BOOST_TEST(second.completions() == 1);
    BOOST_TEST(held.stats().compiles_finished == 1u);
  }
}

BOOST_AUTO_TEST_CASE(cancelling_the_waiters_of_one_module_leaves_the_flight_to_another) {
  Held held;
  LazyGraphModule left(held.runtime, held_plus(1));
  LazyGraphModule stays(held.runtime, held_plus(1));
  support::Loop loop;
  auto gone = std::make_unique<Call>(loop, left, zeros);
  held.gate->wait_for_arrivals(1);
  Call waiting(loop, stays, zeros);
  gone->cancel();
  BOOST_TEST(aborted(*gone));
  held.gate->open();
  BOOST_TEST(holds(waiting.get().as_tensor(), 1));
  BOOST_TEST(held.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_wait_that_was_cancelled_can_be_made_again) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(1));
  support::Loop loop;
  Call gone(loop, module, zeros);
  held.gate->wait_for_arrivals(1);
  gone.cancel();
  BOOST_TEST(aborted(gone));
  Call again(loop, module, zeros);
  held.gate->open();
  BOOST_TEST(holds(again.get().as_tensor(), 1));
}

BOOST_AUTO_TEST_CASE(cancelling_a_completed_call_does_nothing) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  support::Loop loop;
  Call done(loop, module, zeros);
  done.get();
  done.cancel();
  loop.restart();
  loop.run();
  BOOST_TEST(done.completions() == 1);
}

// ---- 8. Failure is a state -------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_failing_compile_reaches_every_waiter_with_operator_and_node_named) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::acts_in_compile("t::breaks", [gate] {
    gate->pass();
    throw std::runtime_error("out of luck");
  }))));
  const support::OpenAtEnd open(*gate);
  auto graph = plus(1);
  {
    const InsertionScope scope = graph->inserting_before(graph->output_node());
    graph->output_node().update_arg(0, graph->call_function("t::breaks", {graph->find("total")}, {}, "culprit"));
  }
  LazyGraphModule module(runtime, graph);
  support::Loop loop;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(std::make_unique<Call>(loop, module, zeros));
  gate->wait_for_arrivals(1);
  gate->open();
  for (auto& one : calls) {
    try {
      one->get();
      BOOST_ERROR("a call was answered by a generation that does not compile");
    } catch (const CompileError& e) {
      BOOST_TEST(e.op() == "t::breaks");
      BOOST_TEST(e.node() == "culprit");
      BOOST_TEST(!e.pass().empty());
      BOOST_TEST(e.line() > 0u);
      BOOST_TEST((e.kind() == ErrorKind::user_code));
      const std::string what = e.what();
      BOOST_TEST(what.find("t::breaks") != std::string::npos, what);
      BOOST_TEST(what.find("culprit") != std::string::npos, what);
      BOOST_TEST(what.find("out of luck") != std::string::npos, what);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_failure_stays_until_the_next_mark) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  LazyGraphModule module(runtime, chain({"t::breaks"}));
  BOOST_CHECK_THROW(call(module), CompileError);
  BOOST_TEST((module.state() == ModuleState::failed));
  BOOST_TEST(module.needs_recompile());
  *broken = false;
  BOOST_CHECK_THROW(call(module), CompileError);
  BOOST_CHECK_THROW(support::run(module.forward(zeros)), CompileError);
  module.prefetch();
  BOOST_TEST(!module.code().empty());
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  module.recompile();
  BOOST_TEST(holds(call(module), 0));
  BOOST_TEST((module.state() == ModuleState::clean));
}

BOOST_AUTO_TEST_CASE(after_a_failed_mark_calls_throw_and_after_the_next_good_one_they_work) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  BOOST_TEST(holds(call(module), 1));
  Node total = module.graph().find("total");
  total.set_target("my::unheard");
  module.recompile();
  BOOST_CHECK_THROW(call(module), CompileError);
  BOOST_CHECK_THROW(support::run(module.forward(zeros)), CompileError);
  total.set_target("onnx::Sub");
  module.recompile();
  BOOST_TEST(holds(call(module), -1));
}

BOOST_AUTO_TEST_CASE(a_failed_specialization_fails_that_signature_only) {
  Operator picky = support::unary("t::picky", [](float x) { return 2 * x; });
  picky.type_rule = [](const TypeContext& c) {
    const TensorType& x = *c.inputs[0];
    if (x.is_static() && x.shape()[0] == 3) throw Error(ErrorKind::invalid_graph, "three is too many");
    return std::vector<TensorType>{x};
  };
  Runtime runtime(RuntimeOptions().operators(support::standard_and(std::move(picky))));
  LazyGraphModule module(runtime, chain({"t::picky"}, TensorType(DType::f32, {"N"})));
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(equal(call(module, vec({1, 2})), vec({2, 4})));
    BOOST_CHECK_EXCEPTION(call(module, vec({1, 2, 3})), CompileError, [](const CompileError& e) {
      return e.op() == "t::picky" && std::string(e.what()).find("three is too many") != std::string::npos;
    });
    BOOST_CHECK_THROW(support::run(module.forward(vec({1, 2, 3}))), CompileError);
    BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({2, 4, 6, 8})));
    BOOST_TEST((module.state() == ModuleState::clean));
  }
}

BOOST_AUTO_TEST_CASE(a_failed_specialization_stays_until_the_next_mark_or_retry_of_equal_content) {
  const auto failing = std::make_shared<std::atomic<bool>>(true), asked = std::make_shared<std::atomic<bool>>(false);
  Operator fickle = support::unary("t::fickle", [](float x) { return 2 * x; });
  fickle.type_rule = [failing, asked](const TypeContext& c) {
    const TensorType& x = *c.inputs[0];
    if (!x.is_static()) return std::vector<TensorType>{x};
    *asked = true;
    if (*failing) throw Error(ErrorKind::invalid_graph, "not now");
    return std::vector<TensorType>{x};
  };
  Runtime runtime(RuntimeOptions().operators(support::standard_and(std::move(fickle))));
  const auto make = [&] { return std::make_unique<LazyGraphModule>(runtime, chain({"t::fickle"}, TensorType(DType::f32, {"N"}))); };
  const auto module = make();
  const Tensor x = vec({1, 2});
  const auto fails = [&] {
    *failing = true;
    BOOST_CHECK_THROW(call(*module, x), CompileError);
    *failing = false;
    *asked = false;
    BOOST_CHECK_THROW(call(*module, x), CompileError);
    BOOST_CHECK_THROW(support::run(module->forward(x)), CompileError);
    BOOST_TEST(!*asked);  // it is known
  };
  const auto works = [&] { BOOST_TEST(equal(call(*module, x), vec({2, 4}))); };
  fails();
  module->recompile();
  works();
  runtime.trim();
  module->graph().find("x").set_type(TensorType(DType::f32, {"M"}));
  *failing = true;  // a compile makes plans for the signatures of the generation before
  module->recompile();
  fails();
  module->retry();
  works();
}

BOOST_AUTO_TEST_CASE(a_failure_of_a_users_operator_of_any_kind_is_tried_again_by_a_mark) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw Error(ErrorKind::invalid_graph, "out of luck");
  }))));
  LazyGraphModule module(runtime, chain({"t::breaks"}));
  BOOST_CHECK_THROW(call(module), CompileError);
  *broken = false;
  module.recompile();
  BOOST_TEST(holds(call(module), 0));
  *broken = true;
  LazyGraphModule first(runtime, chain({"onnx::Relu", "t::breaks"}));
  BOOST_CHECK_THROW(call(first), CompileError);
  *broken = false;
  LazyGraphModule second(runtime, chain({"onnx::Relu", "t::breaks"}));
  BOOST_TEST(holds(call(second), 0));
}

BOOST_AUTO_TEST_CASE(whatever_an_operator_throws_in_a_compile_is_contained) {
  const auto throwing = [](auto what) { return [what] { throw what; }; };
  Runtime runtime(RuntimeOptions().threads(1).operators(support::standard_and(
      support::acts_in_compile("t::int", throwing(7)), support::acts_in_compile("t::std", throwing(std::runtime_error("a"))),
      support::acts_in_compile("t::own", throwing(Error(ErrorKind::unsupported, "b"))),
      support::acts_in_compile("t::memory", throwing(std::bad_alloc())))));
  const auto failing_with = [&runtime](const char* target, ErrorKind kind) {
    LazyGraphModule module(runtime, chain({target}));
    module.recompile();  // in the background, with nobody to tell
    support::Loop loop;
    Call waiting(loop, module, zeros);
    BOOST_TEST(throws_kind(kind, [&] { waiting.get(); }), target);
    BOOST_TEST(throws_kind(kind, [&] { call(module); }), target);
  };
  failing_with("t::int", ErrorKind::user_code);
  failing_with("t::std", ErrorKind::user_code);
  failing_with("t::own", ErrorKind::unsupported);
  failing_with("t::memory", ErrorKind::resource);
  LazyGraphModule fine(runtime, plus(1));
  BOOST_TEST(holds(call(fine), 1));  // the pool lives on
}

namespace {
/// Says nothing, not even an empty text.
struct Mute : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

Operator throws_in_lowering(std::string name, std::function<void()> act) {
  Operator op = support::unary(std::move(name), [](float x) { return x; });
  op.lowering = [act = std::move(act)](LoweringContext&) {
    act();
    return true;
  };
  return op;
}

void must_name(const CompileError& e, const std::string& target) {
  BOOST_TEST(e.op() == target);
  BOOST_TEST(!e.node().empty());
  BOOST_TEST(std::string(e.what()).find("%" + e.node()) != std::string::npos, e.what());
}
}  // namespace

BOOST_AUTO_TEST_CASE(whatever_a_lowering_throws_is_contained_and_named) {
  Runtime runtime(RuntimeOptions().threads(1).operators(support::standard_and(
      throws_in_lowering("t::int", [] { throw 7; }), throws_in_lowering("t::std", [] { throw std::runtime_error("a"); }),
      throws_in_lowering("t::own", [] { throw Error(ErrorKind::unsupported, "b"); }),
      throws_in_lowering("t::memory", [] { throw std::bad_alloc(); }), throws_in_lowering("t::mute", [] { throw Mute(); }))));
  const auto failing_with = [&runtime](const char* target, ErrorKind kind) {
    LazyGraphModule module(runtime, chain({target}));
    BOOST_CHECK_EXCEPTION(call(module), CompileError, ([&](const CompileError& e) {
                            must_name(e, target);
                            return e.kind() == kind;
                          }));
  };
  failing_with("t::int", ErrorKind::user_code);
  failing_with("t::std", ErrorKind::user_code);
  failing_with("t::own", ErrorKind::unsupported);
  failing_with("t::memory", ErrorKind::resource);
  failing_with("t::mute", ErrorKind::user_code);
  LazyGraphModule fine(runtime, plus(1));
  BOOST_TEST(holds(call(fine), 1));
}

BOOST_AUTO_TEST_CASE(an_exception_that_says_nothing_is_contained_and_its_place_named) {
  Operator in_run = support::unary("t::run", [](float x) { return x; });
  in_run.reference = [](std::span<const Tensor>, const Attributes&, std::size_t) -> std::vector<Tensor> { throw Mute(); };
  Operator on_host = in_run;
  on_host.name = "t::host";
  on_host.reference = nullptr;
  on_host.on_values = [](const ValueContext&) -> std::vector<Value> { throw Mute(); };
  Runtime runtime(RuntimeOptions().threads(1).operators(
      support::standard_and(support::acts_in_compile("t::rule", [] { throw Mute(); }), in_run, on_host)));
  LazyGraphModule untyped(runtime, chain({"t::rule"}));
  BOOST_CHECK_EXCEPTION(call(untyped), CompileError, [](const CompileError& e) {
    must_name(e, "t::rule");
    return e.kind() == ErrorKind::user_code;
  });
  for (const char* target : {"t::run", "t::host"}) {
    const auto says_where = [target](const Error& e) {
      return e.kind() == ErrorKind::user_code && std::string(e.what()).find(target) != std::string::npos &&
             std::string(e.what()).find('%') != std::string::npos;
    };
    LazyGraphModule module(runtime, chain({target}));
    BOOST_CHECK_EXCEPTION(call(module), Error, says_where);
    LazyGraphModule interpreted(runtime, chain({target}));
    support::Loop loop;
    Call waiting(loop, interpreted, zeros, ForwardOptions().freshness(Freshness::interpret_until_ready()));
    BOOST_CHECK_EXCEPTION(waiting.get(), Error, says_where);
  }
}
