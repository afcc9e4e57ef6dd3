// The promises of the design about editors, callers, runs and lifetimes, for flat modules. Each test is one sentence of it.
#define BOOST_TEST_MODULE compile_calls
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::Call;
using support::chain;
using support::plus;
using support::vec;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Asio counts the references of an executor too large to be held in place, such as a strand, with fences, which ThreadSanitizer does not
// follow: it reports the last owner's delete.
extern "C" const char* __tsan_default_suppressions() { return "race:boost::asio::execution::detail::shared_target_executor\n"; }
#endif
#endif

namespace {

namespace asio = boost::asio;

const Tensor zeros = vec({0, 0, 0, 0});

Tensor call(GraphModule& module, const Tensor& x = zeros) { return module(Inputs(x)).as_tensor(); }

bool holds(const Tensor& tensor, float value) { return equal(tensor, vec({value, value, value, value})); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class Act>
void fails(ErrorKind kind, std::initializer_list<std::string> parts, Act&& act) {
  BOOST_CHECK_EXCEPTION(act(), Error, [&](const Error& e) {
    for (const std::string& part : parts) BOOST_TEST(contains(e.what(), part), part << " not in: " << e.what());
    BOOST_TEST(std::string(lazyfx::to_string(e.kind())) == lazyfx::to_string(kind));
    return true;
  });
}

// The identity, which tells on which thread it last ran.
struct Whereabouts {
  std::shared_ptr<std::atomic<std::thread::id>> thread = std::make_shared<std::atomic<std::thread::id>>();
  Operator op() const {
    return support::unary("t::where", [at = thread](float x) {
      at->store(std::this_thread::get_id());
      return x;
    });
  }
  bool here() const { return thread->load() == std::this_thread::get_id(); }
};

// A runtime with operators that hold compiles (t::held) and runs (t::busy).
struct Held {
  std::shared_ptr<support::Gate> compiles = std::make_shared<support::Gate>();
  std::shared_ptr<support::Gate> runs = std::make_shared<support::Gate>();
  std::unique_ptr<Runtime> runtime;
  support::OpenAtEnd open_compiles{*compiles};
  support::OpenAtEnd open_runs{*runs};

  explicit Held(std::size_t threads = 2)
      : runtime(std::make_unique<Runtime>(RuntimeOptions().threads(threads).operators(
            support::standard_and(support::held_in_compile("t::held", compiles), support::held_in_run("t::busy", runs))))) {}
};

}  // namespace

// ---- 10. One editor, many callers ------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(everything_that_looks_may_be_called_from_any_thread_while_the_module_is_edited) {
  Runtime runtime(RuntimeOptions().threads(2));
  LazyGraphModule module(runtime, plus(1));
  std::atomic<bool> editing{true};
  std::atomic<int> looked{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> lookers;
  for (int t = 0; t < 4; ++t) {
    lookers.emplace_back([&, t] {
      std::uint64_t last = 0;
      while (editing.load()) {
        if (t % 2 == 0 && !contains(module.code(), "onnx::Add")) wrong.fetch_add(1);
        static_cast<void>(module.needs_recompile());
        static_cast<void>(module.state());
        const std::uint64_t generation = module.generation();
        if (generation < last || runtime.stats().marks + 2 < generation) wrong.fetch_add(1);
        last = generation;
        looked.fetch_add(1);
      }
    });
  }
  for (int i = 0; i < 300 || looked.load() < 40; ++i) {
    support::set_plus(module.graph(), i);
    module.recompile();
  }
  editing.store(false);
  for (std::thread& looker : lookers) looker.join();
  BOOST_TEST(wrong.load() == 0);
}

// ---- 11. No mutable global state -------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(runtimes_do_not_share_operators) {
  const auto adding = [](float c) {
    return RuntimeOptions().operators(support::standard_and(support::unary("my::op", [c](float x) { return x + c; })));
  };
  Runtime one(adding(1));
  Runtime two(adding(2));
  Runtime plain;
  LazyGraphModule a(one, chain({"my::op"}));
  LazyGraphModule b(two, chain({"my::op"}));
  LazyGraphModule c(plain, chain({"my::op"}));
  BOOST_TEST(holds(call(a), 1));
  BOOST_TEST(holds(call(b), 2));
  BOOST_CHECK_THROW(call(c), CompileError);
}

