// Calls cancelled on one thread while their compile, their plan or their run completes on another; each must complete once. The moment of the
// cancellation follows the completions that were seen, so that either comes first about as often.
//
//   cancel_races [--seconds S] [--count RACES] [--seed N]
#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"

using namespace lazyfx;

namespace {

/// How long to wait before one kind of call is cancelled: longer after each that was cancelled in time, shorter after each that was not, and
/// drawn anew around that.
class Moment {
 public:
  std::uint64_t draw(std::mt19937_64& random) const {
    return static_cast<std::uint64_t>(spins_ * std::uniform_real_distribution<double>(0.5, 1.5)(random));
  }
  void learn(bool cancelled) { spins_ = std::clamp(spins_ * (cancelled ? 1.1 : 1 / 1.1), 1.0, 1e7); }

 private:
  double spins_ = 100;
};

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(100'000);
  if (!counts.read(argc, argv)) return 2;
  std::mt19937_64 random(counts.seed);
  Runtime runtime(RuntimeOptions().threads(2).max_signatures(4));
  LazyGraphModule module(runtime, support::plus(0, std::nullopt));
  constexpr RunOn places[] = {RunOn::automatic, RunOn::caller, RunOn::pool};
  Moment moments[std::size(places)][2];
  std::uint64_t races = 0, cancelled = 0, completed_all_the_same = 0;
  float expected = 0;
  for (; !counts.enough(races); ++races) {
    const bool marked = random() % 2 == 0;
    if (marked) {
      expected = static_cast<float>(races % 100'000);
      support::set_plus(module.graph(), expected);
      module.recompile();
    }
    support::Loop loop;
    const Tensor x = Tensor::zeros(DType::f32, Shape{static_cast<std::int64_t>(1 + random() % 8)});
    const auto place = random() % std::size(places);
    Moment& moment = moments[place][marked];
    support::Call call(loop, module, x, ForwardOptions().run_on(places[place]));
    // At the end without looking, so that the other side may have come to any point.
    const std::uint64_t spins = moment.draw(random);
    for (std::uint64_t spin = 0; spin < spins && !call.done(); ++spin) {
      if (spin < spins / 2)
        loop.poll_one();
      else
        static_cast<void>(std::chrono::steady_clock::now());
    }
    const bool wants_to_cancel = !call.done();
    if (wants_to_cancel) call.cancel();
    bool in_time = false;
    try {
      if (call.get().as_tensor().values<float>()[0] != expected) return std::cerr << "race " << races << ": a wrong answer\n", 1;
    } catch (const boost::system::system_error& e) {
      if (e.code() != boost::asio::error::operation_aborted) throw;
      in_time = true;
    }
    cancelled += in_time;
    completed_all_the_same += wants_to_cancel && !in_time;
    moment.learn(in_time);
    loop.restart();
    loop.run();
    if (call.completions() != 1) return std::cerr << "race " << races << ": " << call.completions() << " completions\n", 1;
  }
  if (runtime.stats().waiting != 0) return std::cerr << "somebody still waits\n", 1;
  std::cout << races << " races in " << counts.elapsed() << " s, " << cancelled << " won by the cancellation, " << completed_all_the_same
            << " by a completion that was on its way, the others were over before\n";
  const double share = static_cast<double>(cancelled) / static_cast<double>(races);
  if (races >= 1000 && (share < 0.2 || share > 0.8)) return std::cerr << "these were no races: one side hardly ever won\n", 1;
}
