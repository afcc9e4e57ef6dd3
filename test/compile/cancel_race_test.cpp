// Calls that are cancelled while their compile, their plan or their run completes on another thread.
#define BOOST_TEST_MODULE compile_cancel_race
#include <boost/test/unit_test.hpp>

#include <optional>
#include <utility>

#include <boost/system/system_error.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/random_graph.hpp"

using namespace lazyfx;

namespace {

#ifdef LAZYFX_SLOW_BUILD
constexpr int rounds = 1000;
#else
constexpr int rounds = 4000;
#endif

// Every call has a loop of its own, so that whatever is posted after its completion meets a loop that is gone. With `edited` each call waits
// for a compile, with `sized` for a plan of its own shape.
void race(RunOn where, bool edited, bool sized) {
  Runtime runtime(RuntimeOptions().threads(2).max_signatures(4));
  LazyGraphModule module(runtime, support::plus(0, sized ? std::optional<TensorType>() : support::f32(4)));
  support::Random random(7);
  int answered = 0;
  int cancelled = 0;
  float expected = 0;
  for (int i = 1; i <= rounds; ++i) {
    if (edited) {
      expected = static_cast<float>(i);
      support::set_plus(module.graph(), i);
      module.recompile();
    }
    support::Loop loop;
    const Tensor x = Tensor::zeros(DType::f32, Shape{sized ? 1 + i % 64 : 4});
    support::Call call(loop, module, x, ForwardOptions().run_on(where));
    for (std::size_t k = support::below(random, 200); k > 0; --k) loop.poll_one();
    if (!call.done()) call.cancel();
    try {
      if (call.get().as_tensor().values<float>()[0] == expected) ++answered;
    } catch (const boost::system::system_error& e) {
      if (e.code() == boost::asio::error::operation_aborted) ++cancelled;
    }
    loop.restart();
    loop.run();
    if (call.completions() != 1) BOOST_ERROR("a call completed " << call.completions() << " times");
  }
  BOOST_TEST(answered + cancelled == rounds);
  BOOST_TEST(runtime.stats().waiting == 0u);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_cancelled_while_its_compile_ends_completes_once) { race(RunOn::automatic, true, false); }

BOOST_AUTO_TEST_CASE(a_call_cancelled_while_its_plan_is_made_completes_once) { race(RunOn::automatic, false, true); }

BOOST_AUTO_TEST_CASE(a_call_cancelled_while_it_runs_on_the_pool_completes_once) { race(RunOn::pool, false, false); }

BOOST_AUTO_TEST_CASE(a_call_cancelled_anywhere_completes_once) { race(RunOn::pool, true, true); }
