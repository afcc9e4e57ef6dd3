// Coroutines on two threads await modules that a third marks.
//
//   cross_thread_awaits [--seconds S] [--count AWAITS] [--seed N]
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;

namespace {

struct Shared {
  const support::Counts& counts;
  std::vector<std::unique_ptr<LazyGraphModule>>& modules;
  std::atomic<std::uint64_t> awaits{0};
  std::atomic<std::uint64_t> wrong{0};
};

// Module m adds m.
asio::awaitable<void> await_them(Shared& shared, std::size_t first) {
  const Tensor zeros = support::vec({0, 0, 0, 0});
  for (std::size_t i = first; !shared.counts.enough(shared.awaits.load(std::memory_order_relaxed)); ++i) {
    const std::size_t m = i % shared.modules.size();
    const Inputs inputs(zeros);
    const Value y = co_await shared.modules[m]->forward(inputs);
    if (y.as_tensor().values<float>()[0] != static_cast<float>(m)) shared.wrong.fetch_add(1);
    shared.awaits.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(1'000'000);
  if (!counts.read(argc, argv)) return 2;
  Runtime runtime(RuntimeOptions().threads(1));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (int m = 0; m < 8; ++m) modules.push_back(std::make_unique<LazyGraphModule>(runtime, support::plus(m)));
  Shared shared{counts, modules};
  asio::io_context loops[2];
  std::atomic<std::uint64_t> failed{0};
  for (std::size_t c = 0; c < 64; ++c) {
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
  std::uint64_t marks = 0;
  std::mt19937_64 random(counts.seed);
  // A mark for every hundred answers.
  while (running.load() > 0) {
    if (shared.awaits.load(std::memory_order_relaxed) < marks * 100) {
      std::this_thread::yield();
      continue;
    }
    modules[random() % modules.size()]->recompile();
    ++marks;
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint64_t waiting = runtime.stats().waiting;
  std::cout << shared.awaits << " awaits, " << marks << " marks in " << counts.elapsed() << " s\n";
  if (shared.wrong + failed + waiting == 0) return 0;
  std::cerr << shared.wrong << " wrong answers, " << failed << " failures, " << waiting << " still wait\n";
  return 1;
}
