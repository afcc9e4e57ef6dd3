#pragma once

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

/// Operations on a ten-node graph, with their first, second, third ... allocation failing: each succeeds or says so, loses no waiter, and
/// everything works afterwards. It replaces operator new, so a program includes it in its one file; sanitizers have an operator new of their own.

namespace support {

/// Allocations of any thread until one fails; negative: none will.
inline std::atomic<long> allocations_left{-1};
inline std::atomic<bool> allocation_failed{false};

inline bool may_allocate() {
  if (allocations_left.load(std::memory_order_relaxed) < 0 || allocations_left.fetch_sub(1) != 0) return true;
  allocation_failed = true;
  return false;
}

inline void* allocate(std::size_t bytes) { return may_allocate() ? std::malloc(bytes == 0 ? 1 : bytes) : nullptr; }

inline void* allocate(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return may_allocate() ? std::aligned_alloc(unit, (bytes / unit + 1) * unit) : nullptr;
}

inline void* or_throw(void* memory) { return memory != nullptr ? memory : throw std::bad_alloc(); }

}  // namespace support

void* operator new(std::size_t bytes) { return support::or_throw(support::allocate(bytes)); }
void* operator new[](std::size_t bytes) { return support::or_throw(support::allocate(bytes)); }
void* operator new(std::size_t bytes, std::align_val_t a) { return support::or_throw(support::allocate(bytes, a)); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return support::or_throw(support::allocate(bytes, a)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return support::allocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return support::allocate(bytes); }
// Inlined beside a call of an operator new above, free() looks to g++ like a mismatch.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace support {

using namespace lazyfx;
namespace asio = boost::asio;

#ifdef LAZYFX_SLOW_BUILD
inline constexpr long stride = 7;
#else
inline constexpr long stride = 1;
#endif

inline const OperatorRegistry operators = OperatorRegistry::standard();

/// f(x) = relu(... + w ...), ten nodes.
inline std::shared_ptr<Graph> ten_nodes() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", f32(4));
  Node node = graph->call_function("onnx::Add", {x, 1.0}, {}, "total");
  node = graph->call_function("onnx::Mul", {node, graph->get_attr("w")});
  for (const char* target : {"onnx::Abs", "onnx::Relu", "onnx::Neg", "onnx::Abs", "onnx::Relu"})
    node = graph->call_function(target, {node});
  graph->output(node);
  return graph;
}

/// What an operation completed with, once. It outlives the operation.
class Answer {
 public:
  auto handler() {
    return [this](std::exception_ptr error, auto&&...) {
      ++answers_;
      error_ = error;
    };
  }
  void check(asio::io_context& loop) {
    loop.restart();
    loop.run();
    check();
  }
  /// Throws what it was told.
  void check() const {
    BOOST_TEST_REQUIRE(answers_ == 1);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  int answers_ = 0;
  std::exception_ptr error_;
};

struct World {
  World() {
    root->set_parameter("w", vec({2, 2, 2, 2}));
    runtime = std::make_unique<Runtime>(RuntimeOptions().threads(1).operators(operators));
    LazyGraphModuleOptions options;
    options.class_name("AModuleWhoseNameIsTooLongForAStringWithoutMemory");
    module = std::make_shared<LazyGraphModule>(*runtime, graph, root.get(), options);
  }

  void ask(const ForwardOptions& options) { ask(*module, options); }
  void ask(GraphModule& asked, const ForwardOptions& options = ForwardOptions()) { ask(asked, x, options); }
  void ask(GraphModule& asked, const Tensor& input, const ForwardOptions& options = ForwardOptions()) {
    Answer answer;
    asked.forward(Inputs(input), options, asio::bind_executor(loop, answer.handler()));
    answer.check(loop);
  }

  asio::io_context loop;
  std::shared_ptr<Container> root = std::make_shared<Container>();
  std::shared_ptr<Graph> graph = ten_nodes();
  std::unique_ptr<Runtime> runtime;
  std::shared_ptr<LazyGraphModule> module;
  Tensor x = vec({0, 0, 0, 0});
};

/// Two modules above the world's: top calls middle and it, and answers what middle does.
struct Nest {
  explicit Nest(World& w) : middle(above(w, {w.module})), top(above(w, {w.module, middle})) {}

  static std::shared_ptr<LazyGraphModule> above(World& w, const std::vector<std::shared_ptr<LazyGraphModule>>& called) {
    Container root;
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", support::f32(4));
    std::optional<Node> last;
    for (std::size_t i = 0; i < called.size(); ++i) {
      const std::string name = i == 0 ? "m0" : "m";
      root.set_submodule(name, called[i]);
      last = graph->call_module(name, {x});
    }
    graph->output(*last);
    return std::make_shared<LazyGraphModule>(*w.runtime, graph, &root, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  }

  std::shared_ptr<LazyGraphModule> middle, top;
};

/// The n-th allocation from now on fails.
struct Armed {
  explicit Armed(long n) {
    allocation_failed = false;
    allocations_left = n;
  }
  ~Armed() { allocations_left = -1; }
};

using Operation = std::function<void(World&)>;

inline const Operation nothing = [](World&) {};
inline const Operation clean = [](World& w) { w.module->real_recompile(); };
inline const Operation dirty = [](World& w) {
  w.module->real_recompile();
  set_plus(*w.graph, 2);
  w.module->recompile();
};

inline void every_allocation_fails_once(const Operation& prepare, const Operation& operation, const Operation& afterwards = nothing) {
  long failures = 0;
  for (long n = 0;; n += stride) {
    World world;
    prepare(world);
    bool succeeded = false;
    try {
      const Armed armed(n);
      operation(world);
      succeeded = true;
    } catch (const std::bad_alloc&) {
    } catch (const Error& e) { BOOST_TEST((e.kind() == ErrorKind::resource), "allocation " << n << ": " << e.what()); }
    const bool reached = allocation_failed;
    failures += !succeeded;
    if (world.runtime) {
      BOOST_TEST(world.runtime->stats().waiting == 0U);
      world.graph->lint();
      world.module->set_attr("w", vec({3, 3, 3, 3}));
      world.module->recompile();
      const Value y = (*world.module)(world.x);
      // |1 * 3|, or of whatever the operation made of the constant.
      BOOST_TEST(y.as_tensor().values<float>()[0] >= 3.0F, "after allocation " << n);
      world.ask(ForwardOptions().run_on(RunOn::pool));
      afterwards(world);
    }
    if (!reached) {
      BOOST_TEST(succeeded);
      break;
    }
  }
  BOOST_TEST(failures > 0);
}

}  // namespace support
