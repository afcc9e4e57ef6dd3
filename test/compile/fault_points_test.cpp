// Graphs, marks, compiles and runtimes, with each allocation failing in turn.
#define BOOST_TEST_MODULE compile_fault_points
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/graph/code.hpp"
#include "support/fault_points.hpp"

using namespace support;

namespace {

/// Goes on where a step ran out of memory.
bool stands_still(Simulation& world) {
  try {
    world.run();
    return true;
  } catch (const std::bad_alloc&) { return false; }
}

}  // namespace

BOOST_AUTO_TEST_CASE(building_a_graph_survives_it) {
  every_allocation_fails_once(nothing, [](World&) { ten_nodes()->lint(); });
}

BOOST_AUTO_TEST_CASE(editing_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    support::set_plus(*w.graph, 4);
    Node total = w.graph->find("total");
    const InsertionScope scope = w.graph->inserting_after(total);
    const Node extra = w.graph->call_function("onnx::Relu", {total}, {}, "extra");
    total.replace_all_uses_with(extra, [&](Node user) { return !(user == extra); });
    total.rename("sum_of_both");
    total.set_meta("a key that is longer than a short string", Value(1));
    total.rename("total");
  });
}

BOOST_AUTO_TEST_CASE(erasing_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    Node total = w.graph->find("total");
    const Node dead = w.graph->call_function("onnx::Relu", {total}, {}, "dead");
    w.graph->erase_node(dead);
    const InsertionScope scope = w.graph->inserting_after(total);
    static_cast<void>(w.graph->call_function("onnx::Relu", {total}, {}, "without_users"));
    w.graph->eliminate_dead_code([](Node) { return false; });
  });
}

BOOST_AUTO_TEST_CASE(looking_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    w.graph->lint();
    w.module->lint();
    static_cast<void>(to_string(*w.graph));
    static_cast<void>(w.module->code());
    static_cast<void>(w.module->print_readable());
    static_cast<void>(w.runtime->stats());
    static_cast<void>(w.runtime->compiles());
    static_cast<void>(Graph(*w.graph));
  });
}

BOOST_AUTO_TEST_CASE(construction_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    Runtime runtime(RuntimeOptions().threads(1).operators(operators));
    LazyGraphModule module(runtime, w.graph, w.root.get());
    module.recompile();
    static_cast<void>(module(w.x));
  });
}

BOOST_AUTO_TEST_CASE(marking_and_a_blocking_call_survive_it) {
  every_allocation_fails_once(clean, [](World& w) {
    support::set_plus(*w.graph, 5);
    w.module->recompile();
    static_cast<void>((*w.module)(w.x));
  });
}

BOOST_AUTO_TEST_CASE(the_first_compile_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) { w.module->real_recompile(); });
}

BOOST_AUTO_TEST_CASE(a_new_signature_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    LazyGraphModule module(*w.runtime, support::chain({"onnx::Relu"}, TensorType(DType::f32, {"N"})));
    for (const std::int64_t n : {4, 5, 6}) w.ask(module, Tensor::zeros(DType::f32, Shape{n}));
    module.recompile();  // with plans for these
    w.ask(module, w.x);
  });
}

BOOST_AUTO_TEST_CASE(debounced_marks_survive_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    const auto options = LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(std::chrono::nanoseconds(1));
    LazyGraphModule module(*w.runtime, ten_nodes(), w.root.get(), options);
    module.recompile();
    module.recompile();
    static_cast<void>(module(w.x));
  });
}

BOOST_AUTO_TEST_CASE(retrying_replacing_and_trimming_survive_it) {
  every_allocation_fails_once(clean, [](World& w) {
    w.module->set_attr("w", support::vec({4, 4, 4, 4}));
    w.module->set_graph(w.graph);
    w.module->retry();
    w.module->prefetch();
    w.runtime->trim(0);
  });
}

BOOST_AUTO_TEST_CASE(calling_a_module_through_others_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) {
    const Nest nest(w);
    static_cast<void>((*nest.top)(w.x));
    support::set_plus(*w.graph, 6);
    w.module->recompile();
    static_cast<void>((*nest.top)(w.x));
  });
}