BOOST_AUTO_TEST_CASE(graphs_are_built_and_compiled_on_many_threads_at_once) {
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&right, t] {
      Runtime runtime(RuntimeOptions().threads(1));
      for (int i = 0; i < 10; ++i) {
        LazyGraphModule module(runtime, plus(10 * t + i));
        if (holds(call(module), static_cast<float>(10 * t + i))) right.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(right.load() == 40);
}

// ---- 12. Completions go where Asio says ------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_call_completes_on_the_handlers_associated_executor) {
  Held held;
  LazyGraphModule module(*held.runtime, chain({"t::held"}));
  asio::thread_pool threads(2);
  auto strand = asio::make_strand(threads);
  std::promise<bool> waited, clean;
  const auto tell = [&strand](std::promise<bool>& promise) {
    return [&strand, &promise](std::exception_ptr, Value) { promise.set_value(strand.running_in_this_thread()); };
  };
  module.forward(zeros, asio::bind_executor(strand, tell(waited)));
  held.compiles->wait_for_arrivals(1);
  held.compiles->open();
  BOOST_TEST(waited.get_future().get());
  module.forward(zeros, asio::bind_executor(strand, tell(clean)));
  BOOST_TEST(clean.get_future().get());
  threads.join();
}

BOOST_AUTO_TEST_CASE(a_failed_and_a_cancelled_call_complete_on_the_executor_too) {
  Held held;
  LazyGraphModule module(*held.runtime, chain({"t::held"}));
  LazyGraphModule broken(*held.runtime, chain({"my::unheard"}));
  support::Loop loop;
  int on_loop = 0;
  const auto tell = [&](std::exception_ptr error, Value) {
    if (error && loop.get_executor().running_in_this_thread()) ++on_loop;
  };
  asio::cancellation_signal signal;
  module.forward(zeros, asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(loop, tell)));
  broken.forward(zeros, asio::bind_executor(loop, tell));
  held.compiles->wait_for_arrivals(1);
  signal.emit(asio::cancellation_type::terminal);
  loop.run();
  BOOST_TEST(on_loop == 2);
}

BOOST_AUTO_TEST_CASE(a_handler_is_never_called_inside_of_forward) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  call(module);
  support::Loop loop;
  bool inside = false, called_inside = false, called = false;
  asio::post(loop, [&] {
    inside = true;
    module.forward(zeros, asio::bind_executor(loop, [&](std::exception_ptr, Value) {
                     called_inside = inside;
                     called = true;
                   }));
    inside = false;
  });
  loop.run();
  BOOST_TEST(called);
  BOOST_TEST(!called_inside);
}

BOOST_AUTO_TEST_CASE(a_pending_call_keeps_its_executor_running) {
  Held held;
  LazyGraphModule module(*held.runtime, chain({"t::held"}));
  support::Loop loop;
  bool called = false;
  module.forward(zeros, asio::bind_executor(loop, [&](std::exception_ptr, Value) { called = true; }));
  held.compiles->wait_for_arrivals(1);
  std::thread opener([&] { held.compiles->open(); });
  loop.run();  // returns only when nothing is pending
  BOOST_TEST(called);
  opener.join();
}

// ---- 14. Bad input ---------------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_input_that_does_not_fit_is_named_and_loses_nothing) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("left", TensorType(DType::f32, {"N", 2}));
  const Node y = graph->placeholder("right", TensorType(DType::f32, {"N", 2}));
  graph->output(graph->call_function("onnx::Add", {x, y}));
  LazyGraphModule module(runtime, graph);
  const auto f32 = [](std::initializer_list<std::int64_t> dims) { return Tensor::zeros(DType::f32, Shape(dims)); };
  const auto with = [&](Value a, Value b) { return [&module, a, b] { module(Inputs(a, b)); }; };
  for (int round = 0; round < 2; ++round) {
    fails(ErrorKind::invalid_argument, {"left"}, with(f32({3, 4}), f32({3, 2})));
    fails(ErrorKind::invalid_argument, {"right"}, with(f32({3, 2}), Tensor::zeros(DType::f64, Shape{3, 2})));
    fails(ErrorKind::invalid_argument, {"N"}, with(f32({3, 2}), f32({4, 2})));
    fails(ErrorKind::invalid_argument, {"right"}, with(f32({3, 2}), f32({3, 2, 1})));
    fails(ErrorKind::invalid_argument, {"right"}, [&] { module(Inputs(f32({3, 2}))); });
    fails(ErrorKind::invalid_argument, {"2", "3"}, [&] { module(Inputs(f32({3, 2}), f32({3, 2}), f32({3, 2}))); });
    BOOST_CHECK_THROW(module(Inputs(f32({3, 2}), Tensor())), Error);
    BOOST_CHECK_THROW(module(Inputs(f32({3, 2}), Value())), Error);
    BOOST_CHECK_THROW(module(Inputs(f32({3, 2}), "text")), Error);
    BOOST_TEST(equal(module(Inputs(f32({3, 2}), f32({3, 2}))).as_tensor(), f32({3, 2})));
    BOOST_TEST((module.state() == ModuleState::clean));
  }
  const Inputs bad(f32({3, 2}), f32({4, 2}));
  BOOST_CHECK_THROW(support::run(module.forward(bad)), Error);
}

