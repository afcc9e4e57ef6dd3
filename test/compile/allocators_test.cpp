// What an operation allocates for its completion, it allocates as its handler asks, and has freed when it calls the handler.
#define BOOST_TEST_MODULE compile_allocators
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;

namespace {

const Tensor zeros = support::vec({0, 0, 0, 0});

struct Counts {
  std::atomic<std::size_t> allocations{0};
  std::atomic<std::ptrdiff_t> bytes{0};  ///< allocated now
};

template <class T = void>
class Counting {
 public:
  using value_type = T;
  explicit Counting(Counts& counts) noexcept : counts_(&counts) {}
  template <class U>
  Counting(const Counting<U>& other) noexcept : counts_(other.counts_) {}

  T* allocate(std::size_t n) {
    ++counts_->allocations;
    counts_->bytes += static_cast<std::ptrdiff_t>(n * sizeof(T));
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept {
    counts_->bytes -= static_cast<std::ptrdiff_t>(n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  template <class U>
  bool operator==(const Counting<U>& other) const noexcept {
    return counts_ == other.counts_;
  }

 private:
  template <class>
  friend class Counting;
  Counts* counts_;
};

/// One operation on `executor`, which has to wait: begun, let go of by end(), and seen to its completion by see().
template <class Executor, class Begin, class End, class See>
void check_that_what_is_posted_is_allocated_as_asked(const Executor& executor, Begin begin, End end, See see) {
  Counts counts;
  std::atomic<int> completions{0};
  std::atomic<std::ptrdiff_t> bytes_when_called{-1};
  auto handler = [&](std::exception_ptr, auto&&...) {
    bytes_when_called = counts.bytes.load();
    ++completions;
  };
  begin(asio::bind_executor(executor, asio::bind_allocator(Counting<>(counts), handler)));
  BOOST_TEST(completions == 0);
  const std::size_t begun = counts.allocations;
  end();
  see();
  BOOST_TEST(completions == 1);
  BOOST_TEST(counts.allocations > begun);
  BOOST_TEST(bytes_when_called == 0);
  BOOST_TEST(counts.bytes == 0);
}

/// A module whose compile is held.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime{RuntimeOptions().threads(1).operators(support::standard_and(support::held_in_compile("t::held", gate)))};
  LazyGraphModule module{runtime, support::held_plus(1)};
  support::OpenAtEnd open{*gate};

  /// `operation(module, handler)`, on every kind of executor.
  template <class Operation>
  static void check(Operation operation) {
    {
      Held held;
      asio::io_context loop;
      held.check_on(loop.get_executor(), operation, [&] { loop.run(); });
    }
    {
      Held held;
      asio::io_context loop;
      held.check_on(asio::make_strand(loop), operation, [&] { loop.run(); });
    }
    {
      Held held;
      asio::thread_pool pool(1);
      held.check_on(pool.get_executor(), operation, [&] { pool.join(); });
    }
  }

 private:
  template <class Executor, class Operation, class See>
  void check_on(const Executor& executor, Operation operation, See see) {
    const auto begin = [&](auto handler) {
      operation(*this, std::move(handler));
      gate->wait_for_arrivals(1);
    };
    check_that_what_is_posted_is_allocated_as_asked(executor, begin, [&] { gate->open(); }, see);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_that_waits_posts_with_the_allocator_of_its_handler) {
  for (const RunOn where : {RunOn::caller, RunOn::pool}) {
    Held::check(
        [where](Held& held, auto handler) { held.module.forward(Inputs(zeros), ForwardOptions().run_on(where), std::move(handler)); });
  }
}

BOOST_AUTO_TEST_CASE(a_call_that_need_not_wait_posts_with_the_allocator_of_its_handler) {
  Runtime runtime;
  LazyGraphModule module(runtime, support::plus(1));
  module.real_recompile();
  asio::io_context loop;
  Counts counts;
  std::ptrdiff_t bytes_when_called = -1;
  auto handler = [&](std::exception_ptr, const Value&) { bytes_when_called = counts.bytes; };
  module.forward(Inputs(zeros), asio::bind_executor(loop, asio::bind_allocator(Counting<>(counts), handler)));
  BOOST_TEST(counts.allocations > 0U);
  loop.run();
  BOOST_TEST(bytes_when_called == 0);
}

BOOST_AUTO_TEST_CASE(a_wait_for_a_module_posts_with_the_allocator_of_its_handler) {
  Held::check([](Held& held, auto handler) { held.module.wait_ready(Tier::baseline, std::move(handler)); });
  Held::check([](Held& held, auto handler) { held.module.real_recompile(std::move(handler)); });
}

BOOST_AUTO_TEST_CASE(the_stop_of_a_runtime_posts_with_the_allocator_of_its_handler) {
  Held::check([](Held& held, auto handler) {
    held.module.prefetch();
    held.gate->wait_for_arrivals(1);
    held.runtime.stop(std::move(handler));
  });
}
