// What a call accepts, how long it waits, and when a mark starts its compile. Each test is one sentence of the promise.
#define BOOST_TEST_MODULE compile_waiting
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using namespace std::chrono_literals;
using support::Call;
using support::chain;
using support::plus;
using support::set_plus;
using support::vec;

namespace {

namespace asio = boost::asio;

const Tensor zeros = vec({0, 0, 0, 0});

bool holds(const Value& value, float x) { return equal(value.as_tensor(), vec({x, x, x, x})); }

Value blocking(GraphModule& module, const ForwardOptions& options, const Tensor& x = zeros) {
  const std::vector<Value> inputs{Value(x)};
  return module.call(inputs, options);
}
Value blocking(GraphModule& module, Freshness freshness, const Tensor& x = zeros) {
  return blocking(module, ForwardOptions().freshness(freshness), x);
}

template <class Act>
void times_out(Act&& act) {
  BOOST_CHECK_EXCEPTION(act(), boost::system::system_error, [](const auto& e) { return e.code() == asio::error::timed_out; });
}

/// A wait that can be cancelled, and what it completed with.
struct Wait {
  support::Loop loop;
  asio::cancellation_signal signal;
  int completions = 0;
  std::exception_ptr error;

  auto handler() {
    return asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(loop, [this](std::exception_ptr e) {
                                          ++completions;
                                          error = e;
                                        }));
  }
  void get() {
    loop.restart();
    loop.run();
    BOOST_TEST(completions == 1);
    if (error) std::rethrow_exception(error);
  }
  void check_cancelled() {
    signal.emit(asio::cancellation_type::terminal);
    BOOST_CHECK_EXCEPTION(get(), boost::system::system_error, [](const auto& e) { return e.code() == asio::error::operation_aborted; });
    loop.restart();
    loop.run();
    BOOST_TEST(completions == 1);
  }
};

// forward(x): t::held(x) + c, whose compile a gate holds once `closed`.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::unique_ptr<LazyGraphModule> module;
  support::OpenAtEnd open{*gate};

  explicit Held(const TensorType& type = support::f32(4), RuntimeOptions options = {})
      : runtime(options.threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate)))) {
    const Node x = graph->placeholder("x", type);
    graph->output(graph->call_function("onnx::Add", {graph->call_function("t::held", {x}), 1.0}, {}, "total"));
    module = std::make_unique<LazyGraphModule>(runtime, graph);
  }
  void compile_first() {
    gate->open();
    module->real_recompile();
    gate->close();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(last_good_answers_at_once_with_what_is_published) {
  Held held;
  held.compile_first();
  set_plus(*held.graph, 2);
  held.module->recompile();
  BOOST_TEST(holds(blocking(*held.module, Freshness::last_good()), 1));
  support::Loop loop;
  Call stale(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::last_good(1)));
  Call stale_on_pool(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::last_good()).run_on(RunOn::pool));
  Call fresh(loop, *held.module, zeros);
  BOOST_TEST(holds(stale.get(), 1));
  BOOST_TEST(holds(stale_on_pool.get(), 1));
  BOOST_TEST(!fresh.done());
  held.gate->open();
  BOOST_TEST(holds(fresh.get(), 2));
}

BOOST_AUTO_TEST_CASE(last_good_waits_when_what_is_published_lags_too_far) {
  Held held;
  held.compile_first();
  for (int i = 2; i <= 4; ++i) {
    set_plus(*held.graph, i);
    held.module->recompile();
  }
  support::Loop loop;
  Call near(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::last_good(3)));
  Call far(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::last_good(2)));
  BOOST_TEST(holds(near.get(), 1));
  BOOST_TEST(!far.done());
  held.gate->open();
  BOOST_TEST(holds(far.get(), 4));
}

BOOST_AUTO_TEST_CASE(last_good_answers_while_the_newest_generation_does_not_compile) {
  Runtime runtime;
  auto graph = plus(1);
  LazyGraphModule module(runtime, graph);
  module.real_recompile();
  graph->find("total").set_target("no::such_operator");
  module.recompile();
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
  BOOST_TEST(holds(blocking(module, Freshness::last_good()), 1));
  BOOST_CHECK_THROW(blocking(module, Freshness::last_good(0)), CompileError);
  BOOST_CHECK_THROW(blocking(module, Freshness::await_fresh()), CompileError);
}

