#define BOOST_TEST_MODULE module_lazy_graph_module
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/ambient.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::chain;
using support::close;
using support::plus;
using support::vec;

namespace {

namespace asio = boost::asio;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const Tensor x0 = vec({0.1F, 0.2F, 0.3F, 0.4F});

Tensor call(GraphModule& module, const Tensor& x = x0) { return module(Inputs(x)).as_tensor(); }

Tensor each(float (*f)(float)) {
  Tensor out = Tensor::empty(DType::f32, x0.shape());
  for (std::size_t i = 0; i < 4; ++i) out.mutable_values<float>()[i] = f(x0.values<float>()[i]);
  return out;
}
Tensor sines() {
  return each([](float v) { return std::sin(v); });
}
Tensor cosines() {
  return each([](float v) { return std::cos(v); });
}

void replace_sin_with_cos(Graph& graph) {
  for (Node node : graph.find_nodes(Opcode::call_function, "onnx::Sin")) node.set_target("onnx::Cos");
}

// Nothing was asked of the pool so far.
void nothing_scheduled(const Runtime& runtime) {
  const RuntimeStats stats = runtime.stats();
  BOOST_TEST(stats.compiles_started == 0u);
  BOOST_TEST(stats.queued == 0u);
  BOOST_TEST(stats.running == 0u);
}

// A runtime whose operator t::held keeps every compile that meets it.
struct Held {
  std::shared_ptr<support::Gate> gate = std::make_shared<support::Gate>();
  Runtime runtime;
  support::OpenAtEnd open{*gate};

  explicit Held(std::size_t threads = 2)
      : runtime(RuntimeOptions().threads(threads).operators(support::standard_and(support::held_in_compile("t::held", gate)))) {}
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_edit_is_answered_for_after_recompile) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  replace_sin_with_cos(module.graph());
  module.recompile();
  BOOST_TEST(close(call(module), cosines()));
  BOOST_TEST(contains(module.print_readable(), "Cos"));
  BOOST_TEST(module.is_lazy());
}

BOOST_AUTO_TEST_CASE(forward_answers_for_an_edit_as_call_does) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  replace_sin_with_cos(module.graph());
  module.recompile();
  BOOST_TEST(close(support::run(module.forward(x0)).as_tensor(), cosines()));
}

BOOST_AUTO_TEST_CASE(a_fresh_module_is_dirty_and_one_call_makes_it_clean) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  BOOST_TEST(module.needs_recompile());
  BOOST_TEST((module.state() == ModuleState::dirty));
  nothing_scheduled(runtime);
  call(module);
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST((module.state() == ModuleState::clean));
}

BOOST_AUTO_TEST_CASE(an_edit_alone_leaves_it_clean_and_answering_for_the_old_graph) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}), nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  BOOST_TEST(close(call(module), sines()));
  replace_sin_with_cos(module.graph());
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST(close(call(module), sines()));
  module.recompile();
  BOOST_TEST(module.needs_recompile());
  BOOST_TEST(close(call(module), cosines()));
  BOOST_TEST(!module.needs_recompile());
}

BOOST_AUTO_TEST_CASE(reading_code_schedules_the_compile_and_does_not_wait_for_it) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "onnx::Sin"}));
  const std::string code = module.code();  // returns though nothing can be compiled now
  BOOST_TEST(contains(code, "onnx::Sin"));
  held.gate->wait_for_arrivals(1);
  BOOST_TEST(module.needs_recompile());
  BOOST_TEST((module.state() == ModuleState::compiling));
  BOOST_TEST(module.code() == code);
  held.gate->open();
  module.real_recompile();
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST(held.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(printing_schedules_the_compile_and_shows_the_code) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "onnx::Sin"}));
  std::ostringstream out;
  out << module;
  BOOST_TEST(contains(out.str(), "GraphModule"));
  BOOST_TEST(contains(out.str(), "onnx::Sin"));
  held.gate->wait_for_arrivals(1);
}

BOOST_AUTO_TEST_CASE(print_readable_schedules_nothing) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  BOOST_TEST(contains(module.print_readable(), "onnx::Sin"));
  nothing_scheduled(runtime);
  BOOST_TEST((module.state() == ModuleState::dirty));
}

BOOST_AUTO_TEST_CASE(code_shows_the_marked_graph_not_the_edits_after_it) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  replace_sin_with_cos(module.graph());
  BOOST_TEST(contains(module.code(), "onnx::Sin"));
  module.recompile();
  BOOST_TEST(contains(module.code(), "onnx::Cos"));
}

