// What a lazy module adds to a call of its executable, once it is clean: blocking and awaited, on one thread and on two; and what waiting for
// a compile costs beside other ways of waiting. Run it as: taskset -c 0,1 build/release/bin/bench/forward_bench
#include <benchmark/benchmark.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "compile/plan.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;

// forward(x): x, so that what is measured is the way there and back.
std::shared_ptr<Graph> identity() {
  auto graph = std::make_shared<Graph>();
  graph->output(graph->placeholder("x", TensorType(DType::f32, Shape{4})));
  return graph;
}

struct Clean {
  Runtime runtime;
  LazyGraphModule module{runtime, identity()};
  std::shared_ptr<const compile::Plan> plan;
  std::vector<Value> inputs{Value(Tensor::from<float>({1, 2, 3, 4}, Shape{4}))};

  Clean() {
    module.real_recompile();
    compile::Source source;
    source.graph = identity()->freeze();
    plan = compile::make_plan(compile::bind_program(source, OperatorRegistry::standard(), {}), compile::Signature(inputs), {});
  }
};

Clean& clean() {
  static Clean one;
  return one;
}

void executable(benchmark::State& state) {
  const Clean& c = clean();
  const std::vector<Value> inputs{Value(Tensor::from<float>({1, 2, 3, 4}, Shape{4}))};
  for (auto _ : state) benchmark::DoNotOptimize(c.plan->run(inputs, {}, nullptr));
}
void blocking_call(benchmark::State& state) {
  Clean& c = clean();
  const std::vector<Value> inputs{Value(Tensor::from<float>({1, 2, 3, 4}, Shape{4}))};
  for (auto _ : state) benchmark::DoNotOptimize(c.module.call(inputs));
}

/// Runs `coroutine(state)` on a loop of this thread.
template <class Coroutine>
void in_loop(benchmark::State& state, Coroutine coroutine) {
  asio::io_context loop(1);
  asio::co_spawn(loop, coroutine(state), asio::detached);
  loop.run();
}

asio::awaitable<void> post_and_run(benchmark::State& state) {
  const Clean& c = clean();
  const Value x(Tensor::from<float>({1, 2, 3, 4}, Shape{4}));
  for (auto _ : state) {
    std::vector<Value> inputs{x};
    co_await asio::post(asio::use_awaitable);
    benchmark::DoNotOptimize(c.plan->run(inputs, {}, nullptr));
  }
}
asio::awaitable<void> awaited_forward(benchmark::State& state) {
  Clean& c = clean();
  const Tensor x = Tensor::from<float>({1, 2, 3, 4}, Shape{4});
  for (auto _ : state) {
    Inputs inputs(x);
    const Value y = co_await c.module.forward(std::move(inputs));
    benchmark::DoNotOptimize(&y);
  }
}
void posted_executable(benchmark::State& state) { in_loop(state, post_and_run); }
void awaited_call(benchmark::State& state) { in_loop(state, awaited_forward); }

// Waiting for something that another thread does: one round is a request, its work (nothing) and its answer.

asio::awaitable<void> mark_and_await(benchmark::State& state) {
  Runtime runtime(RuntimeOptions().threads(1).cache_bytes(0));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{4}));
  graph->output(graph->call_function("onnx::Add", {x, 0.0}, {}, "total"));
  LazyGraphModule module(runtime, graph);
  double c = 0;
  for (auto _ : state) {
    graph->find("total").update_arg(1, c += 1);
    module.recompile();
    co_await module.wait_ready(Tier::baseline);
  }
}
void awaited_compile(benchmark::State& state) { in_loop(state, mark_and_await); }

asio::awaitable<void> through_channel(benchmark::State& state) {
  asio::io_context other(1);
  const auto work = asio::make_work_guard(other);
  std::thread thread([&] { other.run(); });
  const auto here = co_await asio::this_coro::executor;
  for (auto _ : state) {
    co_await asio::post(other, asio::use_awaitable);
    co_await asio::post(here, asio::use_awaitable);
  }
  other.stop();
  thread.join();
}
void asio_event(benchmark::State& state) { in_loop(state, through_channel); }

void shared_future(benchmark::State& state) {
  asio::io_context other(1);
  const auto work = asio::make_work_guard(other);
  std::thread thread([&] { other.run(); });
  for (auto _ : state) {
    std::promise<int> promise;
    const std::shared_future<int> answer = promise.get_future().share();
    asio::post(other, [&promise] { promise.set_value(1); });
    benchmark::DoNotOptimize(answer.get());
  }
  other.stop();
  thread.join();
}

}  // namespace

BENCHMARK(executable)->Threads(1)->Threads(2);
BENCHMARK(blocking_call)->Threads(1)->Threads(2);
BENCHMARK(posted_executable);
BENCHMARK(awaited_call);
BENCHMARK(awaited_compile)->UseRealTime();
BENCHMARK(asio_event)->UseRealTime();
BENCHMARK(shared_future)->UseRealTime();
BENCHMARK_MAIN();