BOOST_AUTO_TEST_CASE(a_stale_answer_asks_for_the_compile) {
  Runtime runtime;
  auto graph = plus(1);
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  module.real_recompile();
  set_plus(*graph, 2);
  module.recompile();
  BOOST_TEST((module.state() == ModuleState::dirty));
  BOOST_TEST(holds(blocking(module, Freshness::last_good()), 1));
  while (module.needs_recompile()) std::this_thread::yield();
  BOOST_TEST(holds(blocking(module, Freshness::last_good()), 2));
}

BOOST_AUTO_TEST_CASE(a_stale_answer_for_a_new_signature_asks_for_the_compile) {
  Runtime runtime;
  auto graph = plus(1, TensorType(DType::f32));
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  blocking(module, Freshness::await_fresh());
  set_plus(*graph, 2);
  module.recompile();
  BOOST_TEST(equal(blocking(module, Freshness::last_good(), vec({0, 0})).as_tensor(), vec({1, 1})));
  while (module.needs_recompile()) std::this_thread::yield();
  BOOST_TEST(equal(blocking(module, Freshness::last_good(), vec({0, 0})).as_tensor(), vec({2, 2})));
}

BOOST_AUTO_TEST_CASE(last_good_for_a_new_signature_waits_for_no_submodule) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  auto child = std::make_shared<LazyGraphModule>(runtime, plus(1, TensorType(DType::f32)));
  Container root;
  root.set_submodule("child", child);
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_module("child", {graph->placeholder("x", TensorType(DType::f32))}));
  LazyGraphModule parent(runtime, graph, &root);
  BOOST_TEST(holds(blocking(parent, Freshness::await_fresh()), 1));
  child->set_graph(chain({"t::held"}, support::f32(2)));
  child->recompile();
  gate->wait_for_arrivals(1);
  BOOST_TEST(equal(blocking(parent, Freshness::last_good(), vec({0, 0})).as_tensor(), vec({1, 1})));
  support::Loop loop;
  Call awaited(loop, parent, vec({0, 0, 0}), ForwardOptions().freshness(Freshness::last_good()));
  BOOST_TEST(equal(awaited.get().as_tensor(), vec({1, 1, 1})));
  BOOST_TEST(parent.needs_recompile());
}

BOOST_AUTO_TEST_CASE(interpret_until_ready_answers_for_the_newest_generation_while_it_compiles) {
  // The operator's own type rule is not asked by the interpreter, so the gate holds the compile alone.
  Held held;
  held.module->recompile();
  held.gate->wait_for_arrivals(1);
  BOOST_TEST(holds(blocking(*held.module, Freshness::interpret_until_ready()), 1));
  support::Loop loop;
  for (const RunOn where : {RunOn::automatic, RunOn::caller, RunOn::pool}) {
    Call call(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::interpret_until_ready()).run_on(where));
    BOOST_TEST(holds(call.get(), 1));
  }
  set_plus(*held.graph, 2);
  held.module->recompile();
  BOOST_TEST(holds(blocking(*held.module, Freshness::interpret_until_ready()), 2));
  BOOST_TEST(held.module->needs_recompile());
  held.gate->open();
  held.module->real_recompile();
  BOOST_TEST(holds(blocking(*held.module, Freshness::interpret_until_ready()), 2));
}

BOOST_AUTO_TEST_CASE(interpret_until_ready_answers_while_the_plan_for_its_signature_is_made) {
  Held held{TensorType(DType::f32)};
  held.module->real_recompile();  // the shape is left to the call, and so is the operator's type rule
  BOOST_TEST(!held.module->needs_recompile());
  BOOST_TEST(holds(blocking(*held.module, Freshness::interpret_until_ready()), 1));
  held.gate->wait_for_arrivals(1);  // the plan was asked for
  support::Loop loop;
  for (const RunOn where : {RunOn::automatic, RunOn::caller, RunOn::pool}) {
    Call call(loop, *held.module, zeros, ForwardOptions().freshness(Freshness::interpret_until_ready()).run_on(where));
    BOOST_TEST(holds(call.get(), 1));
  }
  BOOST_TEST(held.runtime.stats().specializations == 0u);
  held.gate->open();
  while (held.runtime.stats().specializations == 0) std::this_thread::yield();
  BOOST_TEST(holds(blocking(*held.module, Freshness::interpret_until_ready()), 1));
}

