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
#include <boost/asio/deferred.hpp>
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

Value blocking(GraphModule& module, Freshness freshness) {
  const std::vector<Value> inputs{Value(zeros)};
  return module.call(inputs, ForwardOptions().freshness(freshness));
}

// forward(x): t::held(x) + c, whose compile a gate holds once `closed`.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime{RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate)))};
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::unique_ptr<LazyGraphModule> module;
  support::OpenAtEnd open{*gate};

  Held() {
    const Node x = graph->placeholder("x", support::f32(4));
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
  }
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
