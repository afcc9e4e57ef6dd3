// What an event loop feels of compiling: how late a timer of one millisecond fires that has nothing to do with it, while 10,000 modules are
// marked at once and compiled by the pool, while long calls are served, and, for comparison, while the loop compiles such modules itself.
// The scenes are played in rounds, one after the other and then again, since what a machine does by itself differs from one minute to the
// next by more than what is measured. Run it as:
//   taskset -c 0,1 build/release/bin/bench/loop_lateness [--niceness N | --only-when-idle], of the pool's threads
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
constexpr int most_rounds = 16;
constexpr auto most_time = std::chrono::seconds(100);  // no round begins after that
// Of each scene in a round, so that each lasts a second or so.
constexpr int storms = 5;
constexpr int storms_inline = 2;
constexpr int calls = 32;

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

/// How late the ticks of one scene were.
class Lateness {
 public:
  explicit Lateness(const char* what) : what_(what) {}
  void begin_round() { rounds_.emplace_back(); }
  void tick(double ms) { rounds_.back().push_back(ms); }
  void lasted(double seconds) { seconds_ += seconds; }
  void print() const {
    std::vector<double> all, p99s;
    for (const auto& round : rounds_) {
      all.insert(all.end(), round.begin(), round.end());
      p99s.push_back(at(round, 0.99));
    }
    std::printf("%-46s%7.1f%8zu%9.3f%11.3f%9.3f%8.1f\n", what_, seconds_, all.size(), at(all, 0.5), at(p99s, 0.5), at(all, 0.999),
                at(all, 1));
  }

 private:
  static double at(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
  }

  const char* const what_;
  double seconds_ = 0;
  std::vector<std::vector<double>> rounds_;
};

asio::awaitable<void> tick(Lateness& lateness, const bool& over) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!over) {
    const auto due = Clock::now() + std::chrono::milliseconds(1);
    timer.expires_at(due);
    co_await timer.async_wait(asio::use_awaitable);
    lateness.tick(std::chrono::duration<double, std::milli>(Clock::now() - due).count());
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
  lateness.lasted(std::chrono::duration<double>(Clock::now() - from).count());
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

asio::awaitable<void> idle() { co_await pause(std::chrono::seconds(1)); }

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
  for (int i = 0; i < calls; ++i) {
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

void play_storms(Lateness& lateness, int how_many, Runtime& runtime, Schedule when, asio::awaitable<void> (&act)(Modules&)) {
  static int made = 0;  // each storm is of graphs that were never compiled
  for (int i = 0; i < how_many; ++i, made += storm) {
    Modules modules = make_modules(runtime, when, made);
    play(lateness, [&] { return act(modules); });
  }
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
  LazyGraphModule module(runtime, long_run());
  module.real_recompile();
  Lateness quiet("idle"), compiling("10,000 marks, compiled on two pool threads"), serving("calls of long runs, on the pool"),
      compiling_here("10,000 marks, compiled in the loop, 64 a turn");
  int rounds = 0;
  for (const auto end = Clock::now() + most_time; rounds < most_rounds && Clock::now() < end; ++rounds) {
    for (Lateness* scene : {&quiet, &compiling, &serving, &compiling_here}) scene->begin_round();
    play(quiet, idle);
    play_storms(compiling, storms, runtime, Schedule::on_mark, marked);
    play(serving, [&] { return served(module); });
    play_storms(compiling_here, storms_inline, runtime, Schedule::on_demand, inlined);
  }
  std::printf("%2d %-43s%7s%8s%9s%11s%9s%8s\n", rounds, "rounds; how late, in milliseconds", "seconds", "ticks", "median", "round p99",
              "p99.9", "worst");
  for (const Lateness* scene : {&quiet, &compiling, &serving, &compiling_here}) scene->print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