BOOST_AUTO_TEST_CASE(none_is_taken_where_it_is_the_default_and_all_shapes_are_fixed) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{4}), Argument());
  graph->output(x);
  LazyGraphModule module(runtime, graph);
  BOOST_TEST(holds(call(module), 0.0F));
  BOOST_TEST(module(Inputs(Value())).is_none());
  BOOST_TEST(module(Inputs()).is_none());
  BOOST_TEST(holds(call(module), 0.0F));
}

BOOST_AUTO_TEST_CASE(strided_inputs_are_read_as_what_they_show) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1, TensorType(DType::f32)));
  const Tensor wide = Tensor::from<float>({1, 2, 3, 4, 5, 6}, Shape{2, 3});
  const std::size_t swap[] = {1, 0};
  BOOST_TEST(equal(call(module, wide.transpose(swap)), Tensor::from<float>({2, 5, 3, 6, 4, 7}, Shape{3, 2})));
  BOOST_TEST(equal(call(module, wide.slice(1, 2, 3, -1)), Tensor::from<float>({4, 3, 2, 7, 6, 5}, Shape{2, 3})));
  BOOST_TEST(equal(call(module, vec({1}).expand(Shape{3})), vec({2, 2, 2})));
  BOOST_TEST(equal(call(module, Tensor::zeros(DType::f32, Shape{0, 5})), Tensor::zeros(DType::f32, Shape{0, 5})));
}

// ---- 15. Long runs do not block the loop -----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_run_on_the_pool_leaves_the_loop_free) {
  Held held;
  LazyGraphModule module(*held.runtime, chain({"t::busy"}));
  module.real_recompile();
  support::Loop loop;
  Call running(loop, module, zeros, ForwardOptions().run_on(RunOn::pool));
  int served = 0;
  while (held.runs->arrivals() == 0 || served < 10) {  // until the run has begun, and then some
    asio::post(loop, [&served] { ++served; });
    loop.restart();
    loop.run_one();
  }
  BOOST_TEST(!running.done());
  held.runs->open();
  BOOST_TEST(holds(running.get().as_tensor(), 0));
  BOOST_TEST(held.runtime->stats().runs == 1u);
}

BOOST_AUTO_TEST_CASE(run_on_caller_computes_on_the_callers_thread_and_run_on_pool_elsewhere) {
  const Whereabouts where;
  Runtime runtime(RuntimeOptions().operators(support::standard_and(where.op())));
  LazyGraphModule module(runtime, chain({"t::where"}));
  support::Loop loop;
  for (int round = 0; round < 2; ++round) {
    Call(loop, module, zeros, ForwardOptions().run_on(RunOn::caller)).get();
    BOOST_TEST(where.here());
    Call(loop, module, zeros, ForwardOptions().run_on(RunOn::pool)).get();
    BOOST_TEST(!where.here());
    call(module);
    BOOST_TEST(where.here());
  }
}