BOOST_AUTO_TEST_CASE(an_awaited_compile_gives_way_to_what_is_interpreted_at_its_next_step) {
  const auto gate = std::make_shared<support::Gate>();
  std::atomic<int> later{0};
  std::atomic<int> later_when_run{-1};
  const auto run = [&](float x) {
    int none = -1;
    later_when_run.compare_exchange_strong(none, later);
    return x;
  };
  Runtime runtime(RuntimeOptions().threads(1).operators(support::standard_and(
      support::held_in_compile("t::held", gate), support::acts_in_compile("t::later", [&] { ++later; }), support::unary("t::run", run))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, chain({"t::held", "t::later", "t::later", "t::later", "t::run"}));
  support::Loop loop;
  Call awaited(loop, module, zeros);
  gate->wait_for_arrivals(1);
  Call interpreted(loop, module, zeros, ForwardOptions().freshness(Freshness::interpret_until_ready()));
  BOOST_TEST(runtime.stats().queued == 1u);
  gate->open();
  BOOST_TEST(holds(interpreted.get(), 0));
  BOOST_TEST(later_when_run == 0);
  BOOST_TEST(holds(awaited.get(), 0));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_interpreted_fails_as_its_compile_would) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(blocking(module, Freshness::interpret_until_ready()), CompileError);
  support::Loop loop;
  Call call(loop, module, zeros, ForwardOptions().freshness(Freshness::interpret_until_ready()));
  BOOST_CHECK_THROW(call.get(), CompileError);
}

BOOST_AUTO_TEST_CASE(a_deadline_ends_a_wait_and_not_the_compile) {
  Held held;
  support::Loop loop;
  Call hurried(loop, *held.module, zeros, ForwardOptions().deadline(1ms));
  Call patient(loop, *held.module, zeros, ForwardOptions().deadline(1h));
  held.gate->wait_for_arrivals(1);
  BOOST_CHECK_EXCEPTION(hurried.get(), boost::system::system_error,
                        [](const auto& e) { return e.code() == boost::asio::error::timed_out; });
  BOOST_TEST(!patient.done());
  held.gate->open();
  BOOST_TEST(holds(patient.get(), 1));
  BOOST_TEST(held.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_deadline_stops_a_run_between_its_steps_on_the_pool_and_on_the_callers_own_thread) {
  const auto late = std::make_shared<std::atomic<bool>>(false);
  const auto deadline = std::make_shared<ForwardOptions::Clock::time_point>();
  const auto slow = [deadline](float x) {
    while (ForwardOptions::Clock::now() < *deadline) std::this_thread::yield();
    return x;
  };
  Runtime runtime(
      RuntimeOptions().operators(support::standard_and(support::unary("t::slow", slow), support::unary("t::late", [late](float x) {
                                                         *late = true;
                                                         return x;
                                                       }))));
  LazyGraphModule module(runtime, chain({"t::slow", "t::late"}));
  module.real_recompile();
  for (const auto freshness : {Freshness::await_fresh(), Freshness::interpret_until_ready()}) {
    for (const RunOn place : {RunOn::caller, RunOn::pool}) {
      if (freshness.kind() == Freshness::Kind::interpret_until_ready) module.recompile();
      support::Loop loop;
      *deadline = ForwardOptions::Clock::now() + 20ms;
      Call call(loop, module, zeros, ForwardOptions().run_on(place).deadline(*deadline).freshness(freshness));
      BOOST_CHECK_EXCEPTION(call.get(), boost::system::system_error,
                            [](const auto& e) { return e.code() == boost::asio::error::timed_out; });
      support::at_rest(runtime);  // nor later
      BOOST_TEST(!*late);
    }
    if (freshness.kind() == Freshness::Kind::interpret_until_ready) module.recompile();
    *deadline = ForwardOptions::Clock::now() + 20ms;
    times_out([&] { blocking(module, ForwardOptions().deadline(*deadline).freshness(freshness)); });
    BOOST_TEST(!*late);
  }
}

BOOST_AUTO_TEST_CASE(an_interpreted_call_looks_at_its_deadline_before_it_comes_to_run_too) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  Node x = graph->placeholder("x", support::f32(4));
  for (int i = 0; i < 1000; ++i) x = graph->call_function("onnx::Relu", {x});
  graph->output(graph->call_function("t::unknown", {x}));
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  const auto options = ForwardOptions().run_on(RunOn::caller).freshness(Freshness::interpret_until_ready());
  support::Loop loop;
  BOOST_CHECK_THROW(Call(loop, module, zeros, options).get(), CompileError);
  const auto deadline = ForwardOptions::Clock::now() + 20ms;
  Call call(loop, module, zeros, ForwardOptions(options).deadline(deadline));
  while (ForwardOptions::Clock::now() < deadline) std::this_thread::yield();  // the loop is busy, and it computes there
  times_out([&] { call.get(); });
}

