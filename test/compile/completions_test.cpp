// How a completion comes to its executor: by one post, with whatever memory there is, and letting go of the executor in time.
#define BOOST_TEST_MODULE compile_completions
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/observed_executor.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;
using support::Observed;
using support::Seen;

namespace {

const Tensor zeros = support::vec({0, 0, 0, 0});
const auto on_caller = ForwardOptions().run_on(RunOn::caller);
const auto on_pool = ForwardOptions().run_on(RunOn::pool);

/// A context with something on it that is under way, of which `called` tells.
class Loop {
 public:
  void run_until(const bool& called) {
    const auto work = asio::make_work_guard(*context_);
    while (!called) context_->run_one();
  }
  void run_out() {
    context_->restart();
    context_->run();
  }
  void destroy() { context_.reset(); }
  asio::io_context& operator*() { return *context_; }

 private:
  std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>();
};

/// A runtime of one thread, and a gate that holds a compile.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime{RuntimeOptions().threads(1).operators(support::standard_and(support::held_in_compile("t::held", gate)))};
  LazyGraphModule module{runtime, support::chain({"t::held"})};
  LazyGraphModule unshaped{runtime, support::chain({"t::held"}, TensorType(DType::f32))};  ///< what is held is the plan for a call
  support::OpenAtEnd open{*gate};
};

template <class Handler>
auto on(const Observed& executor, Handler handler) {
  return asio::bind_executor(executor, std::move(handler));
}

/// Allocates `room` times.
template <class T = void>
class Bounded {
 public:
  using value_type = T;
  explicit Bounded(std::atomic<int>& room) noexcept : room_(&room) {}
  template <class U>
  Bounded(const Bounded<U>& other) noexcept : room_(other.room_) {}
  T* allocate(std::size_t n) {
    if (--*room_ < 0) throw std::bad_alloc();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept { std::allocator<T>().deallocate(p, n); }
  template <class U>
  bool operator==(const Bounded<U>& other) const noexcept {
    return room_ == other.room_;
  }

 private:
  template <class>
  friend class Bounded;
  std::atomic<int>* room_;
};

/// Begins each kind of operation that waits, with `handler(called)`.
template <class Visit>
void each_operation(Visit visit) {
  visit([](Held& held, auto handler) { held.module.forward(Inputs(zeros), on_caller, std::move(handler)); });
  visit([](Held& held, auto handler) { held.module.forward(Inputs(zeros), on_pool, std::move(handler)); });
  visit([](Held& held, auto handler) { held.module.wait_ready(Tier::baseline, std::move(handler)); });
  visit([](Held& held, auto handler) { held.module.real_recompile(std::move(handler)); });
  visit([](Held& held, auto handler) {
    held.module.prefetch();
    held.gate->wait_for_arrivals(1);
    held.runtime.stop(std::move(handler));
  });
}

auto setting(bool& called) {
  return [&called](auto&&...) { called = true; };
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_completion_is_posted_once_and_does_not_wait_for_who_posts_to_return) {
  each_operation([](auto begin) {
    Loop loop;
    Seen seen;
    support::Gate inside;
    seen.after_post = [&] { inside.pass(); };
    Held held;
    const support::OpenAtEnd open(inside);
    bool called = false;
    begin(held, on(Observed(*loop, seen), setting(called)));
    held.gate->open();
    loop.run_until(called);
    BOOST_TEST(seen.posts == 1);
    BOOST_TEST(!seen.left);
  });
}

BOOST_AUTO_TEST_CASE(a_context_is_destroyed_when_who_posted_to_it_has_let_go) {
  each_operation([](auto begin) {
    Loop loop;
    Seen seen;
    support::Gate inside;
    seen.after_post = [&] { inside.pass(); };
    Held held;
    const support::OpenAtEnd open(inside);
    bool called = false;
    begin(held, on(Observed(*loop, seen), setting(called)));
    held.gate->open();
    loop.run_until(called);
    loop.run_out();
    inside.wait_for_arrivals(1);
    inside.open();
    loop.destroy();
    BOOST_TEST(seen.left);
    BOOST_TEST(seen.copies == 0);
  });
}

// The thread that answers the first is held while it answers the second.
BOOST_AUTO_TEST_CASE(an_operation_that_others_hold_yet_holds_nothing_of_a_handler_that_was_called) {
  const auto check = [](auto begin) {
    Loop first;
    Loop second;
    Seen seen;
    Seen seen_second;
    support::Gate inside;
    seen_second.after_post = [&] { inside.pass(); };
    Held held;
    const support::OpenAtEnd open(inside);
    bool called = false;
    bool called_second = false;
    begin(held, on(Observed(*first, seen), setting(called)));
    begin(held, on(Observed(*second, seen_second), setting(called_second)));
    held.gate->wait_for_arrivals(1);
    held.gate->open();
    inside.wait_for_arrivals(1);
    first.run_until(called);
    BOOST_TEST(seen.copies == 0);
    first.destroy();
    second.run_until(called_second);
  };
  check([](Held& held, auto handler) {
    held.unshaped.real_recompile();
    held.unshaped.forward(Inputs(zeros), on_caller, std::move(handler));
  });
  check([](Held& held, auto handler) {
    held.module.prefetch();
    held.gate->wait_for_arrivals(1);
    held.runtime.stop(std::move(handler));
  });
}

BOOST_AUTO_TEST_CASE(a_context_whose_strand_heard_of_a_completion_may_be_destroyed_when_it_has_run_out_of_work) {
  for (int i = 0; i < 100; ++i) {
    each_operation([](auto begin) {
      Held held;
      Loop first;
      Loop second;
      bool called = false;
      int others = 0;
      begin(held, asio::bind_executor(asio::make_strand(*first), setting(called)));
      for (int k = 0; k < 20; ++k) begin(held, asio::bind_executor(*second, [&others](auto&&...) { ++others; }));
      held.gate->open();
      first.run_out();
      first.destroy();
      second.run_out();
      if (!called || others != 20) BOOST_ERROR("not everybody was called");
    });
  }
}

BOOST_AUTO_TEST_CASE(an_allocator_that_refuses_what_is_posted_does_not_keep_its_handler_from_being_called) {
  each_operation([](auto begin) {
    Held held;
    asio::io_context loop;
    std::atomic<int> room{1000};
    bool called = false;
    begin(held, asio::bind_executor(loop, asio::bind_allocator(Bounded<>(room), setting(called))));
    room = 0;
    held.gate->open();
    loop.run();
    BOOST_TEST(called);
    BOOST_TEST(room < 0);  // it was asked
  });
}