BOOST_AUTO_TEST_CASE(code_never_throws_a_compile_error) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"my::unheard"}));
  BOOST_TEST(contains(module.code(), "my::unheard"));
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
  BOOST_TEST(contains(module.code(), "my::unheard"));
  BOOST_TEST(contains(to_string(module), "my::unheard"));
}

BOOST_AUTO_TEST_CASE(interpreting_a_dirty_module_leaves_it_dirty) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  const std::vector<Value> inputs{x0};
  BOOST_TEST(close(Interpreter(module).run(inputs).as_tensor(), sines()));
  BOOST_TEST(module.needs_recompile());
  nothing_scheduled(runtime);
}

BOOST_AUTO_TEST_CASE(a_saved_forward_stays_valid_and_compiles_once) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  const auto forward = [&module](const Tensor& x) { return module.forward(x, asio::use_future); };  // taken while dirty
  for (int i = 0; i < 10; ++i) BOOST_TEST(close(forward(x0).get().as_tensor(), sines()));
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
}

BOOST_AUTO_TEST_CASE(forward_takes_any_completion_token) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  BOOST_TEST(close(module.forward(x0, asio::use_future).get().as_tensor(), sines()));
  BOOST_TEST(close(support::run(module.forward(x0, asio::use_awaitable)).as_tensor(), sines()));
  support::Loop loop;
  BOOST_TEST(close(support::Call(loop, module, x0).get().as_tensor(), sines()));
  std::promise<Value> promise;
  module.forward(x0, [&promise](std::exception_ptr, Value y) { promise.set_value(std::move(y)); });
  BOOST_TEST(close(promise.get_future().get().as_tensor(), sines()));
}

BOOST_AUTO_TEST_CASE(a_move_only_handler_is_taken) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  support::Loop loop;
  Value got;
  auto handler = [&got, owner = std::make_unique<int>(1)](std::exception_ptr, Value y) {
    if (*owner == 1) got = std::move(y);
  };
  module.forward(x0, asio::bind_executor(loop, std::move(handler)));
  loop.run();
  BOOST_REQUIRE(got.is_tensor());
  BOOST_TEST(close(got.as_tensor(), sines()));
}

BOOST_AUTO_TEST_CASE(a_thousand_marks_without_edits_and_one_call_are_one_compile) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  for (int i = 0; i < 1000; ++i) module.recompile();
  BOOST_TEST(module.generation() == 1001u);
  BOOST_TEST(close(call(module), sines()));
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST(runtime.stats().marks == 1000u);
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
}

BOOST_AUTO_TEST_CASE(a_module_nobody_observes_is_never_compiled) {
  Runtime runtime;
  { LazyGraphModule module(runtime, chain({"onnx::Sin"})); }
  nothing_scheduled(runtime);
}

BOOST_AUTO_TEST_CASE(on_demand_only_calls_and_prefetches_schedule) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}), nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  BOOST_TEST((module.schedule() == Schedule::on_demand));
  for (int i = 0; i < 10; ++i) module.recompile();
  nothing_scheduled(runtime);
  BOOST_TEST((module.state() == ModuleState::dirty));
  call(module);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(prefetch_compiles_in_the_background) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "onnx::Sin"}), nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  module.prefetch();
  held.gate->wait_for_arrivals(1);
  BOOST_TEST((module.state() == ModuleState::compiling));
  module.prefetch();
  held.gate->open();
  BOOST_TEST(close(call(module), sines()));
  BOOST_TEST(held.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(states_are_passed_in_order) {
  Held held(1);
  LazyGraphModule first(held.runtime, chain({"t::held"}));
  LazyGraphModule second(held.runtime, chain({"onnx::Sin", "t::held"}));
  BOOST_TEST((second.state() == ModuleState::dirty));
  first.recompile();
  held.gate->wait_for_arrivals(1);  // the only thread is taken
  second.recompile();
  BOOST_TEST((first.state() == ModuleState::compiling));
  BOOST_TEST((second.state() == ModuleState::queued));
  BOOST_TEST(held.runtime.stats().queued == 1u);
  held.gate->open();
  second.real_recompile();
  BOOST_TEST((second.state() == ModuleState::clean));
  second.recompile();
  BOOST_TEST(second.generation() == 3u);
}

BOOST_AUTO_TEST_CASE(real_recompile_compiles_what_is_dirty_and_nothing_else) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  module.real_recompile();
  BOOST_TEST(!module.needs_recompile());
  module.real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(module.generation() == 1u);
}