BOOST_AUTO_TEST_CASE(a_blocking_call_returns_at_its_deadline_and_the_compile_goes_on) {
  for (const auto& type : {support::f32(4), TensorType(DType::f32)}) {  // it waits for the compile, and for the plan
    Held held(type);
    while (held.gate->arrivals() == 0) times_out([&] { blocking(*held.module, ForwardOptions().deadline(1ms)); });
    times_out([&] { blocking(*held.module, ForwardOptions().deadline(1ms)); });
    BOOST_TEST(held.runtime.stats().waiting == 0u);
    held.gate->open();
    BOOST_TEST(holds(blocking(*held.module, ForwardOptions().deadline(1h)), 1));
    BOOST_TEST(held.runtime.stats().compiles_started == 1u);
  }
}

BOOST_AUTO_TEST_CASE(a_blocking_call_returns_at_its_deadline_on_an_executor_from_outside_too) {
  asio::thread_pool pool(1);
  for (const auto& type : {support::f32(4), TensorType(DType::f32)}) {
    Held held(type, RuntimeOptions().executor(pool.get_executor()));
    while (held.gate->arrivals() == 0) times_out([&] { blocking(*held.module, ForwardOptions().deadline(1ms)); });
    times_out([&] { blocking(*held.module, ForwardOptions().deadline(1ms)); });
    held.gate->open();
    BOOST_TEST(holds(blocking(*held.module, ForwardOptions().deadline(1h)), 1));
  }
}

BOOST_AUTO_TEST_CASE(a_blocking_call_returns_at_its_deadline_though_every_thread_of_the_pool_has_retired) {
  Held held(TensorType(DType::f32), RuntimeOptions().idle_timeout(1ms));
  held.compile_first();
  const std::size_t before = held.gate->arrivals();
  while (held.runtime.stats().threads > 0) std::this_thread::yield();
  while (held.gate->arrivals() == before) times_out([&] { blocking(*held.module, ForwardOptions().deadline(1ms)); });
  held.gate->open();
  BOOST_TEST(holds(blocking(*held.module, ForwardOptions().deadline(1h)), 1));
}

BOOST_AUTO_TEST_CASE(a_blocking_call_with_a_deadline_needs_room_in_the_queue_since_it_does_not_help) {
  Held held(support::f32(4), RuntimeOptions().max_queued(1));
  LazyGraphModule beside(held.runtime, chain({"t::held"}));
  LazyGraphModule waits(held.runtime, plus(1));
  LazyGraphModule refused(held.runtime, plus(2));
  held.module->recompile();
  beside.recompile();
  held.gate->wait_for_arrivals(2);  // no thread is free
  support::Loop loop;
  Call call(loop, waits, zeros);
  BOOST_CHECK_EXCEPTION(blocking(refused, ForwardOptions().deadline(1h)), Error,
                        [](const Error& e) { return e.kind() == ErrorKind::overloaded; });
  BOOST_TEST(holds(blocking(refused, ForwardOptions()), 2));  // this one does
  held.gate->open();
  BOOST_TEST(holds(call.get(), 1));
}

