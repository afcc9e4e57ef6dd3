// Whoever waits, in every way there is to wait, with each allocation failing in turn.
#define BOOST_TEST_MODULE compile_waiting_fault_points
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include "support/fault_points.hpp"

using namespace support;

BOOST_AUTO_TEST_CASE(awaiting_a_fresh_answer_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) { w.ask(ForwardOptions()); });
}

BOOST_AUTO_TEST_CASE(awaiting_an_answer_of_the_pool_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) { w.ask(ForwardOptions().run_on(RunOn::pool).deadline(std::chrono::hours(1))); });
}

BOOST_AUTO_TEST_CASE(the_last_good_answer_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) { w.ask(ForwardOptions().freshness(Freshness::last_good())); });
}

BOOST_AUTO_TEST_CASE(an_interpreted_answer_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) { w.ask(ForwardOptions().freshness(Freshness::interpret_until_ready())); });
}

BOOST_AUTO_TEST_CASE(waiting_until_ready_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    std::exception_ptr error;
    w.module->prefetch();
    w.module->wait_ready(Tier::baseline, asio::bind_executor(w.loop, [&](std::exception_ptr e) { error = e; }));
    w.loop.run();
    if (error) std::rethrow_exception(error);
  });
}

BOOST_AUTO_TEST_CASE(awaiting_a_compile_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) {
    Answer answer;
    w.module->real_recompile(asio::bind_executor(w.loop, answer.handler()));
    answer.check(w.loop);
  });
}

BOOST_AUTO_TEST_CASE(a_future_survives_it) {
  // Futures complete in a context that Asio makes once for the process, which it ends where there is no memory for that.
  static_cast<void>(asio::query(asio::system_executor(), asio::execution::context));
  every_allocation_fails_once(dirty, [](World& w) { static_cast<void>(w.module->forward(Inputs(w.x), asio::use_future).get()); });
}

static asio::awaitable<void> awaits_an_answer(World& w) {
  const Inputs inputs(w.x);
  co_await w.module->forward(inputs);
}

BOOST_AUTO_TEST_CASE(a_coroutine_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) {
    Answer answer;
    asio::co_spawn(w.loop, awaits_an_answer(w), answer.handler());
    answer.check(w.loop);
  });
}

BOOST_AUTO_TEST_CASE(cancelling_survives_it) {
  for (const RunOn where : {RunOn::caller, RunOn::pool}) {
    every_allocation_fails_once(dirty, [where](World& w) {
      asio::cancellation_signal signal;
      Answer answer;
      w.module->forward(Inputs(w.x), ForwardOptions().run_on(where),
                        asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(w.loop, answer.handler())));
      signal.emit(asio::cancellation_type::terminal);
      try {
        answer.check(w.loop);
      } catch (const boost::system::system_error& e) { BOOST_TEST(e.code() == asio::error::operation_aborted); }
    });
  }
}

BOOST_AUTO_TEST_CASE(awaiting_a_module_above_a_marked_one_survives_it) {
  for (const RunOn where : {RunOn::caller, RunOn::pool}) {
    std::unique_ptr<Nest> nest;
    every_allocation_fails_once(
        [&](World& w) {
          nest = std::make_unique<Nest>(w);
          static_cast<void>((*nest->top)(w.x));
        },
        [&](World& w) {
          support::set_plus(*w.graph, 6);
          w.module->recompile();
          w.ask(*nest->top, ForwardOptions().run_on(where));
          nest->top->retry();
          nest->top->set_submodule("m", nest->middle);
          nest->top->recompile();
          w.ask(*nest->top, ForwardOptions().run_on(where).freshness(Freshness::interpret_until_ready()));
        },
        [&](World& w) {
          // Nobody above was left with an old answer either.
          const float own = (*w.module)(w.x).as_tensor().values<float>()[0];
          nest->top->recompile();
          BOOST_TEST((*nest->top)(w.x).as_tensor().values<float>()[0] == own);
          nest.reset();
        });
  }
}
