// Calls cancelled on one thread while their compile, their plan or their run completes on another; each must complete once.
//
//   cancel_races [--seconds S] [--count RACES] [--seed N]
#include <iterator>
#include <random>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"

using namespace lazyfx;

int main(int argc, char** argv) {
  support::Counts counts(100'000);
  if (!counts.read(argc, argv)) return 2;
  std::mt19937_64 random(counts.seed);
  Runtime runtime(RuntimeOptions().threads(2).max_signatures(4));
  LazyGraphModule module(runtime, support::plus(0, std::nullopt));
  constexpr RunOn places[] = {RunOn::automatic, RunOn::caller, RunOn::pool};
  std::uint64_t races = 0, cancelled = 0;
  float expected = 0;
  for (; !counts.enough(races); ++races) {
    if (random() % 2 == 0) {
      expected = static_cast<float>(races % 100'000);
      support::set_plus(module.graph(), expected);
      module.recompile();
    }
    support::Loop loop;
    const Tensor x = Tensor::zeros(DType::f32, Shape{static_cast<std::int64_t>(1 + random() % 8)});
    support::Call call(loop, module, x, ForwardOptions().run_on(places[random() % std::size(places)]));
    for (std::size_t polls = random() % 100; polls > 0; --polls) loop.poll_one();
    if (!call.done()) call.cancel();
    try {
      if (call.get().as_tensor().values<float>()[0] != expected) return std::cerr << "race " << races << ": a wrong answer\n", 1;
    } catch (const boost::system::system_error& e) {
      if (e.code() != boost::asio::error::operation_aborted) throw;
      ++cancelled;
    }
    loop.restart();
    loop.run();
    if (call.completions() != 1) return std::cerr << "race " << races << ": " << call.completions() << " completions\n", 1;
  }
  if (runtime.stats().waiting != 0) return std::cerr << "somebody still waits\n", 1;
  std::cout << races << " races in " << counts.elapsed() << " s, " << cancelled << " won by the cancellation\n";
}