BOOST_AUTO_TEST_CASE(automatic_follows_the_inline_budget) {
  const Whereabouts where;
  const auto options = [&where] { return RuntimeOptions().operators(support::standard_and(where.op())); };
  Runtime generous(options().inline_budget_ns(1e18));
  Runtime strict(options().inline_budget_ns(0));
  LazyGraphModule here(generous, chain({"t::where"}));
  LazyGraphModule there(strict, chain({"t::where"}));
  support::Loop loop;
  for (int round = 0; round < 2; ++round) {
    Call(loop, here, zeros).get();
    BOOST_TEST(where.here());
    Call(loop, there, zeros).get();
    BOOST_TEST(!where.here());
  }
  BOOST_TEST(generous.stats().runs == 0u);
  BOOST_TEST(strict.stats().runs == 2u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_run_stops_between_steps) {
  const auto gate = std::make_shared<support::Gate>();
  const auto after = std::make_shared<std::atomic<int>>(0);
  auto runtime = std::make_unique<Runtime>(RuntimeOptions().threads(1).operators(
      support::standard_and(support::held_in_run("t::busy", gate), support::unary("t::after", [after](float x) {
                              after->fetch_add(1);
                              return x;
                            }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(*runtime, chain({"t::busy", "t::after"}));
  module.real_recompile();
  support::Loop loop;
  Call running(loop, module, zeros, ForwardOptions().run_on(RunOn::pool));
  gate->wait_for_arrivals(1);
  running.cancel();
  BOOST_CHECK_EXCEPTION(running.get(), boost::system::system_error,
                        [](const auto& e) { return e.code() == asio::error::operation_aborted; });
  gate->open();
  runtime->stop();  // the run has ended
  BOOST_TEST(after->load() == 0);
}

BOOST_AUTO_TEST_CASE(a_run_waiting_for_a_thread_can_be_cancelled) {
  Held held(1);
  LazyGraphModule module(*held.runtime, chain({"t::busy"}));
  module.real_recompile();
  support::Loop loop;
  Call running(loop, module, zeros, ForwardOptions().run_on(RunOn::pool));
  held.runs->wait_for_arrivals(1);
  Call queued(loop, module, zeros, ForwardOptions().run_on(RunOn::pool));
  while (held.runtime->stats().queued == 0) loop.poll(), loop.restart();
  queued.cancel();
  BOOST_CHECK_THROW(queued.get(), boost::system::system_error);
  BOOST_TEST(held.runtime->stats().queued == 0u);
  held.runs->open();
  BOOST_TEST(holds(running.get().as_tensor(), 0));
}

BOOST_AUTO_TEST_CASE(whatever_an_operator_throws_in_a_run_is_contained) {
  const auto throwing = [](const char* name, auto what) {
    Operator op = support::unary(name, [](float x) { return x; });
    op.reference = [what](std::span<const Tensor>, const Attributes&, std::size_t) -> std::vector<Tensor> { throw what; };
    return op;
  };
  Runtime runtime(RuntimeOptions().threads(1).operators(
      support::standard_and(throwing("t::int", 7), throwing("t::std", std::runtime_error("out of paper")),
                            throwing("t::own", Error(ErrorKind::unsupported, "not today")))));
  const auto failing = [&runtime](const char* target, ErrorKind kind, const std::string& said) {
    auto graph = std::make_shared<Graph>();
    graph->output(graph->call_function(target, {graph->placeholder("x", support::f32(4))}, {}, "culprit"));
    LazyGraphModule module(runtime, graph);
    support::Loop loop;
    for (const RunOn where : {RunOn::caller, RunOn::pool, RunOn::automatic}) {
      fails(kind, {target, "culprit", said}, [&] { Call(loop, module, zeros, ForwardOptions().run_on(where)).get(); });
    }
    fails(kind, {target, "culprit", said}, [&] { call(module); });
    BOOST_TEST((module.state() == ModuleState::clean));  // the compile was right
  };
  failing("t::int", ErrorKind::user_code, "");
  failing("t::std", ErrorKind::user_code, "out of paper");
  failing("t::own", ErrorKind::unsupported, "not today");
}

BOOST_AUTO_TEST_CASE(an_operator_that_breaks_its_word_is_reported) {
  const auto returning = [](const char* name, std::vector<Tensor> what) {
    Operator op = support::unary(name, [](float x) { return x; });
    op.reference = [what](std::span<const Tensor>, const Attributes&, std::size_t) { return what; };
    return op;
  };
  Runtime runtime(RuntimeOptions().operators(
      support::standard_and(returning("t::none", {}), returning("t::many", {zeros, zeros}), returning("t::undefined", {Tensor()}),
                            returning("t::shape", {vec({1, 2})}), returning("t::dtype", {Tensor::zeros(DType::f64, Shape{4})}))));
  for (const char* target : {"t::none", "t::many", "t::undefined", "t::shape", "t::dtype"}) {
    LazyGraphModule module(runtime, chain({target, "onnx::Neg"}));  // the next step relies on what was said
    fails(ErrorKind::user_code, {target}, [&] { call(module); });
  }
}

// ---- 16. forward has no memory ---------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(buffers_and_inputs_are_never_written_by_forward) {
  Runtime runtime;
  Container root;
  const Tensor weight = vec({1, 2, 3, 4});
  root.set_tensor("w", weight);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  const Node w = graph->get_attr("w");
  const Node doubled = graph->call_function("onnx::Mul", {w, 2.0});
  const Node y = graph->call_function("onnx::Add", {graph->call_function("onnx::Relu", {x}), doubled});
  graph->output(Argument::tuple({y, w, x}));
  LazyGraphModule module(runtime, graph, &root);
  const Tensor input = vec({-1, 2, -3, 4});
  for (int i = 0; i < 5; ++i) {
    const Value out = module(Inputs(input));
    BOOST_TEST(equal(out[0].as_tensor(), vec({2, 6, 6, 12})));
    BOOST_TEST(equal(out[1].as_tensor(), vec({1, 2, 3, 4})));
    BOOST_TEST(equal(out[2].as_tensor(), vec({-1, 2, -3, 4})));
  }
  BOOST_TEST(equal(weight, vec({1, 2, 3, 4})));
  BOOST_TEST(equal(input, vec({-1, 2, -3, 4})));
  BOOST_TEST(module.find_tensor("w")->tensor.is_same(weight));
}

BOOST_AUTO_TEST_CASE(a_result_is_the_callers_own_whatever_is_called_next) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  const Tensor first = call(module, vec({1, 1, 1, 1}));
  const Tensor second = call(module, vec({5, 5, 5, 5}));
  BOOST_TEST(holds(first, 2));
  BOOST_TEST(holds(second, 6));
}

BOOST_AUTO_TEST_CASE(a_tensor_given_by_set_attr_answers_after_the_next_recompile_and_reuses_nothing_stale) {
  Runtime runtime;
  Container root;
  root.set_tensor("w", vec({1, 1, 1, 1}));
  LazyGraphModule module(runtime, support::times_attribute("w"), &root);
  const Tensor ones = vec({1, 1, 1, 1});
  for (int i = 1; i <= 20; ++i) {
    const auto c = static_cast<float>(i);
    module.set_attr("w", vec({c, c, c, c}));
    BOOST_TEST(holds(call(module, ones), i == 1 ? 1 : c - 1));
    module.recompile();
    BOOST_TEST(holds(call(module, ones), c));
  }
}

// ---- Lifetimes and stop ----------------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_module_may_be_destroyed_while_calls_wait) {
  Held held;
  auto module = std::make_unique<LazyGraphModule>(*held.runtime, chain({"t::held"}));
  support::Loop loop;
  Call waiting(loop, *module, zeros);
  held.compiles->wait_for_arrivals(1);
  module.reset();
  held.compiles->open();
  BOOST_TEST(holds(waiting.get().as_tensor(), 0));
}

BOOST_AUTO_TEST_CASE(a_runtime_may_be_destroyed_before_its_modules) {
  auto runtime = std::make_unique<Runtime>();
  LazyGraphModule clean(*runtime, plus(1));
  LazyGraphModule dirty(*runtime, plus(2));
  call(clean);
  runtime.reset();
  BOOST_TEST(holds(call(clean), 1));  // what is clean goes on answering
  support::Loop loop;
  BOOST_TEST(holds(Call(loop, clean, zeros).get().as_tensor(), 1));
  fails(ErrorKind::stopped, {"stopped"}, [&] { call(dirty); });
  fails(ErrorKind::stopped, {"stopped"}, [&] { Call(loop, dirty, zeros).get(); });
  fails(ErrorKind::stopped, {"stopped"}, [&] { Call(loop, clean, zeros, ForwardOptions().run_on(RunOn::pool)).get(); });
  dirty.recompile();
  dirty.prefetch();
  BOOST_TEST(contains(dirty.code(), "onnx::Add"));
}

BOOST_AUTO_TEST_CASE(a_runtime_destroyed_while_calls_wait_answers_them_all) {
  Held held(1);
  LazyGraphModule compiling(*held.runtime, chain({"t::held"}));
  LazyGraphModule queued(*held.runtime, chain({"onnx::Neg", "t::held"}));
  support::Loop loop;
  std::vector<std::unique_ptr<Call>> calls;
  calls.push_back(std::make_unique<Call>(loop, compiling, zeros));
  held.compiles->wait_for_arrivals(1);
  calls.push_back(std::make_unique<Call>(loop, compiling, zeros));
  calls.push_back(std::make_unique<Call>(loop, queued, zeros));
  std::thread destroyer([&held] { held.runtime.reset(); });
  fails(ErrorKind::stopped, {"stopped"}, [&] { calls[2]->get(); });  // its compile will never begin
  held.compiles->open();
  destroyer.join();
  for (const std::size_t i : {0, 1}) fails(ErrorKind::stopped, {"stopped"}, [&] { calls[i]->get(); });
}

BOOST_AUTO_TEST_CASE(stop_completes_every_waiter_and_is_idempotent) {
  Held held(1);
  LazyGraphModule module(*held.runtime, chain({"t::held"}));
  LazyGraphModule probe(*held.runtime, plus(1));
  support::Loop loop;
  Call waiting(loop, module, zeros);
  std::exception_ptr ready;
  module.real_recompile(asio::bind_executor(loop, [&ready](std::exception_ptr e) { ready = e; }));
  held.compiles->wait_for_arrivals(1);
  std::promise<ErrorKind> said;
  std::thread blocked([&] {
    try {
      call(module);
    } catch (const Error& e) { said.set_value(e.kind()); }
  });
  while (held.runtime->stats().waiting < 3) std::this_thread::yield();
  std::thread stopper([&] { held.runtime->stop(); });
  // The gate opens once the stop is under way: from then on nothing new is compiled.
  for (bool stopping = false; !stopping;) {
    probe.recompile();
    try {
      call(probe);
    } catch (const Error& e) { stopping = e.kind() == ErrorKind::stopped; }
  }
  held.compiles->open();
  stopper.join();
  blocked.join();
  BOOST_TEST(std::string(to_string(said.get_future().get())) == "stopped");
  fails(ErrorKind::stopped, {"stopped"}, [&] { waiting.get(); });
  loop.restart();
  loop.run();
  BOOST_TEST((ready != nullptr));
  held.runtime->stop();
  BOOST_TEST(held.runtime->stats().waiting == 0u);
  BOOST_TEST(held.runtime->stats().running == 0u);
  fails(ErrorKind::stopped, {"stopped"}, [&] { call(module); });
}

BOOST_AUTO_TEST_CASE(stop_ends_a_run_on_the_pool_at_its_next_step_and_leaves_a_callers_own_run_alone) {
  const auto gate = std::make_shared<support::Gate>();
  const auto after = std::make_shared<std::atomic<int>>(0);
  Runtime runtime(RuntimeOptions().threads(1).operators(
      support::standard_and(support::held_in_run("t::busy", gate), support::unary("t::after", [after](float x) {
                              after->fetch_add(1);
                              return x;
                            }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, chain({"t::busy", "t::after"}, support::f32(1)));
  LazyGraphModule probe(runtime, plus(1));
  module.real_recompile();
  support::Loop loop;
  Call running(loop, module, vec({0}), ForwardOptions().run_on(RunOn::pool));
  std::thread caller([&] { BOOST_TEST(equal(call(module, vec({5})), vec({5}))); });
  gate->wait_for_arrivals(2);
  std::thread stopper([&] { runtime.stop(); });
  for (bool stopping = false; !stopping;) {
    probe.recompile();
    try {
      call(probe);
    } catch (const Error& e) { stopping = e.kind() == ErrorKind::stopped; }
  }
  gate->open();
  stopper.join();
  caller.join();
  fails(ErrorKind::stopped, {"stopped"}, [&] { running.get(); });
  BOOST_TEST(after->load() == 1);  // the caller's
}

BOOST_AUTO_TEST_CASE(a_loop_destroyed_before_its_calls_complete_destroys_their_handlers) {
  Held held;
  auto module = std::make_unique<LazyGraphModule>(*held.runtime, chain({"t::held"}));
  const auto token = std::make_shared<int>(0);
  {
    asio::io_context loop;
    module->forward(zeros, asio::bind_executor(loop, [token](std::exception_ptr, Value) {}));
    held.compiles->wait_for_arrivals(1);
    held.compiles->open();
    module->real_recompile();
    held.runtime->stop();  // what was to be posted has been
  }
  BOOST_TEST(token.use_count() == 1);
}
