// What g++ 12.2 destroys twice must not be what our interface makes people write. Each rule that the interface faces is a test: the natural
// call, in every place of a coroutine, on values that count their lives. Under g++ this file is built with AddressSanitizer.
#define BOOST_TEST_MODULE module_gcc_coroutine_rules
#include <boost/test/unit_test.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::vec;

// Option types that an awaited call takes are no aggregates, so that no braces can make one inside of a co_await expression.
static_assert(!std::is_aggregate_v<ForwardOptions>);
static_assert(!std::is_aggregate_v<RuntimeOptions>);
static_assert(!std::is_aggregate_v<GraphModuleOptions>);
static_assert(!std::is_aggregate_v<LazyGraphModuleOptions>);
static_assert(!std::is_aggregate_v<Inputs>);
static_assert(!std::is_aggregate_v<Value>);
static_assert(!std::is_aggregate_v<Tensor>);
// Nor is anything over-aligned that lives in a frame by being passed or returned.
static_assert(alignof(Value) <= alignof(std::max_align_t));
static_assert(alignof(Inputs) <= alignof(std::max_align_t));
static_assert(alignof(Tensor) <= alignof(std::max_align_t));

namespace {

namespace asio = boost::asio;

// A tensor over memory whose owner is counted: as many must live at the end as at the start.
class Counted {
 public:
  Tensor tensor(float value) {
    struct Memory {
      std::shared_ptr<int> owner;
      float data[4];
    };
    auto memory = std::make_shared<Memory>(Memory{alive_, {value, value, value, value}});
    return Tensor::wrap(DType::f32, Shape{4}, memory->data, memory);
  }
  Value value(float v) { return tensor(v); }
  long alive() const { return alive_.use_count() - 1; }

 private:
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

std::shared_ptr<Graph> sum_graph() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  const Node y = graph->placeholder("y", support::f32(4), Argument(Tensor::zeros(DType::f32, Shape{4})));
  graph->output(graph->call_function("onnx::Add", {x, y}));
  return graph;
}

float first(const Value& value) { return value.as_tensor().values<float>()[0]; }

struct Fixture {
  Runtime runtime;
  LazyGraphModule module{runtime, sum_graph()};
  Counted counted;

  // Runs `body` and checks that what it made is gone, once.
  template <class Body>
  void balanced(Body body) {
    for (int round = 0; round < 2; ++round) {  // dirty, then clean
      support::run(body(*this));
      BOOST_TEST(counted.alive() == 0);
    }
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_input_converts_inside_of_co_await) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    const Value y = co_await f.module.forward(f.counted.tensor(1));
    BOOST_TEST(first(y) == 1);
    BOOST_TEST(first(co_await f.module.forward(f.counted.value(2))) == 2);
  });
}

BOOST_AUTO_TEST_CASE(several_inputs_are_written_without_braces) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    const Value y = co_await f.module.forward(Inputs(f.counted.tensor(1), f.counted.tensor(2)));
    BOOST_TEST(first(y) == 3);
    BOOST_TEST(first(co_await f.module.forward(Inputs(f.counted.value(1), f.counted.value(5)), asio::use_awaitable)) == 6);
  });
}

BOOST_AUTO_TEST_CASE(options_are_chained_inside_of_co_await) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    const Value here = co_await f.module.forward(f.counted.tensor(1), ForwardOptions().run_on(RunOn::caller), asio::use_awaitable);
    const Value there = co_await f.module.forward(f.counted.tensor(2), ForwardOptions().run_on(RunOn::pool), asio::use_awaitable);
    BOOST_TEST(first(here) + first(there) == 3);
  });
}

BOOST_AUTO_TEST_CASE(calls_nest_inside_of_one_expression) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    const Value y = co_await f.module.forward(co_await f.module.forward(co_await f.module.forward(f.counted.tensor(4))));
    BOOST_TEST(first(y) == 4);
    const Value z =
        co_await f.module.forward(Inputs(co_await f.module.forward(f.counted.tensor(1)), co_await f.module.forward(f.counted.tensor(2))));
    BOOST_TEST(first(z) == 3);
  });
}

BOOST_AUTO_TEST_CASE(calls_stand_in_conditions_loops_and_initialisers) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    if (first(co_await f.module.forward(f.counted.tensor(1))) != 1) BOOST_ERROR("a condition saw another value");
    if (const Value y = co_await f.module.forward(f.counted.tensor(2)); first(y) != 2) BOOST_ERROR("an initialiser saw another value");
    int rounds = 0;
    while (first(co_await f.module.forward(f.counted.tensor(static_cast<float>(rounds)))) < 3) ++rounds;
    BOOST_TEST(rounds == 3);
    switch (static_cast<int>(first(co_await f.module.forward(f.counted.tensor(7))))) {
      case 7: break;
      default: BOOST_ERROR("a switch saw another value");
    }
    const float chosen = rounds == 3 ? first(co_await f.module.forward(f.counted.tensor(5))) : 0.0F;
    BOOST_TEST(chosen == 5);
  });
}