BOOST_AUTO_TEST_CASE(a_deadline_in_the_past_fails_wherever_the_call_computes_and_starts_nothing) {
  Runtime runtime;
  LazyGraphModule clean(runtime, plus(1));
  LazyGraphModule dirty(runtime, plus(2));
  clean.real_recompile();
  const auto past = ForwardOptions::Clock::now() - 1s;
  support::Loop loop;
  for (LazyGraphModule* module : {&clean, &dirty}) {
    for (const auto freshness : {Freshness::await_fresh(), Freshness::last_good(), Freshness::interpret_until_ready()}) {
      auto options = ForwardOptions().freshness(freshness).deadline(past);
      for (const RunOn where : {RunOn::automatic, RunOn::caller, RunOn::pool}) {
        times_out([&] { Call(loop, *module, zeros, options.run_on(where)).get(); });
      }
      times_out([&] { blocking(*module, options); });
    }
    times_out([&] { module->wait_ready(Tier::baseline, WaitOptions().deadline(past), asio::use_future).get(); });
  }
  BOOST_TEST((dirty.state() == ModuleState::dirty));
  BOOST_TEST(runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_deadline_beyond_the_end_of_time_is_none) {
  Runtime runtime;
  const auto endless = ForwardOptions().deadline(ForwardOptions::Clock::duration::max());
  support::Loop loop;
  int i = 0;
  for (const RunOn where : {RunOn::automatic, RunOn::caller, RunOn::pool}) {
    LazyGraphModule module(runtime, plus(++i));
    for (int round = 0; round < 2; ++round) {
      Call call(loop, module, zeros, ForwardOptions(endless).run_on(where));
      BOOST_TEST(holds(call.get(), static_cast<float>(i)));
    }
  }
  LazyGraphModule module(runtime, plus(0, TensorType(DType::f32)));
  module.wait_ready(Tier::baseline, WaitOptions().deadline(WaitOptions::Clock::duration::max()), asio::use_future).get();
  BOOST_TEST(holds(blocking(module, endless), 0));
  BOOST_TEST(holds(blocking(module, endless), 0));
}

BOOST_AUTO_TEST_CASE(a_wait_for_a_module_ends_at_its_deadline_and_the_compile_goes_on) {
  Held held;
  held.module->prefetch();
  const auto soon = WaitOptions().deadline(1ms);
  times_out([&] { held.module->wait_ready(Tier::baseline, soon, asio::use_future).get(); });
  times_out([&] { held.module->real_recompile(soon, asio::use_future).get(); });
  support::run([](LazyGraphModule& m) -> asio::awaitable<void> {
    const auto late = WaitOptions().deadline(1ms);
    bool timed_out = false;
    try {
      co_await m.wait_ready(Tier::baseline, late);
    } catch (const boost::system::system_error& e) { timed_out = e.code() == asio::error::timed_out; }
    BOOST_TEST(timed_out);
  }(*held.module));
  held.gate->wait_for_arrivals(1);
  held.gate->open();
  held.module->real_recompile(WaitOptions().deadline(1h), asio::use_future).get();
  BOOST_TEST(!held.module->needs_recompile());
  BOOST_TEST(held.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_for_a_module_ends_at_once_and_the_compile_goes_on) {
  Held held;
  Wait ready;
  Wait compiled;
  Wait other;
  held.module->wait_ready(Tier::baseline, ready.handler());
  held.module->real_recompile(compiled.handler());
  held.module->wait_ready(Tier::baseline, other.handler());
  held.gate->wait_for_arrivals(1);
  ready.check_cancelled();
  compiled.check_cancelled();
  BOOST_TEST(held.runtime.stats().waiting == 1u);
  held.gate->open();
  other.get();
  BOOST_TEST(!held.module->needs_recompile());
  ready.signal.emit(asio::cancellation_type::terminal);  // what has completed has forgotten its slot
  other.signal.emit(asio::cancellation_type::terminal);
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_for_the_stop_ends_at_once_and_the_runtime_stops) {
  Held held;
  held.module->recompile();
  held.gate->wait_for_arrivals(1);
  Wait stop;
  Wait other;
  held.runtime.stop(stop.handler());
  held.runtime.stop(other.handler());
  stop.check_cancelled();
  BOOST_TEST(other.completions == 0);
  BOOST_CHECK_EXCEPTION(held.module->real_recompile(), Error, [](const Error& e) { return e.kind() == ErrorKind::stopped; });
  held.gate->open();
  other.get();
  BOOST_TEST(stop.completions == 1);
}

BOOST_AUTO_TEST_CASE(a_call_that_is_answered_in_time_leaves_no_timer_behind) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  asio::io_context loop;
  bool answered = false;
  module.forward(Inputs(zeros), ForwardOptions().deadline(24h),
                 asio::bind_executor(loop, [&](std::exception_ptr e, const Value& y) { answered = !e && holds(y, 1); }));
  loop.run();  // returns: nothing is left to wait for
  BOOST_TEST(answered);
}

BOOST_AUTO_TEST_CASE(wait_ready_takes_any_completion_token) {
  Runtime runtime;
  auto graph = plus(1);
  LazyGraphModule module(runtime, graph);
  module.wait_ready(Tier::baseline, asio::use_future).get();
  BOOST_TEST(!module.needs_recompile());
  set_plus(*graph, 2);
  module.recompile();
  support::run([](LazyGraphModule& m) -> asio::awaitable<void> {
    co_await m.wait_ready(Tier::baseline);
    const auto [error] = co_await m.wait_ready(Tier::baseline, asio::as_tuple(asio::use_awaitable));
    BOOST_TEST(!error);
    co_await m.wait_ready(Tier::baseline, asio::deferred);
  }(module));
  BOOST_TEST(!module.needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_tier_that_is_not_made_is_refused_in_words) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  BOOST_CHECK_EXCEPTION(module.wait_ready(Tier::optimized, asio::use_future).get(), Error,
                        [](const Error& e) { return e.kind() == ErrorKind::unsupported; });
}

BOOST_AUTO_TEST_CASE(debounced_marks_compile_once_when_they_have_been_quiet) {
  Runtime runtime;
  auto graph = plus(0);
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(30ms));
  for (int i = 1; i <= 100; ++i) {
    set_plus(*graph, i);
    module.recompile();
  }
  while (module.needs_recompile()) std::this_thread::yield();
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(holds(blocking(module, Freshness::await_fresh()), 100));
}

