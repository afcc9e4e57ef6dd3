// Coroutines on two threads await, all of them, a compile that is held until most have come; the others come while it ends.
//
//   cross_thread_awaits [--seconds S] [--count AWAITS] [--seed N]
//
// AWAITS (default 1,000,000) counts those that had to wait.
#include <atomic>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;

namespace {

constexpr std::uint64_t awaiters = 512;
constexpr std::size_t stations = 3;

/// What is awaited in every third round: adds the number of that round.
struct Station {
  std::unique_ptr<LazyGraphModule> module;
  std::atomic<bool> held{true};  ///< its compiles wait
  std::atomic<std::uint64_t> arrived{0};  ///< of the awaiters, in its last round

  void hold() { held.wait(true); }
  void let_go() {
    held = false;
    held.notify_all();
  }
  void wait_for(std::uint64_t n) {
    for (std::uint64_t seen = arrived; seen < n; seen = arrived) arrived.wait(seen);
  }
  /// REQUIRES: everybody has left it.
  void mark(std::uint64_t round) {
    held = true;
    arrived = 0;
    support::set_plus(module->graph(), static_cast<double>(round));
    module->recompile();
  }
};

struct Shared {
  Station (&at)[stations];
  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> answers{0};
};

asio::awaitable<void> await_round_by_round(Shared& shared) {
  const Tensor zeros = support::vec({0, 0, 0, 0});
  for (std::uint64_t round = 0; !shared.enough.load(std::memory_order_relaxed); ++round) {
    Station& station = shared.at[round % stations];
    station.arrived.fetch_add(1);
    station.arrived.notify_one();
    const Inputs inputs(zeros);
    const Value y = co_await station.module->forward(inputs);
    if (y.as_tensor().values<float>()[0] != static_cast<float>(round)) throw std::runtime_error("the answer of another round");
    shared.answers.fetch_add(1, std::memory_order_relaxed);
  }
}

/// Without the one that failed, no round would end.
[[noreturn]] void give_up(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) { std::cerr << "an await: " << e.what() << std::endl; }
  std::_Exit(1);
}

std::shared_ptr<Graph> held_plus(const char* hold) {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  graph->output(graph->call_function("onnx::Add", {graph->call_function(hold, {x}), 0.0}, {}, "total"));
  return graph;
}

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(1'000'000);
  if (!counts.read(argc, argv)) return 2;
  Station at[stations];
  const char* const holds[stations] = {"t::hold0", "t::hold1", "t::hold2"};
  OperatorRegistry operators = OperatorRegistry::standard();
  for (std::size_t i = 0; i < stations; ++i) {
    operators.add(support::acts_in_compile(holds[i], [&station = at[i]] { station.hold(); }));
  }
  Shared shared{at};
  asio::io_context loops[2];
  Runtime runtime(RuntimeOptions().threads(2).operators(operators));  // one round's compile is held while another's ends
  for (std::size_t i = 0; i < stations; ++i) at[i].module = std::make_unique<LazyGraphModule>(runtime, held_plus(holds[i]));
  for (std::size_t c = 0; c < awaiters; ++c) {
    asio::co_spawn(loops[c % std::size(loops)], await_round_by_round(shared), [](std::exception_ptr error) {
      if (error) give_up(error);
    });
  }
  at[0].mark(0);
  std::vector<std::thread> threads;
  for (auto& loop : loops) threads.emplace_back([&loop] { loop.run(); });
  std::mt19937_64 random(counts.seed);
  std::uint64_t round = 0;
  for (bool enough = false; !enough; ++round) {
    // Everybody has come to the round before, so nobody is where the round after this one will be.
    Station& now = at[round % stations];
    at[(round + 1) % stations].mark(round + 1);
    now.wait_for(awaiters - random() % (awaiters / 2));
    enough = counts.enough(runtime.stats().waits);
    if (enough) shared.enough = true;
    now.let_go();
    if (!enough) now.wait_for(awaiters);
  }
  at[round % stations].let_go();
  for (std::thread& thread : threads) thread.join();
  const RuntimeStats stats = runtime.stats();
  std::cout << stats.waits << " awaits that waited, of " << shared.answers << ", in " << round << " rounds and " << counts.elapsed()
            << " s\n";
  if (stats.waiting == 0) return 0;
  std::cerr << stats.waiting << " still wait\n";
  return 1;
}
