// What a Simulation promises to those who test their own code with it. Each test is one sentence of it.
#define BOOST_TEST_MODULE compile_simulation
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <optional>

#include <boost/asio/bind_executor.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;

const Tensor zeros = support::vec({0, 0, 0, 0});

/// A world whose compiles may take an hour, and a module in it that was never compiled.
struct Slow {
  Simulation world{1, SimulationOptions().compile_time(1h, 4)};
  Runtime runtime{world.options()};
  LazyGraphModule module{runtime, support::plus(1)};

  /// What a call or a wait came to, and when.
  struct Answer {
    std::optional<std::exception_ptr> error;
    Simulation::Time at;

    bool timed_out() const {
      if (!error || !*error) return false;
      try {
        std::rethrow_exception(*error);
      } catch (const boost::system::system_error& e) { return e.code() == asio::error::timed_out; }
    }
    bool succeeded() const { return error && !*error; }
  };
  auto handler(Answer& answer) {
    return asio::bind_executor(world.executor(), [this, &answer](std::exception_ptr error, auto&&...) {
      answer.error = error;
      answer.at = world.now();
    });
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_deadline_passes_on_the_clock_of_the_world) {
  Slow slow;
  Slow::Answer late, on_pool, waited, in_time;
  const auto soon = slow.world.now() + 1ms;
  slow.module.forward(Inputs(zeros), ForwardOptions().deadline(soon), slow.handler(late));
  slow.module.forward(Inputs(zeros), ForwardOptions().run_on(RunOn::pool).deadline(soon), slow.handler(on_pool));
  slow.module.wait_ready(Tier::baseline, WaitOptions().deadline(soon), slow.handler(waited));
  slow.module.forward(Inputs(zeros), ForwardOptions().deadline(slow.world.now() + 100h), slow.handler(in_time));
  slow.world.run();
  for (const Slow::Answer* answer : {&late, &on_pool, &waited}) {
    BOOST_TEST(answer->timed_out());
    BOOST_TEST((answer->at == soon));
  }
  BOOST_TEST(in_time.succeeded());
  BOOST_TEST((in_time.at > soon));
}

BOOST_AUTO_TEST_CASE(a_deadline_that_has_passed_fails_at_once_in_every_form) {
  Slow slow;
  slow.module.prefetch();
  slow.world.run();
  const auto past = slow.world.now();
  BOOST_TEST_REQUIRE((past > Simulation::Time()));
  Slow::Answer called, waited;
  slow.module.forward(Inputs(zeros), ForwardOptions().deadline(past), slow.handler(called));
  slow.module.wait_ready(Tier::baseline, WaitOptions().deadline(past), slow.handler(waited));
  slow.world.run();
  BOOST_TEST(called.timed_out());
  BOOST_TEST(waited.timed_out());
  const Value input = zeros;
  BOOST_CHECK_THROW(slow.module.call({&input, 1}, ForwardOptions().deadline(past)), boost::system::system_error);
  BOOST_TEST(slow.module.call({&input, 1}, ForwardOptions().deadline(past + 1ns)).as_tensor().values<float>()[0] == 1);
}

BOOST_AUTO_TEST_CASE(time_does_not_go_on_to_deadlines_that_were_kept) {
  Slow slow;
  Slow::Answer called;
  slow.module.forward(Inputs(zeros), ForwardOptions().deadline(slow.world.now() + 100h), slow.handler(called));
  slow.world.run();
  BOOST_TEST(called.succeeded());
  BOOST_TEST((slow.world.now() < Simulation::Time() + 1h));
}

BOOST_AUTO_TEST_CASE(a_compile_counts_as_started_while_it_is_under_way) {
  Slow slow;
  slow.module.prefetch();
  while (slow.world.compiling() == 0) BOOST_TEST_REQUIRE(slow.world.step());
  BOOST_TEST(slow.runtime.stats().compiles_started == 1u);
  BOOST_TEST(slow.runtime.stats().compiles_finished == 0u);
  slow.world.run();
  BOOST_TEST(slow.runtime.stats().compiles_started == 1u);
  BOOST_TEST(slow.runtime.stats().compiles_finished == 1u);
}
