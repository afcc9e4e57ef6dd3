// Promise 13: on a clean module a call takes no lock and allocates nothing beyond what the executable itself does.
#define BOOST_TEST_MODULE compile_hot_path
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>
#include <pthread.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

namespace {

thread_local std::size_t allocations = 0;
thread_local std::size_t locks = 0;

}  // namespace

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define LAZYFX_SANITIZED 1
#endif
#endif

#if !defined(LAZYFX_SANITIZED)  // the sanitizers stand in these places themselves: there, only what is answered is looked at
// Every allocation and every lock of the process passes here, the library's too; those of this thread are counted. Inlined, g++ takes malloc()
// and free() for mismatched with the other's operator.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto a = static_cast<std::size_t>(alignment);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Lock = int (*)(pthread_mutex_t*);
  static const auto next = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++locks;
  return next(mutex);
}
#endif

namespace {

using namespace lazyfx;
using support::chain;
using support::vec;

struct Cost {
  std::size_t allocations = 0, locks = 0;
};

// What one call of a clean module costs this thread.
Cost cost_of_call(GraphModule& module, const Tensor& x) {
  const std::vector<Value> inputs{Value(x)};
  for (int i = 0; i < 3; ++i) static_cast<void>(module.call(inputs));
  Cost before{allocations, locks};
  {
    const Value y = module.call(inputs);
    before = {allocations - before.allocations, locks - before.locks};
    BOOST_TEST(y.is_tensor());
  }
  return before;
}

std::shared_ptr<Graph> identity() {
  auto graph = std::make_shared<Graph>();
  graph->output(graph->placeholder("x", support::f32(4)));
  return graph;
}

}  // namespace

#if !defined(LAZYFX_SANITIZED)
BOOST_AUTO_TEST_CASE(the_counters_count) {
  const std::size_t before = allocations;
  operator delete(operator new(1));  // called as functions: a new-expression without use may be left out
  BOOST_TEST(allocations == before + 1);
  Runtime runtime;
  LazyGraphModule module(runtime, identity());
  const std::size_t locked = locks;
  module.recompile();
  BOOST_TEST(locks > locked);
}
#endif

BOOST_AUTO_TEST_CASE(a_clean_module_adds_no_lock_and_no_allocation_to_a_call) {
  Runtime runtime;
  LazyGraphModule module(runtime, identity());
  module.real_recompile();
  const Cost cost = cost_of_call(module, vec({1, 2, 3, 4}));
  BOOST_TEST(cost.allocations == 0U);
  BOOST_TEST(cost.locks == 0U);
}

BOOST_AUTO_TEST_CASE(what_a_call_allocates_is_its_result_however_long_the_graph) {
  Runtime runtime;
  LazyGraphModule small(runtime, chain({"onnx::Relu"}));
  LazyGraphModule large(runtime, chain({"onnx::Relu", "onnx::Softmax", "onnx::Tanh", "onnx::Softmax", "onnx::Sigmoid", "onnx::Softmax",
                                        "onnx::Neg", "onnx::Softmax"}));
  const Tensor x = vec({1, 2, 3, 4});
  const Cost of_small = cost_of_call(small, x);
  const Cost of_large = cost_of_call(large, x);
  BOOST_TEST(of_large.allocations == of_small.allocations);
  BOOST_TEST(of_small.allocations <= 2U);
  BOOST_TEST(of_large.locks == 0U);
}

BOOST_AUTO_TEST_CASE(a_call_takes_no_lock_while_another_still_runs_what_was_replaced) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().cache_bytes(0).operators(support::standard_and(support::held_in_run("t::held", gate))));
  LazyGraphModule clean(runtime, identity());
  LazyGraphModule replaced(runtime, support::held_plus(1));
  clean.real_recompile();
  replaced.real_recompile();
  const std::vector<Value> inputs{Value(vec({0, 0, 0, 0}))};
  static_cast<void>(clean.call(inputs));
  std::thread old([&] { BOOST_TEST(replaced.call(inputs).as_tensor().values<float>()[0] == 1.0F); });
  const support::OpenAtEnd open(*gate);
  gate->wait_for_arrivals(1);
  for (int i = 2; i < 4; ++i) {
    support::set_plus(replaced.graph(), i);
    replaced.recompile();
    replaced.real_recompile();
  }
  BOOST_TEST(replaced.generation() == 3U);
  const Cost cost = cost_of_call(clean, vec({1, 2, 3, 4}));
  BOOST_TEST(cost.locks == 0U);
  BOOST_TEST(cost.allocations == 0U);
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().executables == 3U);  // what still runs is kept
  gate->open();
  old.join();
  BOOST_TEST(runtime.stats().executables == 2U);  // and let go of by whoever ran it last
}