BOOST_AUTO_TEST_CASE(real_recompile_can_be_awaited) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held", "onnx::Sin"}));
  support::Loop loop;
  bool done = false;
  module.real_recompile(asio::bind_executor(loop, [&done](std::exception_ptr error) { done = error == nullptr; }));
  held.gate->wait_for_arrivals(1);
  loop.poll();
  BOOST_TEST(!done);
  held.gate->open();
  loop.restart();
  loop.run();
  BOOST_TEST(done);
  BOOST_TEST(!module.needs_recompile());
  support::run(module.real_recompile(asio::use_awaitable));  // clean already
  BOOST_TEST(held.runtime.stats().compiles_started == 1u);
}

BOOST_AUTO_TEST_CASE(a_failing_real_recompile_throws_in_both_forms) {
  Runtime runtime;
  LazyGraphModule module(runtime, chain({"my::unheard"}));
  BOOST_CHECK_THROW(module.real_recompile(), CompileError);
  BOOST_CHECK_THROW(support::run(module.real_recompile(asio::use_awaitable)), CompileError);
}

BOOST_AUTO_TEST_CASE(force_recompile_cleans_a_lazy_module_and_leaves_an_eager_one_alone) {
  Runtime runtime;
  LazyGraphModule lazy(runtime, chain({"onnx::Sin"}));
  LazyGraphModule::force_recompile(lazy);
  BOOST_TEST(!lazy.needs_recompile());
  GraphModule eager(runtime, chain({"onnx::Cos"}));
  replace_sin_with_cos(eager.graph());
  const std::uint64_t before = runtime.stats().compiles_started;
  LazyGraphModule::force_recompile(eager);
  BOOST_TEST(runtime.stats().compiles_started == before);
  BOOST_TEST(eager.generation() == 1u);
}

BOOST_AUTO_TEST_CASE(waiting_on_a_pool_thread_for_a_compile_that_another_has_begun_would_deadlock) {
  const auto gate = std::make_shared<support::Gate>();
  std::unique_ptr<LazyGraphModule> first;
  std::promise<ErrorKind> refused;
  const auto ask = [&] {
    try {
      first->real_recompile();
    } catch (const Error& e) { refused.set_value(e.kind()); }
  };
  Runtime runtime(RuntimeOptions().threads(2).operators(
      support::standard_and(support::held_in_compile("t::held", gate), support::acts_in_compile("t::asks", ask))));
  const support::OpenAtEnd open(*gate);
  first = std::make_unique<LazyGraphModule>(runtime, chain({"t::held"}));
  LazyGraphModule second(runtime, chain({"t::asks"}));
  first->recompile();
  gate->wait_for_arrivals(1);
  second.recompile();
  BOOST_TEST(std::string(to_string(refused.get_future().get())) == "would_deadlock");
  gate->open();
  first->real_recompile();
}

BOOST_AUTO_TEST_CASE(an_operator_that_waits_for_its_own_module_would_deadlock) {
  std::unique_ptr<LazyGraphModule> module;
  ErrorKind kind{};
  const auto ask = [&] {
    try {
      module->real_recompile();
    } catch (const Error& e) { kind = e.kind(); }
  };
  Runtime runtime(RuntimeOptions().threads(1).operators(support::standard_and(support::acts_in_compile("t::asks", ask))));
  module = std::make_unique<LazyGraphModule>(runtime, chain({"t::asks", "onnx::Sin"}));
  BOOST_TEST(close(call(*module), sines()));  // this thread helps
  BOOST_TEST(std::string(to_string(kind)) == "would_deadlock");
  kind = {};
  module->set_graph(chain({"t::asks", "onnx::Cos"}));
  BOOST_TEST(close(support::run(module->forward(x0)).as_tensor(), cosines()));  // the pool's thread
  BOOST_TEST(std::string(to_string(kind)) == "would_deadlock");
  // The same while a plan is made for one signature.
  module->set_graph(chain({"t::asks", "onnx::Sin"}, TensorType(DType::f32)));
  module->real_recompile();
  BOOST_TEST(close(call(*module), sines()));
}

BOOST_AUTO_TEST_CASE(from_graphmodule_returns_a_lazy_module_itself) {
  Runtime runtime;
  const auto lazy = std::make_shared<LazyGraphModule>(runtime, chain({"onnx::Sin"}));
  BOOST_TEST(LazyGraphModule::from_graphmodule(lazy) == lazy);
}