BOOST_AUTO_TEST_CASE(exceptions_pass_through_co_await) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    bool caught = false;
    try {
      static_cast<void>(co_await f.module.forward(Inputs(f.counted.tensor(1), f.counted.tensor(2), f.counted.tensor(3))));
    } catch (const Error& e) { caught = e.kind() == ErrorKind::invalid_argument; }
    BOOST_TEST(caught);
    BOOST_TEST(first(co_await f.module.forward(f.counted.tensor(1))) == 1);
  });
}

BOOST_AUTO_TEST_CASE(an_exception_leaves_the_coroutine_balanced) {
  Fixture f;
  const auto body = [](Fixture& fixture) -> asio::awaitable<void> {
    const Tensor kept = fixture.counted.tensor(9);
    static_cast<void>(co_await fixture.module.forward(Inputs(kept, fixture.counted.value(2), fixture.counted.value(3))));
  };
  BOOST_CHECK_THROW(support::run(body(f)), Error);
  BOOST_TEST(f.counted.alive() == 0);
}

BOOST_AUTO_TEST_CASE(as_tuple_gives_the_error_as_a_value) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    const auto [error, y] = co_await f.module.forward(f.counted.tensor(1), token);
    BOOST_TEST((error == nullptr));
    BOOST_TEST(first(y) == 1);
    const auto [refused, none] = co_await f.module.forward(Inputs(f.counted.tensor(1), f.counted.value(1), f.counted.value(1)), token);
    BOOST_TEST((refused != nullptr));
    BOOST_TEST(none.is_none());
  });
}

BOOST_AUTO_TEST_CASE(real_recompile_is_awaited_in_every_place) {
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    f.module.recompile();
    co_await f.module.real_recompile(asio::use_awaitable);
    BOOST_TEST(!f.module.needs_recompile());
  });
}

BOOST_AUTO_TEST_CASE(coroutines_that_await_calls_may_return_them_and_be_awaited) {
  struct Layers {
    static asio::awaitable<Value> twice(Fixture& f, Value x) {
      x = co_await f.module.forward(x);
      co_return co_await f.module.forward(std::move(x));
    }
  };
  Fixture().balanced([](Fixture& f) -> asio::awaitable<void> {
    BOOST_TEST(first(co_await Layers::twice(f, f.counted.tensor(3))) == 3);
    BOOST_TEST(first(co_await Layers::twice(f, co_await Layers::twice(f, f.counted.tensor(6)))) == 6);
  });
}

BOOST_AUTO_TEST_CASE(a_frame_destroyed_where_it_stands_is_balanced) {
  const auto gate = std::make_shared<support::Gate>();
  Counted counted;
  {
    Runtime runtime(RuntimeOptions().operators(support::standard_and(support::held_in_compile("t::held", gate))));
    const support::OpenAtEnd open(*gate);
    LazyGraphModule module(runtime, support::chain({"t::held"}));
    asio::io_context loop;
    const auto body = [](LazyGraphModule& m, Tensor x) -> asio::awaitable<void> {
      const Tensor kept = x;
      static_cast<void>(co_await m.forward(Inputs(std::move(x))));
      BOOST_ERROR("nobody ran the loop to here");
    };
    asio::co_spawn(loop, body(module, counted.tensor(1)), [](std::exception_ptr) {});
    loop.poll();
    gate->wait_for_arrivals(1);
    BOOST_TEST(counted.alive() == 1);
    gate->open();
    runtime.stop();  // the answer has been posted to a loop that nobody runs any more
  }
  BOOST_TEST(counted.alive() == 0);
}

BOOST_AUTO_TEST_CASE(a_million_awaits_of_a_clean_module_need_no_stack) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->placeholder("x"));
  LazyGraphModule module(runtime, graph);
  const auto body = [](LazyGraphModule& m) -> asio::awaitable<void> {
    Value x = 1;
#if defined(LAZYFX_SLOW_BUILD) || defined(__SANITIZE_ADDRESS__)
    constexpr int rounds = 100'000;
#else
    constexpr int rounds = 1'000'000;
#endif
    for (int i = 0; i < rounds; ++i) x = co_await m.forward(std::move(x));
    BOOST_TEST(x.as_int() == 1);
  };
  support::run(body(module));
}
