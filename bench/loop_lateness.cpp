// What an event loop feels of compiling: how late a timer of one millisecond fires that has nothing to do with it, while 10,000 modules are
// marked at once and compiled by the pool, while long calls are served, and, for comparison, while the loop compiles the same modules
// itself. Run it as: taskset -c 0,1 build/release/bin/bench/loop_lateness [--niceness N | --only-when-idle], of the pool's threads
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr int storm = 10'000;
constexpr int storms = 25;  // one gives a hundred ticks, whose p99.9 is their worst

std::shared_ptr<Graph> ten_nodes(int which) {
  auto graph = std::make_shared<Graph>();
  Node node = graph->placeholder("x", TensorType(DType::f32, Shape{64}));
  for (int i = 0; i < 8; ++i)
    node = graph->call_function(i % 2 == 0 ? "onnx::Tanh" : "onnx::Add", i % 2 == 0 ? Arguments{node} : Arguments{node, which + i * 0.5});
  graph->output(node);
  return graph;
}

// One run of it takes tens of milliseconds.
std::shared_ptr<Graph> long_run() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{1024, 1024}));
  graph->output(graph->call_function("onnx::MatMul", {graph->call_function("onnx::MatMul", {x, x}), x}));
  return graph;
}

struct Lateness {
  std::vector<double> ms;
  double seconds = 0;
  void print(const char* what) {
    std::sort(ms.begin(), ms.end());
    const auto at = [&](double q) { return ms[std::min(ms.size() - 1, static_cast<std::size_t>(q * static_cast<double>(ms.size())))]; };
    std::printf("%-48s %6.2f s  %6zu ticks  late: median %.3f ms, p99 %.3f, p99.9 %.3f, worst %.3f\n", what, seconds, ms.size(), at(0.5),
                at(0.99), at(0.999), ms.back());
  }
};

asio::awaitable<void> tick(Lateness& lateness, const bool& over) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!over) {
    const auto due = Clock::now() + std::chrono::milliseconds(1);
    timer.expires_at(due);
    co_await timer.async_wait(asio::use_awaitable);
    lateness.ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - due).count());
  }
}

asio::awaitable<void> scene(std::function<asio::awaitable<void>()> act, bool& over) {
  co_await act();
  over = true;
}

void play(Lateness& lateness, const std::function<asio::awaitable<void>()>& act) {
  asio::io_context loop(1);
  bool over = false;
  const auto from = Clock::now();
  asio::co_spawn(loop, tick(lateness, over), asio::detached);
  asio::co_spawn(loop, scene(act, over), asio::detached);
  loop.run();
  lateness.seconds += std::chrono::duration<double>(Clock::now() - from).count();
}

asio::awaitable<void> pause(std::chrono::milliseconds t) {
  asio::steady_timer timer(co_await asio::this_coro::executor, t);
  co_await timer.async_wait(asio::use_awaitable);
}

using Modules = std::vector<std::unique_ptr<LazyGraphModule>>;
Modules make_modules(Runtime& runtime, Schedule when, int from) {
  Modules modules;
  for (int i = 0; i < storm; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, ten_nodes(from + i), nullptr, LazyGraphModuleOptions().schedule(when)));
  }
  return modules;
}

asio::awaitable<void> idle() { co_await pause(std::chrono::seconds(6)); }

asio::awaitable<void> marked(Modules& modules) {
  // The editor is the loop itself: it marks them in slices of its turn.
  for (std::size_t i = 0; i < modules.size(); ++i) {
    modules[i]->recompile();
    if (i % 64 == 63) co_await asio::post(asio::use_awaitable);
  }
  for (auto& module : modules) co_await module->wait_ready(Tier::baseline);
}

asio::awaitable<void> served(LazyGraphModule& module) {
  const Tensor x = Tensor::zeros(DType::f32, Shape{1024, 1024});
  for (int i = 0; i < 200; ++i) {
    Inputs inputs(x);
    co_await module.forward(std::move(inputs));
  }
}

asio::awaitable<void> inlined(Modules& modules) {
  for (std::size_t i = 0; i < modules.size(); ++i) {
    modules[i]->recompile();
    if (i % 64 == 63) co_await asio::post(asio::use_awaitable);
  }
  for (std::size_t i = 0; i < modules.size(); ++i) {
    modules[i]->real_recompile();
    if (i % 64 == 63) co_await asio::post(asio::use_awaitable);
  }
}

void play_storms(const char* what, Runtime& runtime, Schedule when, asio::awaitable<void> (&act)(Modules&)) {
  static int made = 0;  // each storm is of graphs that were never compiled
  Lateness lateness;
  for (int i = 0; i < storms; ++i, made += storm) {
    Modules modules = make_modules(runtime, when, made);
    play(lateness, [&] { return act(modules); });
  }
  lateness.print(what);
}

int run(int argc, char** argv) {
  RuntimeOptions options;
  if (argc == 3 && std::strcmp(argv[1], "--niceness") == 0)
    options.niceness(std::atoi(argv[2]));
  else if (argc == 2 && std::strcmp(argv[1], "--only-when-idle") == 0)
    options.only_when_idle();
  else if (argc != 1)
    return 2;
  Runtime runtime(options.threads(2));
  Lateness none, serving;
  play(none, idle);
  none.print("idle");
  play_storms("10,000 marks, compiled on two pool threads", runtime, Schedule::on_mark, marked);
  {
    LazyGraphModule module(runtime, long_run());
    module.real_recompile();
    play(serving, [&] { return served(module); });
    serving.print("200 calls of long runs, on the pool");
  }
  play_storms("10,000 marks, compiled in the loop, 64 a turn", runtime, Schedule::on_demand, inlined);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
