// A process that may have no more threads, and threads that have nothing to do. This program's own functions stand before the system's.
#define BOOST_TEST_MODULE compile_without_threads
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

namespace {
std::atomic<bool> refuse{false};
std::atomic<int> waits{0};  // with an end in time
}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*), void* argument) noexcept {
  if (refuse) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto next = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return next(thread, attributes, function, argument);
}

extern "C" int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  using Wait = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static const auto next = reinterpret_cast<Wait>(dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  ++waits;
  return next(condition, mutex, clock, until);
}

using namespace lazyfx;

namespace {

struct Refusing {
  Refusing() { refuse = true; }
  ~Refusing() { refuse = false; }
};

const Tensor zeros = support::vec({0, 0, 0, 0});

}  // namespace

BOOST_AUTO_TEST_CASE(an_awaited_call_is_refused_and_a_later_one_answered) {
  Runtime runtime(RuntimeOptions().threads(2));
  LazyGraphModule module(runtime, support::plus(1));
  support::Loop loop;
  {
    const Refusing refusing;
    module.recompile();
    support::Call call(loop, module, zeros);
    BOOST_CHECK_EXCEPTION(call.get(), Error, [](const Error& e) { return e.kind() == ErrorKind::resource; });
    BOOST_TEST(call.completions() == 1);
  }
  support::Call call(loop, module, zeros);
  BOOST_TEST(call.get().as_tensor().values<float>()[0] == 1.0F);
  BOOST_TEST(runtime.stats().waiting == 0U);
}

BOOST_AUTO_TEST_CASE(a_blocking_call_helps_itself) {
  Runtime runtime(RuntimeOptions().threads(2));
  LazyGraphModule module(runtime, support::plus(2));
  const Refusing refusing;
  BOOST_TEST(module(zeros).as_tensor().values<float>()[0] == 2.0F);
  support::set_plus(module.graph(), 3);
  module.recompile();
  BOOST_TEST(module(zeros).as_tensor().values<float>()[0] == 3.0F);
  module.recompile();
  module.real_recompile();
  BOOST_TEST(!module.needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_blocking_call_with_a_deadline_helps_itself_too) {
  Runtime runtime(RuntimeOptions().threads(2));
  LazyGraphModule module(runtime, support::plus(2));
  const Refusing refusing;
  const Value input = zeros;
  BOOST_TEST(module.call({&input, 1}, ForwardOptions().deadline(std::chrono::hours(1))).as_tensor().values<float>()[0] == 2.0F);
}

BOOST_AUTO_TEST_CASE(a_blocking_call_helps_itself_through_modules_that_call_modules) {
  Runtime runtime(RuntimeOptions().threads(2));
  const auto child = std::make_shared<LazyGraphModule>(runtime, support::plus(2));
  Container root;
  root.set_submodule("child", child);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  graph->output(graph->call_function("onnx::Add", {graph->call_module("child", {x}), 1.0}));
  LazyGraphModule parent(runtime, graph, &root);
  const Refusing refusing;
  BOOST_TEST(parent(zeros).as_tensor().values<float>()[0] == 3.0F);
  support::set_plus(child->graph(), 3);
  child->recompile();
  BOOST_TEST(parent(zeros).as_tensor().values<float>()[0] == 4.0F);
}

BOOST_AUTO_TEST_CASE(a_thread_that_finds_only_what_may_not_run_yet_sleeps_however_soon_it_would_end) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions()
                      .threads(2)
                      .max_runs(1)
                      .idle_timeout(std::chrono::nanoseconds(0))
                      .operators(support::standard_and(support::held_in_run("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, support::chain({"t::held"}));
  module.real_recompile();
  support::Loop loop;
  const ForwardOptions on_pool = ForwardOptions().run_on(RunOn::pool);
  support::Call first(loop, module, zeros, on_pool), second(loop, module, zeros, on_pool);
  gate->wait_for_arrivals(1);
  const int before = waits;
  for (int i = 0; i < 20'000; ++i) std::this_thread::yield();
  BOOST_TEST(waits - before <= 8);  // it may have been about to look
  gate->open();
  first.get();
  second.get();
}

BOOST_AUTO_TEST_CASE(the_last_thread_sleeps_until_its_timer_however_soon_it_would_end) {
  Runtime runtime(RuntimeOptions().threads(1).idle_timeout(std::chrono::nanoseconds(0)));
  LazyGraphModule module(runtime, support::plus(1), nullptr,
                         LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(std::chrono::hours(1)));
  module.recompile();
  const int before = waits;
  for (int i = 0; i < 20'000; ++i) std::this_thread::yield();
  BOOST_TEST(waits - before <= 8);
}
