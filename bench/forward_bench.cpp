// What a lazy module adds to a call of its executable, once it is clean: blocking and awaited, on one thread and on two, which when awaiting
// run a loop each. Run it as: taskset -c 0,1 build/release/bin/bench/forward_bench
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
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

}  // namespace

BENCHMARK(executable)->Threads(1)->Threads(2);
BENCHMARK(blocking_call)->Threads(1)->Threads(2);
BENCHMARK(posted_executable)->Threads(1)->Threads(2);
BENCHMARK(awaited_call)->Threads(1)->Threads(2);
BENCHMARK_MAIN();
