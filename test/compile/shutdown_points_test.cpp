// A busy history in a simulated world is cut off after its first, second, third ... step, in each of the ways there are.
#define BOOST_TEST_MODULE compile_shutdown_points
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;
namespace asio = boost::asio;

namespace {

enum class End { stop, stop_awaited, destroy_runtime, destroy_modules, destroy_world };

struct Waiting {
  int completions = 0;
  bool destroyed = false;  ///< the handler, called or not
};

/// A handler's last moment, seen from outside.
struct Handler {
  explicit Handler(std::shared_ptr<Waiting> w) : waiting(std::move(w)) {}
  ~Handler() { waiting->destroyed = true; }
  std::shared_ptr<Waiting> waiting;
};

struct History {
  explicit History(std::uint64_t seed) : world(std::make_unique<Simulation>(seed, SimulationOptions().failures(seed % 3 == 0 ? 0.3 : 0))) {
    runtime = std::make_unique<Runtime>(world->options());
    for (int m = 0; m < 3; ++m) {
      LazyGraphModuleOptions options;
      if (m == 2) options.schedule(Schedule::debounced).quiet_time(std::chrono::microseconds(50));
      modules.push_back(std::make_shared<LazyGraphModule>(*runtime, support::plus(m % 2), nullptr, options));
    }
    modules.push_back(sum_of(modules[0], modules[2]));
    modules.push_back(sum_of(modules[3], modules[0]));
  }

  /// forward(x): what two modules make of x, and a constant.
  std::shared_ptr<LazyGraphModule> sum_of(std::shared_ptr<Module> a, std::shared_ptr<Module> b) {
    Container root;
    root.set_submodule("a", std::move(a));
    root.set_submodule("b", std::move(b));
    const auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", support::f32(4));
    const Node sum = graph->call_function("onnx::Add", {graph->call_module("a", {x}), graph->call_module("b", {x})});
    graph->output(graph->call_function("onnx::Add", {sum, 1.0}, {}, "total"));
    return std::make_shared<LazyGraphModule>(*runtime, graph, &root);
  }

  void act(std::size_t step) {
    LazyGraphModule& module = *modules[step % modules.size()];
    if (step % 4 == 1) support::set_plus(module.graph(), static_cast<double>(step));
    if (step % 4 < 2) module.recompile();
    if (step % 7 == 3) module.prefetch();
    if (step % 2 == 0) call(module, step);
    if (step % 9 == 5) wait(module);
  }

  void call(LazyGraphModule& module, std::size_t step) {
    constexpr RunOn places[] = {RunOn::automatic, RunOn::caller, RunOn::pool};
    ForwardOptions options;
    options.run_on(places[step % 3]);
    if (step % 5 == 0) options.freshness(Freshness::interpret_until_ready());
    if (step % 5 == 2) options.freshness(Freshness::last_good(2));
    waiting.push_back(std::make_shared<Waiting>());
    module.forward(Inputs(support::vec({0, 0, 0, 0})), options,
                   asio::bind_executor(world->executor(), [handler = std::make_shared<Handler>(waiting.back())](
                                                              std::exception_ptr, const Value&) { ++handler->waiting->completions; }));
  }

  void wait(LazyGraphModule& module) {
    waiting.push_back(std::make_shared<Waiting>());
    module.wait_ready(Tier::baseline, asio::bind_executor(world->executor(), [handler = std::make_shared<Handler>(waiting.back())](
                                                                                 std::exception_ptr) { ++handler->waiting->completions; }));
  }

  void end(End how) {
    switch (how) {
      case End::stop: runtime->stop(); break;
      case End::stop_awaited:
        waiting.push_back(std::make_shared<Waiting>());
        runtime->stop(asio::bind_executor(world->executor(), [w = waiting.back()](std::exception_ptr error) {
          BOOST_TEST(!error);
          ++w->completions;
          w->destroyed = true;
        }));
        break;
      case End::destroy_runtime: runtime.reset(); break;
      case End::destroy_modules: modules.clear(); break;
      case End::destroy_world:
        runtime->stop();
        world.reset();
        break;
    }
    if (world) world->run();
  }

  std::unique_ptr<Simulation> world;
  std::unique_ptr<Runtime> runtime;
  std::vector<std::shared_ptr<LazyGraphModule>> modules;  // the last two call those before them
  std::vector<std::shared_ptr<Waiting>> waiting;
};

// How many steps the history has in all; 0 when it was cut off before its end.
bool cut_off_after(std::size_t steps, std::uint64_t seed, End how) {
  History history(seed);
  std::size_t acts = 0;
  bool over = false;
  for (std::size_t i = 0; i < steps && !over; ++i) {
    if (i % 2 == 0 && acts < 30)
      history.act(acts++);
    else
      over = !history.world->step() && acts == 30;
  }
  history.end(how);
  const bool everybody_hears = how != End::destroy_world;
  for (const auto& w : history.waiting) {
    if (everybody_hears)
      BOOST_TEST(w->completions == 1, "after " << steps << " steps of seed " << seed << ": " << w->completions << " completions");
    else
      BOOST_TEST(w->completions <= 1);
  }
  history.modules.clear();
  history.runtime.reset();
  history.world.reset();
  for (const auto& w : history.waiting) BOOST_TEST(w->destroyed, "after " << steps << " steps of seed " << seed << " a handler is left");
  return over;
}

void cut_off_everywhere(End how) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::size_t steps = 0;
    while (!cut_off_after(steps, seed, how)) {
      ++steps;
      BOOST_TEST_REQUIRE(steps < 5000U);
    }
    BOOST_TEST(steps > 60U);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(stop_at_every_point_answers_everybody_once) { cut_off_everywhere(End::stop); }
BOOST_AUTO_TEST_CASE(stop_awaited_at_every_point_answers_everybody_once) { cut_off_everywhere(End::stop_awaited); }
BOOST_AUTO_TEST_CASE(a_runtime_destroyed_at_every_point_answers_everybody_once) { cut_off_everywhere(End::destroy_runtime); }
BOOST_AUTO_TEST_CASE(modules_destroyed_at_every_point_leave_nobody_waiting) { cut_off_everywhere(End::destroy_modules); }
BOOST_AUTO_TEST_CASE(a_context_destroyed_at_every_point_releases_every_handler) { cut_off_everywhere(End::destroy_world); }
