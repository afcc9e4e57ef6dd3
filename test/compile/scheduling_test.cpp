// Who goes first, what gives way, what is bounded. Each test is one sentence of the promise.
#define BOOST_TEST_MODULE compile_scheduling
#include <boost/test/unit_test.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

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
using support::vec;

namespace {

namespace asio = boost::asio;

const Tensor zeros = vec({0, 0, 0, 0});

Tensor call(GraphModule& module, const Tensor& x = zeros) { return module(Inputs(x)).as_tensor(); }

bool holds(const Tensor& tensor, float value) { return equal(tensor, vec({value, value, value, value})); }

/// The order in which compiles began.
class Order {
 public:
  void add(const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.push_back(name);
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> names_;
};

/// One thread, which a gate keeps busy from the start; t::a, t::b, t::c tell when they are compiled. Two more gates hold others.
struct OneThread {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  std::shared_ptr<support::Gate> second = std::make_shared<support::Gate>(), third = std::make_shared<support::Gate>();
  std::shared_ptr<Order> order = std::make_shared<Order>();
  Runtime runtime;
  LazyGraphModule blocker;
  support::OpenAtEnd open{*gate}, open_second{*second}, open_third{*third};

  explicit OneThread(RuntimeOptions options = {})
      : runtime(options.threads(1).operators(operators())), blocker(runtime, chain({"t::held"})) {
    blocker.recompile();
    gate->wait_for_arrivals(1);
  }
  OperatorRegistry operators() const {
    std::vector<Operator> all{support::held_in_compile("t::held", gate), support::held_in_compile("t::held_second", second),
                              support::held_in_compile("t::held_third", third)};
    for (const char* name : {"t::a", "t::b", "t::c"}) {
      all.push_back(support::acts_in_compile(name, [order = order, name] { order->add(name); }));
    }
    OperatorRegistry registry = OperatorRegistry::standard();
    for (auto& op : all) registry.add(std::move(op));
    return registry;
  }
  /// A background compile that has come to its first step, t::held.
  void begin(LazyGraphModule& slow) {
    gate->open();
    while (runtime.stats().compiles_finished < 1) std::this_thread::yield();
    gate->close();
    slow.recompile();
    gate->wait_for_arrivals(2);
  }
  /// As begin(), and then it has given way to `urgent`, which t::held_second holds and `call` awaits.
  void begin_and_give_way(LazyGraphModule& slow, LazyGraphModule& urgent, support::Loop& loop, std::unique_ptr<Call>& call) {
    begin(slow);
    call = std::make_unique<Call>(loop, urgent, zeros);
    gate->open();
    second->wait_for_arrivals(1);
  }
  void finish(std::size_t compiles) {
    gate->open();
    while (runtime.stats().compiles_finished + runtime.stats().compiles_dropped < compiles) std::this_thread::yield();
  }
};

const std::vector<std::string>& sorted(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(awaited_work_overtakes_background_work_wherever_it_stands_in_the_queue) {
  OneThread one;
  LazyGraphModule a(one.runtime, chain({"t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  LazyGraphModule c(one.runtime, chain({"t::c"}));
  a.recompile();
  b.prefetch();
  c.recompile();
  support::Loop loop;
  Call call_c(loop, c, zeros);
  one.finish(4);
  BOOST_TEST(holds(call_c.get().as_tensor(), 0));
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::c", "t::b", "t::a"}), boost::test_tools::per_element());
}

void check_that_background_work_gives_way(OneThread& one) {
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  LazyGraphModule slow(one.runtime, chain({"t::held", "t::a"}));
  one.begin(slow);
  support::Loop loop;
  Call call_b(loop, b, zeros);
  one.finish(3);
  BOOST_TEST(holds(call_b.get().as_tensor(), 0));
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::b", "t::a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_running_background_compile_gives_way_to_what_is_awaited_after_its_step) {
  OneThread one(RuntimeOptions().ageing(0s));
  check_that_background_work_gives_way(one);
}

BOOST_AUTO_TEST_CASE(a_background_compile_on_an_executor_from_outside_gives_way_too) {
  asio::thread_pool pool(1);
  OneThread one(RuntimeOptions().executor(pool.get_executor()).ageing(0s));
  check_that_background_work_gives_way(one);
}

BOOST_AUTO_TEST_CASE(an_awaited_compile_gives_way_to_nothing_that_is_only_awaited) {
  OneThread one;
  LazyGraphModule slow(one.runtime, chain({"t::held", "t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  support::Loop loop;
  one.begin(slow);
  Call call_b(loop, b, zeros);
  Call call_slow(loop, slow, zeros);  // promotes what runs
  one.finish(3);
  call_b.get();
  call_slow.get();
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::a", "t::b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_compile_that_gave_way_goes_on_before_what_came_after_somebody_began_to_await_it) {
  OneThread one(RuntimeOptions().ageing(0s));
  LazyGraphModule slow(one.runtime, chain({"t::held", "t::a"}));
  LazyGraphModule urgent(one.runtime, chain({"t::held_second"}));
  LazyGraphModule later(one.runtime, chain({"t::b"}));
  support::Loop loop;
  std::unique_ptr<Call> call_urgent;
  one.begin_and_give_way(slow, urgent, loop, call_urgent);
  Call call_slow(loop, slow, zeros);
  Call call_later(loop, later, zeros);
  one.second->open();
  call_urgent->get();
  call_slow.get();
  call_later.get();
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::a", "t::b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_compile_that_gave_way_and_that_nobody_wants_any_more_stops_before_anything_else_is_done) {
  OneThread one(RuntimeOptions().ageing(0s));
  LazyGraphModule slow(one.runtime, chain({"t::held", "t::a"}));
  LazyGraphModule urgent(one.runtime, chain({"t::held_second"}));
  LazyGraphModule later(one.runtime, chain({"t::held_third"}));
  support::Loop loop;
  std::unique_ptr<Call> call_urgent;
  one.begin_and_give_way(slow, urgent, loop, call_urgent);
  slow.set_graph(chain({"t::b"}));
  slow.recompile();
  Call call_later(loop, later, zeros);
  one.second->open();
  one.third->wait_for_arrivals(1);
  BOOST_TEST(one.runtime.stats().compiles_cancelled == 1u);
  one.third->open();
  call_urgent->get();
  call_later.get();
}

BOOST_AUTO_TEST_CASE(a_compile_becomes_more_urgent_by_the_time_that_it_gives_to_others) {
  for (const bool ages : {true, false}) {
    OneThread one(RuntimeOptions().ageing(ages ? 20ms : 0ms));
    LazyGraphModule slow(one.runtime, chain({"t::held", "t::held_third", "t::a"}));
    LazyGraphModule first(one.runtime, chain({"t::held_second"})), b(one.runtime, chain({"t::b"}));
    one.begin(slow);
    const std::vector<Value> inputs{zeros};
    std::thread blocks([&] { first.call(inputs, ForwardOptions().deadline(1h)); });  // above what age lifts to
    while (one.runtime.stats().queued < 1) std::this_thread::yield();
    one.gate->open();
    one.second->wait_for_arrivals(1);  // slow has given way, and goes on giving for so long that it counts as awaited then
    for (const auto until = std::chrono::steady_clock::now() + 60ms; std::chrono::steady_clock::now() < until;) std::this_thread::yield();
    one.second->open();
    one.third->wait_for_arrivals(1);
    support::Loop loop;
    Call call_b(loop, b, zeros);
    one.third->open();
    one.finish(4);
    blocks.join();
    call_b.get();
    const auto expected = ages ? std::vector<std::string>{"t::a", "t::b"} : std::vector<std::string>{"t::b", "t::a"};
    BOOST_TEST(one.order->names() == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(compiles_that_give_way_within_each_other_are_never_more_than_three) {
  constexpr std::size_t levels = 5;
  Order order;
  std::vector<std::shared_ptr<support::Gate>> gates;
  OperatorRegistry operators = OperatorRegistry::standard();
  for (std::size_t i = 0; i < levels; ++i) {
    gates.push_back(std::make_shared<support::Gate>());
    operators.add(support::held_in_compile("t::held" + std::to_string(i), gates[i]));
    operators.add(support::acts_in_compile("t::end" + std::to_string(i), [&order, i] { order.add("t::end" + std::to_string(i)); }));
  }
  Runtime runtime(RuntimeOptions().threads(1).ageing(0s).operators(operators));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  support::Loop loop;
  for (std::size_t i = 0; i < levels; ++i) {
    const std::string held = "t::held" + std::to_string(i), end = "t::end" + std::to_string(i);
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, chain({held.c_str(), end.c_str()})));
    if (i == 0) {
      modules[i]->recompile();
      gates[i]->wait_for_arrivals(1);
      continue;
    }
    Call call(loop, *modules[i], zeros);
    gates[i - 1]->open();  // that one gives way
    gates[i]->wait_for_arrivals(1);
    call.cancel();  // so that it, too, is in the background
    BOOST_CHECK_THROW(call.get(), std::exception);
  }
  const auto names = order.names();
  gates.back()->open();
  BOOST_TEST(names == (std::vector<std::string>{"t::end3"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_waits_for_room_is_not_forgotten_when_a_caller_that_gave_way_to_others_has_taken_it) {
  asio::thread_pool pool(1);
  const auto held = std::make_shared<support::Gate>(), kept = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions()
                      .threads(1)
                      .executor(pool.get_executor())
                      .compile_bytes(8000)
                      .ageing(0s)
                      .operators(support::standard_and(support::held_in_compile("t::held", held), support::held_in_compile("t::kept", kept),
                                                       support::acts_in_compile("t::breaks", [] { throw std::runtime_error("broken"); }))));
  const support::OpenAtEnd open(*held), open_too(*kept);
  const auto child =
      std::make_shared<LazyGraphModule>(runtime, chain({"t::breaks"}), nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  Container root;
  root.set_submodule("c", child);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  const Node y = graph->call_function("onnx::Abs", {graph->call_function("t::held", {x})});
  graph->output(graph->call_function("onnx::Add", {graph->call_module("c", {x}), y}));
  LazyGraphModule parent(runtime, graph, &root), urgent(runtime, chain({"t::kept"})), waits(runtime, plus(3));
  support::Gate busy;
  const auto occupy = [&](std::size_t times) {
    asio::post(pool, [&] { busy.pass(); });
    busy.wait_for_arrivals(times);
  };
  occupy(1);
  bool has_failed = false;
  std::thread caller([&] {
    try {
      call(parent);
    } catch (const CompileError&) { has_failed = true; }
  });
  held->wait_for_arrivals(1);  // the caller compiles the parent
  busy.open();  // the child is compiled, and fails, and with it the call
  while (runtime.stats().waiting > 0) std::this_thread::yield();
  support::at_rest(runtime);
  busy.close();
  occupy(2);
  support::Loop loop;
  Call call_urgent(loop, urgent, zeros);
  held->open();
  kept->wait_for_arrivals(1);  // on the caller's thread
  waits.recompile();
  busy.open();
  asio::post(pool, asio::use_future).get();  // the pool has found no room for it
  BOOST_TEST(runtime.stats().queued == 1u);
  kept->open();
  call_urgent.get();
  caller.join();
  BOOST_TEST(has_failed);
  Call call_waits(loop, waits, zeros);
  BOOST_TEST(holds(call_waits.get().as_tensor(), 3));  // else it ends with the test's time limit
}

BOOST_AUTO_TEST_CASE(what_waits_long_becomes_more_urgent) {
  OneThread one(RuntimeOptions().ageing(1ns));
  LazyGraphModule a(one.runtime, chain({"t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  a.recompile();
  support::Loop loop;
  Call call_b(loop, b, zeros);  // awaited, and younger than what has become so
  one.finish(3);
  call_b.get();
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::a", "t::b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_full_queue_leaves_background_work_to_whoever_calls) {
  OneThread one(RuntimeOptions().max_queued(1));
  LazyGraphModule a(one.runtime, chain({"t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  a.recompile();
  b.recompile();
  BOOST_TEST((a.state() == ModuleState::queued));
  BOOST_TEST((b.state() == ModuleState::dirty));
  one.finish(2);
  BOOST_TEST(holds(call(b), 0));
  auto names = one.order->names();
  BOOST_TEST(sorted(names) == (std::vector<std::string>{"t::a", "t::b"}));
}

BOOST_AUTO_TEST_CASE(in_a_full_queue_what_is_awaited_takes_the_place_of_what_is_not) {
  OneThread one(RuntimeOptions().max_queued(1));
  LazyGraphModule a(one.runtime, chain({"t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  a.recompile();
  support::Loop loop;
  Call call_b(loop, b, zeros);
  one.finish(3);
  BOOST_TEST(holds(call_b.get().as_tensor(), 0));
  BOOST_TEST(one.runtime.stats().compiles_dropped == 1u);
  BOOST_TEST(one.order->names() == (std::vector<std::string>{"t::b"}), boost::test_tools::per_element());
  BOOST_TEST((a.state() == ModuleState::dirty));
  BOOST_TEST(holds(call(a), 0));
}

BOOST_AUTO_TEST_CASE(a_queue_full_of_awaited_work_refuses_more_as_overloaded) {
  OneThread one(RuntimeOptions().max_queued(1));
  LazyGraphModule a(one.runtime, chain({"t::a"}));
  LazyGraphModule b(one.runtime, chain({"t::b"}));
  support::Loop loop;
  Call call_a(loop, a, zeros);
  Call call_b(loop, b, zeros);
  BOOST_CHECK_EXCEPTION(call_b.get(), Error, [](const Error& e) { return e.kind() == ErrorKind::overloaded; });
  one.gate->open();
  BOOST_TEST(holds(call_a.get().as_tensor(), 0));
  Call again(loop, b, zeros);
  BOOST_TEST(holds(again.get().as_tensor(), 0));
}

BOOST_AUTO_TEST_CASE(runs_on_the_pool_are_bounded_apart_from_compiles) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).max_runs(1).operators(support::standard_and(support::held_in_run("t::held_run", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule slow(runtime, chain({"t::held_run"}));
  LazyGraphModule other(runtime, plus(1));
  slow.real_recompile();
  support::Loop loop;
  const ForwardOptions on_pool = ForwardOptions().run_on(RunOn::pool);
  Call first(loop, slow, zeros, on_pool);
  gate->wait_for_arrivals(1);
  Call second(loop, slow, zeros, on_pool);
  other.recompile();
  while (other.needs_recompile()) std::this_thread::yield();  // the second thread compiles: the second run does not hold it
  BOOST_TEST(gate->arrivals() == 1u);
  BOOST_TEST(runtime.stats().queued == 1u);
  gate->open();
  first.get();
  second.get();
}

BOOST_AUTO_TEST_CASE(threads_of_the_pool_stand_back_as_far_as_they_are_told) {
  for (const int niceness : {5, 19}) {
    std::atomic<int> own{-1};
    RuntimeOptions options;
    if (niceness != options.niceness()) options.niceness(niceness);
    options.threads(1).operators(
        support::standard_and(support::acts_in_compile("t::look", [&] { own = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); })));
    Runtime runtime(options);
    LazyGraphModule module(runtime, chain({"t::look"}));
    module.recompile();
    while (module.needs_recompile()) std::this_thread::yield();
    BOOST_TEST(own.load() == niceness);
  }
  for (const int niceness : {-1, 20})
    BOOST_CHECK_EXCEPTION(Runtime(RuntimeOptions().niceness(niceness)), Error,
                          [](const Error& e) { return e.kind() == ErrorKind::invalid_argument; });
}

BOOST_AUTO_TEST_CASE(threads_of_the_pool_run_only_when_a_processor_is_idle_if_told_so) {
  for (const bool only_when_idle : {false, true}) {
    std::atomic<int> own{-1};
    RuntimeOptions options;
    if (only_when_idle) options.only_when_idle();
    options.threads(1).operators(support::standard_and(support::acts_in_compile("t::look", [&] { own = sched_getscheduler(0); })));
    Runtime runtime(options);
    LazyGraphModule module(runtime, chain({"t::look"}));
    module.recompile();
    while (module.needs_recompile()) std::this_thread::yield();
    BOOST_TEST(own.load() == (only_when_idle ? SCHED_IDLE : SCHED_OTHER));
  }
}

BOOST_AUTO_TEST_CASE(idle_threads_retire_and_come_back) {
  Runtime runtime(RuntimeOptions().threads(2).idle_timeout(1ms));
  LazyGraphModule a(runtime, plus(1));
  a.recompile();
  while (a.needs_recompile() || runtime.stats().threads > 0) std::this_thread::yield();
  LazyGraphModule b(runtime, plus(2));
  b.recompile();
  while (b.needs_recompile()) std::this_thread::yield();
  BOOST_TEST(holds(call(b), 2));
}

BOOST_AUTO_TEST_CASE(an_executor_given_from_outside_does_the_work) {
  asio::thread_pool pool(2);
  std::atomic<std::size_t> on_pool{0}, elsewhere{0};
  {
    Runtime runtime(
        RuntimeOptions().executor(pool.get_executor()).operators(support::standard_and(support::acts_in_compile("t::where", [&] {
          ++(pool.get_executor().running_in_this_thread() ? on_pool : elsewhere);
        }))));
    std::vector<std::unique_ptr<LazyGraphModule>> modules;
    support::Loop loop;
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < 8; ++i) {
      auto graph = std::make_shared<Graph>();
      const Node x = graph->placeholder("x", support::f32(4));
      graph->output(graph->call_function("onnx::Add", {graph->call_function("t::where", {x}), static_cast<double>(i)}));
      modules.push_back(std::make_unique<LazyGraphModule>(runtime, graph));
      modules.back()->recompile();
    }
    for (auto& module : modules) calls.push_back(std::make_unique<Call>(loop, *module, zeros));
    for (int i = 0; i < 8; ++i) BOOST_TEST(holds(calls[static_cast<std::size_t>(i)]->get().as_tensor(), static_cast<float>(i)));
    BOOST_TEST(runtime.stats().threads == 0u);
  }
  BOOST_TEST(on_pool.load() == 8u);
  BOOST_TEST(elsewhere.load() == 0u);
}

BOOST_AUTO_TEST_CASE(one_thread_is_enough_for_everything_at_once) {
  Runtime runtime(RuntimeOptions().threads(1));
  support::Loop loop;
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 64; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, plus(i)));
    if (i % 2 == 0) modules.back()->recompile();
    calls.push_back(
        std::make_unique<Call>(loop, *modules.back(), zeros, ForwardOptions().run_on(i % 3 == 0 ? RunOn::pool : RunOn::automatic)));
  }
  for (int i = 0; i < 64; ++i) BOOST_TEST(holds(calls[static_cast<std::size_t>(i)]->get().as_tensor(), static_cast<float>(i)));
}

BOOST_AUTO_TEST_CASE(stop_can_be_awaited) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, chain({"t::held"}));
  module.recompile();
  gate->wait_for_arrivals(1);
  asio::io_context loop;
  bool stopped = false;
  runtime.stop(asio::bind_executor(loop, [&](std::exception_ptr error) { stopped = !error; }));
  loop.poll();
  BOOST_TEST(!stopped);  // a step is under way
  gate->open();
  loop.restart();
  loop.run();
  BOOST_TEST(stopped);
  BOOST_CHECK_THROW(call(module), Error);
  runtime.stop(asio::use_future).get();
}

BOOST_AUTO_TEST_CASE(every_thread_that_stops_a_runtime_returns_after_the_last_job) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(1).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  LazyGraphModule module(runtime, chain({"t::held"}));
  module.recompile();
  gate->wait_for_arrivals(1);
  std::atomic<bool> opened{false};
  std::atomic<int> early{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      runtime.stop();
      if (!opened) ++early;
    });
  }
  while (true) {
    try {
      LazyGraphModule late(runtime, plus(1));
      call(late);
    } catch (const Error&) {
      break;  // stopping
    }
  }
  opened = true;
  gate->open();
  for (auto& thread : threads) thread.join();
  BOOST_TEST(early.load() == 0);
}
