// The memory that runs compute in: bounded on the pool, kept by threads for their next run, and let go of on request.
#define BOOST_TEST_MODULE compile_scratch_memory
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <thread>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::Call;

namespace {

const Tensor zeros = support::vec({0, 0, 0, 0});

/// A graph whose first results lie in scratch memory while an operator waits at a gate.
std::shared_ptr<Graph> held() { return support::chain({"onnx::Softmax", "onnx::Softmax", "t::held_run"}); }

RuntimeOptions options(const std::shared_ptr<support::Gate>& gate) {
  return RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_run("t::held_run", gate)));
}

const ForwardOptions on_pool = ForwardOptions().run_on(RunOn::pool);

}  // namespace

namespace {

/// Runs of `graph`, which waits at the gate with results in scratch memory, follow one another where there is next to none of that. `called`: it
/// is another module's that calls it.
void follow_one_another(const std::shared_ptr<Graph>& graph, bool called = false) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(options(gate).run_bytes(1));
  const support::OpenAtEnd open(*gate);
  const auto child = std::make_shared<LazyGraphModule>(runtime, graph);
  Container root;
  root.set_submodule("child", child);
  auto calls = std::make_shared<Graph>();
  calls->output(calls->call_module("child", {calls->placeholder("x", support::f32(4))}));
  LazyGraphModule parent(runtime, calls, &root), other(runtime, support::plus(1));
  LazyGraphModule& module = called ? parent : *child;
  module.real_recompile();
  support::Loop loop;
  Call first(loop, module, zeros, on_pool);
  gate->wait_for_arrivals(1);
  Call second(loop, module, zeros, on_pool);
  other.recompile();
  while (other.needs_recompile() && gate->arrivals() < 2) std::this_thread::yield();  // the other thread is free, and compiles
  BOOST_TEST(gate->arrivals() == 1u);
  BOOST_TEST(runtime.stats().queued == 1u);
  gate->open();
  first.get();
  second.get();
}

}  // namespace

BOOST_AUTO_TEST_CASE(runs_that_need_more_scratch_memory_than_there_may_be_follow_one_another) { follow_one_another(held()); }

BOOST_AUTO_TEST_CASE(a_run_of_a_module_that_calls_another_needs_the_scratch_memory_of_that) { follow_one_another(held(), true); }

BOOST_AUTO_TEST_CASE(a_run_that_is_divided_around_a_step_for_the_host_needs_the_scratch_memory_of_its_parts) {
  follow_one_another(support::chain({"onnx::Softmax", "onnx::Softmax", "t::held_run", "onnx::NonZero"}));
}

BOOST_AUTO_TEST_CASE(runs_that_fit_together_run_together) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(options(gate).run_bytes(1 << 20));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, held());
  module.real_recompile();
  support::Loop loop;
  Call first(loop, module, zeros, on_pool), second(loop, module, zeros, on_pool);
  gate->wait_for_arrivals(2);
  gate->open();
  first.get();
  second.get();
}

BOOST_AUTO_TEST_CASE(a_run_that_fits_starts_when_the_one_before_it_that_does_not_is_cancelled) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(options(gate).threads(3).run_bytes(1));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule large(runtime, held()), small(runtime, support::chain({"t::held_run"}));  // the small one needs no scratch memory
  large.real_recompile();
  small.real_recompile();
  support::Loop loop;
  Call first(loop, large, zeros, on_pool);
  gate->wait_for_arrivals(1);
  Call second(loop, large, zeros, on_pool);
  Call third(loop, small, zeros, on_pool);
  while (runtime.stats().queued < 2) std::this_thread::yield();
  second.cancel();
  BOOST_CHECK_THROW(second.get(), boost::system::system_error);
  gate->wait_for_arrivals(2);
  gate->open();
  first.get();
  third.get();
}

BOOST_AUTO_TEST_CASE(on_an_executor_runs_that_waited_for_room_start_together_too) {
  const auto gate = std::make_shared<support::Gate>();
  boost::asio::thread_pool pool(4);
  Runtime runtime(options(gate).threads(4).run_bytes(1).executor(pool.get_executor()));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule large(runtime, held()), small(runtime, support::chain({"t::held_run"}));
  large.real_recompile();
  small.real_recompile();
  support::Loop loop;
  Call first(loop, large, zeros, on_pool);
  gate->wait_for_arrivals(1);
  Call second(loop, large, zeros, on_pool);
  Call third(loop, small, zeros, on_pool), fourth(loop, small, zeros, on_pool), fifth(loop, small, zeros, on_pool);
  while (runtime.stats().queued < 4) std::this_thread::yield();
  second.cancel();
  BOOST_CHECK_THROW(second.get(), boost::system::system_error);
  gate->wait_for_arrivals(4);
  gate->open();
  first.get();
  third.get();
  fourth.get();
  fifth.get();
  runtime.stop();
}

BOOST_AUTO_TEST_CASE(trim_frees_what_idle_threads_keep) {
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, support::chain({"onnx::Softmax", "onnx::Softmax", "onnx::Softmax"}));
  const Value expected = module(Inputs(zeros));
  std::atomic<int> step{0};
  bool same = false;
  std::thread other([&] {
    static_cast<void>(module(Inputs(zeros)));
    step = 1;
    step.notify_all();
    step.wait(1);  // lives on, with what it keeps
    same = support::close(module(Inputs(zeros)), expected);
  });
  step.wait(0);
  BOOST_TEST(runtime.stats().arena_bytes > 0u);
  runtime.trim();
  BOOST_TEST(runtime.stats().arena_bytes == 0u);
  step = 2;
  step.notify_all();
  other.join();
  BOOST_TEST(same);
  BOOST_TEST(support::close(module(Inputs(zeros)), expected));
}

BOOST_AUTO_TEST_CASE(trim_leaves_what_a_run_uses) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(options(gate));
  const support::OpenAtEnd open(*gate);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  const Node before = graph->call_function("onnx::Softmax", {graph->call_function("onnx::Softmax", {x})});
  const Node waited = graph->call_function("t::held_run", {x});
  graph->output(graph->call_function("onnx::Softmax", {graph->call_function("onnx::Add", {waited, before})}));
  LazyGraphModule module(runtime, graph);
  module.real_recompile();
  support::Loop loop;
  Call call(loop, module, zeros, on_pool);
  gate->wait_for_arrivals(1);
  runtime.trim();
  BOOST_TEST(runtime.stats().arena_bytes > 0u);
  gate->open();
  BOOST_TEST(support::close(call.get(), Value(support::vec({0.25F, 0.25F, 0.25F, 0.25F}))));
}

BOOST_AUTO_TEST_CASE(trimming_while_threads_run_harms_no_answer) {
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, support::chain({"onnx::Softmax", "onnx::Softmax", "onnx::Softmax", "onnx::Softmax"}));
  const Tensor x = support::vec({0, 1, 2, 3});
  const Value expected = Interpreter(module).run(Inputs(x).values());
  std::atomic<int> running{3}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 3000; ++i) wrong += !support::close(module(Inputs(x)), expected);
      --running;
    });
  }
  while (running > 0) runtime.trim();
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
}