BOOST_AUTO_TEST_CASE(from_graphmodule_makes_a_dirty_module_over_the_same_graph) {
  Runtime runtime;
  Container root;
  root.set_tensor("layer.weight", vec({2, 2, 2, 2}), Module::TensorKind::parameter);
  const auto eager = std::make_shared<GraphModule>(runtime, support::times_attribute("layer.weight"), &root);
  const auto lazy = LazyGraphModule::from_graphmodule(eager);
  BOOST_TEST(lazy->graph_ptr() == eager->graph_ptr());
  BOOST_TEST(lazy->is_lazy());
  BOOST_TEST(lazy->needs_recompile());
  BOOST_TEST(lazy->class_name() == "GraphModule");
  BOOST_REQUIRE(lazy->find_tensor("layer.weight"));
  BOOST_TEST((lazy->find_tensor("layer.weight")->kind == Module::TensorKind::parameter));
  BOOST_TEST(equal(call(*lazy, vec({1, 2, 3, 4})), vec({2, 4, 6, 8})));
  BOOST_TEST(equal(call(*eager, vec({1, 2, 3, 4})), vec({2, 4, 6, 8})));
}

BOOST_AUTO_TEST_CASE(nodes_stay_valid_while_the_module_or_the_graph_lives) {
  Runtime runtime;
  auto graph = chain({"onnx::Sin"});
  const Node node = graph->find_nodes(Opcode::call_function)[0];
  auto module = std::make_unique<LazyGraphModule>(runtime, graph);
  graph.reset();
  BOOST_TEST(node.target() == "onnx::Sin");
  graph = module->graph_ptr();
  module.reset();
  BOOST_TEST(node.target() == "onnx::Sin");
}

BOOST_AUTO_TEST_CASE(make_graph_module_makes_a_dirty_lazy_module_under_the_guard) {
  Runtime runtime;
  const UseLazyGraphModule use;
  const auto module = make_graph_module(runtime, chain({"onnx::Sin"}), nullptr, LazyGraphModuleOptions().class_name("MyGraphModule"));
  BOOST_TEST(module->is_lazy());
  BOOST_TEST(module->needs_recompile());
  BOOST_TEST(module->class_name() == "MyGraphModule");
  nothing_scheduled(runtime);
  module->recompile();  // through the base class: still only a mark
  BOOST_TEST(module->generation() == 2u);
}

BOOST_AUTO_TEST_CASE(set_attr_is_visible_after_the_next_recompile) {
  Runtime runtime;
  Container root;
  root.set_tensor("w", vec({1, 1, 1, 1}));
  LazyGraphModule module(runtime, support::times_attribute("w"), &root);
  BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({1, 2, 3, 4})));
  module.set_attr("w", vec({10, 10, 10, 10}));
  BOOST_TEST(!module.needs_recompile());
  BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({1, 2, 3, 4})));
  module.recompile();
  BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({10, 20, 30, 40})));
  BOOST_TEST(equal(root.find_tensor("w")->tensor, vec({1, 1, 1, 1})));
}

BOOST_AUTO_TEST_CASE(set_attr_before_the_first_call_counts_once_marked) {
  Runtime runtime;
  Container root;
  root.set_tensor("w", vec({1, 1, 1, 1}));
  LazyGraphModule module(runtime, support::times_attribute("w"), &root);
  module.set_attr("w", vec({3, 3, 3, 3}));
  module.recompile();
  BOOST_TEST(equal(call(module, vec({1, 2, 3, 4})), vec({3, 6, 9, 12})));
}

BOOST_AUTO_TEST_CASE(set_graph_marks_and_the_next_call_answers_for_the_new_graph) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"onnx::Sin"}));
  call(module);
  module.set_graph(chain({"t::held", "onnx::Cos"}));  // does not wait
  BOOST_TEST(module.needs_recompile());
  BOOST_TEST(contains(module.code(), "onnx::Cos"));
  held.gate->open();
  BOOST_TEST(close(call(module), cosines()));
}

BOOST_AUTO_TEST_CASE(a_null_graph_is_refused) {
  Runtime runtime;
  BOOST_CHECK_THROW(LazyGraphModule(runtime, nullptr), Error);
  LazyGraphModule module(runtime, chain({"onnx::Sin"}));
  BOOST_CHECK_THROW(module.set_graph(nullptr), Error);
  BOOST_TEST(close(call(module), sines()));
}

BOOST_AUTO_TEST_CASE(one_runtime_serves_many_modules) {
  Runtime runtime(RuntimeOptions().threads(2));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (int i = 0; i < 100; ++i) modules.push_back(std::make_unique<LazyGraphModule>(runtime, plus(i)));
  for (auto& module : modules) module->recompile();
  for (int i = 99; i >= 0; --i) {
    const auto c = static_cast<float>(i);
    BOOST_TEST(equal(call(*modules[static_cast<std::size_t>(i)], vec({0, 0, 0, 0})), vec({c, c, c, c})));
  }
}
