// Coroutines on two threads await modules that a third marks whenever they are clean, and that the pool compiles.
//
//   cross_thread_awaits [--seconds S] [--count AWAITS] [--seed N]
//
// AWAITS (default 1,000,000) counts those that had to wait.
#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;

namespace {

constexpr std::size_t coroutines = 64;

struct Shared {
  std::vector<std::unique_ptr<LazyGraphModule>>& modules;
  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> looks{0};  ///< at one module or the next
  std::atomic<std::uint64_t> answers{0};
  std::atomic<std::uint64_t> wrong{0};
};

// Module m adds m. One that is clean would be answered without a wait, so those that are not are looked for.
asio::awaitable<void> await_them(Shared& shared, std::size_t first) {
  const Tensor zeros = support::vec({0, 0, 0, 0});
  for (std::size_t i = first; !shared.enough.load(std::memory_order_relaxed); ++i) {
    shared.looks.fetch_add(1, std::memory_order_relaxed);
    const std::size_t m = i % shared.modules.size();
    if (!shared.modules[m]->needs_recompile()) {
      if (m == 0) co_await asio::post(asio::use_awaitable);
      continue;
    }
    const Inputs inputs(zeros);
    const Value y = co_await shared.modules[m]->forward(inputs);
    if (y.as_tensor().values<float>()[0] != static_cast<float>(m)) shared.wrong.fetch_add(1);
    shared.answers.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(1'000'000);
  if (!counts.read(argc, argv)) return 2;
  Runtime runtime(RuntimeOptions().threads(1));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (int m = 0; m < 8; ++m) modules.push_back(std::make_unique<LazyGraphModule>(runtime, support::plus(m)));
  Shared shared{modules};
  asio::io_context loops[2];
  std::atomic<std::uint64_t> failed{0};
  for (std::size_t c = 0; c < coroutines; ++c) {
    asio::co_spawn(loops[c % 2], await_them(shared, c), [&failed](std::exception_ptr error) {
      if (error) failed.fetch_add(1);
    });
  }
  std::atomic<int> running{2};
  std::vector<std::thread> threads;
  for (auto& loop : loops) {
    threads.emplace_back([&loop, &running] {
      loop.run();
      running.fetch_sub(1);
    });
  }
  std::mt19937_64 random(counts.seed);
  std::vector<LazyGraphModule*> order;
  for (const auto& module : modules) order.push_back(module.get());
  std::uint64_t rounds = 0, marks = 0, waits = 0, looks = 0;
  while (running.load() > 0) {
    // What is marked before anybody has looked again is compiled while nobody waits.
    if (shared.looks.load(std::memory_order_relaxed) < looks) {
      std::this_thread::yield();
      continue;
    }
    looks = shared.looks.load(std::memory_order_relaxed) + coroutines;
    std::ranges::shuffle(order, random);
    for (LazyGraphModule* module : order) {
      if (module->needs_recompile()) continue;
      module->recompile();
      ++marks;
    }
    if (++rounds % 128 != 0) continue;
    waits = runtime.stats().waits;
    if (counts.enough(waits)) shared.enough = true;
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint64_t waiting = runtime.stats().waiting;
  std::cout << waits << " awaits that waited, of " << shared.answers << ", " << marks << " marks in " << counts.elapsed() << " s\n";
  if (shared.wrong + failed + waiting == 0) return 0;
  std::cerr << shared.wrong << " wrong answers, " << failed << " failures, " << waiting << " still wait\n";
  return 1;
}