BOOST_AUTO_TEST_CASE(marks_that_need_never_be_quiet_are_left_to_whoever_calls) {
  Runtime runtime(RuntimeOptions().threads(1));
  const auto never = LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(std::chrono::nanoseconds::max());
  auto module = std::make_shared<LazyGraphModule>(runtime, plus(1), nullptr, never);
  Container root;
  root.set_submodule("child", module);
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_module("child", {graph->placeholder("x", support::f32(4))}));
  LazyGraphModule parent(runtime, graph, &root, never);
  parent.real_recompile();
  const auto before = runtime.stats().compiles_started;
  set_plus(module->graph(), 2);
  module->recompile();
  LazyGraphModule other(runtime, plus(3));
  other.real_recompile(asio::use_future).get();  // the pool's thread has looked at its timers
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().compiles_started == before + 1);
  BOOST_TEST(holds(blocking(parent, Freshness::await_fresh()), 2));
}

BOOST_AUTO_TEST_CASE(a_call_does_not_wait_for_debounced_marks_to_be_quiet) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1), nullptr, LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(24h));
  module.recompile();
  BOOST_TEST((module.state() == ModuleState::dirty));
  BOOST_TEST(holds(blocking(module, Freshness::await_fresh()), 1));
}

BOOST_AUTO_TEST_CASE(a_failed_compile_can_be_retried) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  LazyGraphModule module(runtime, chain({"t::breaks"}));
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
  BOOST_TEST((module.state() == ModuleState::failed));
  *broken = false;
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);  // a failure stays
  module.retry();
  while (module.needs_recompile()) std::this_thread::yield();
  BOOST_TEST(holds(blocking(module, Freshness::await_fresh()), 0));
  module.retry();
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}