BOOST_AUTO_TEST_CASE(a_runtime_that_is_watched_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    std::atomic<int> heard{0};
    Runtime runtime(RuntimeOptions().threads(1).operators(operators).trace(100).on_event([&](const CompileEvent&) { ++heard; }));
    LazyGraphModule module(runtime, w.graph, w.root.get());
    static_cast<void>(module(w.x));
    std::ostringstream trace;
    runtime.write_trace(trace);
    static_cast<void>(runtime.compiles());
    static_cast<void>(to_prometheus(runtime.stats()));
  });
}

BOOST_AUTO_TEST_CASE(a_runtime_on_an_executor_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    Runtime runtime(RuntimeOptions().threads(1).operators(operators).executor(w.loop.get_executor()));
    LazyGraphModule module(runtime, w.graph, w.root.get());
    module.recompile();
    w.ask(module);
    w.ask(module, ForwardOptions().run_on(RunOn::pool));
  });
}

BOOST_AUTO_TEST_CASE(a_simulation_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    Simulation world(1);
    Runtime runtime(world.options().operators(operators));
    LazyGraphModule module(runtime, w.graph, w.root.get());
    module.recompile();
    Answer answer;
    module.forward(Inputs(w.x), asio::bind_executor(world.executor(), answer.handler()));
    while (!stands_still(world)) {}
    answer.check();
  });
}

BOOST_AUTO_TEST_CASE(stopping_survives_it) {
  every_allocation_fails_once(dirty, [](World& w) {
    bool stopped = false;
    w.runtime->stop(asio::bind_executor(w.loop, [&](std::exception_ptr) { stopped = true; }));
    w.loop.run();
    BOOST_TEST(stopped);
    w.module.reset();
    w.runtime.reset();
  });
}

BOOST_AUTO_TEST_CASE(a_shortage_in_any_pass_fails_that_compile_and_no_later_one) {
  const auto filled = [](const Shape& shape) {
    Tensor t = Tensor::empty(DType::f32, shape);
    for (float& v : t.mutable_values<float>()) v = 0.25F;
    return t;
  };
  Container root;
  for (const char* name : {"scale", "shift", "mean", "variance"}) root.set_parameter(name, filled(Shape{4}));
  root.set_parameter("w", filled(Shape{4, 4, 1, 1}));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {1, 4, 2, 2}));
  const auto attribute = [&](const char* name) { return graph->get_attr(name); };
  Node y = graph->call_function("onnx::Conv", {x, attribute("w")});
  y = graph->call_function("onnx::BatchNormalization",
                           {y, attribute("scale"), attribute("shift"), attribute("mean"), attribute("variance")});
  y = graph->call_function("onnx::Add", {graph->call_function("onnx::Relu", {y}), x});
  graph->output(graph->call_function("onnx::Softmax", {y}));

  std::set<std::string> failed_in;
  for (long n = 0;; n += stride) {
    Runtime runtime(RuntimeOptions().threads(1).operators(operators).trace(1000));
    LazyGraphModule module(runtime, graph, &root);
    try {
      const Armed armed(n);
      module.real_recompile();
    } catch (const std::bad_alloc&) {
    } catch (const Error& e) { BOOST_TEST((e.kind() == ErrorKind::resource), "allocation " << n << ": " << e.what()); }
    if (!support::allocation_failed) break;
    std::ostringstream trace;
    runtime.write_trace(trace);
    const std::string text = trace.str();
    const std::string pass = "\"cat\":\"pass\",\"name\":\"";
    if (const auto at = text.rfind(pass); at != std::string::npos) {  // the pass that was under way, or the last before it
      const auto begin = at + pass.size();
      failed_in.insert(text.substr(begin, text.find('"', begin) - begin));
    }
    module.recompile();
    module.real_recompile();
    BOOST_TEST(!module.needs_recompile());
  }
  for (const char* pass : {"bind", "lower", "eliminate", "fold", "fuse", "layouts", "kernels", "memory plan"}) {
    BOOST_TEST(failed_in.contains(pass), pass);
  }
}
