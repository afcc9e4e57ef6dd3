// Runtime::stats() against histories that are known.
#define BOOST_TEST_MODULE compile_stats
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using std::chrono::nanoseconds;
using support::Call;
using support::chain;
using support::held_plus;
using support::plus;
using support::vec;

namespace {

const Tensor zeros = vec({0, 0, 0, 0});

struct Held {
  std::shared_ptr<support::Gate> compiles = std::make_shared<support::Gate>();
  std::shared_ptr<support::Gate> runs = std::make_shared<support::Gate>();
  Runtime runtime;
  support::OpenAtEnd open_compiles{*compiles};
  support::OpenAtEnd open_runs{*runs};

  explicit Held(std::size_t threads = 1)
      : runtime(RuntimeOptions().threads(threads).operators(
            support::standard_and(support::held_in_compile("t::held", compiles), support::held_in_run("t::busy", runs),
                                  support::acts_in_compile("t::broken", [] { throw std::runtime_error("no"); })))) {}
};

/// A change of the graph that a compile sees.
void edit(LazyGraphModule& module, double c) {
  support::set_plus(module.graph(), c);
  module.recompile();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_runtime_that_did_nothing_counts_nothing) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1));
  const RuntimeStats s = runtime.stats();
  BOOST_TEST(s.marks + s.marks_coalesced + s.compiles_started + s.cache_misses + s.waits + s.queued + s.running + s.waiting == 0u);
  BOOST_TEST(s.executables + s.plans + s.executable_bytes + s.weight_bytes == 0u);
  BOOST_TEST(s.queue_wait.count() + s.compile_time.count() + s.wait_time.count() + s.run_time.count() == 0u);
  BOOST_TEST((s.oldest_job == nanoseconds(0)));
}

BOOST_AUTO_TEST_CASE(a_compile_is_one_miss_and_equal_content_is_a_hit) {
  Runtime runtime;
  LazyGraphModule one(runtime, plus(1)), other(runtime, plus(1));
  one(Inputs(zeros));
  other(Inputs(zeros));
  const RuntimeStats s = runtime.stats();
  BOOST_TEST(s.cache_misses == 1u);
  BOOST_TEST(s.cache_hits == 1u);
  BOOST_TEST(s.compile_time.count() == 1u);
  BOOST_TEST((s.compile_time.sum > nanoseconds(0)));
  BOOST_TEST(s.waits == 2u);
  BOOST_TEST(s.wait_time.count() == 2u);
}

BOOST_AUTO_TEST_CASE(marks_that_one_compile_answers_for_are_coalesced) {
  Held held;
  LazyGraphModule busy(held.runtime, chain({"t::held"})), module(held.runtime, plus(1));
  busy.prefetch();
  held.compiles->wait_for_arrivals(1);
  for (int i = 0; i < 5; ++i) edit(module, i);
  RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.marks == 5u);
  BOOST_TEST(s.marks_coalesced == 4u);
  BOOST_TEST(s.queued == 1u);
  BOOST_TEST(s.running == 1u);
  BOOST_TEST((s.oldest_job > nanoseconds(0)));
  BOOST_TEST((held.runtime.stats().oldest_job >= s.oldest_job));
  held.compiles->open();
  support::Loop loop;
  Call(loop, module, zeros).get();
  s = held.runtime.stats();
  BOOST_TEST(s.compiles_started == 2u);
  BOOST_TEST(s.queue_wait.count() == 2u);
  BOOST_TEST((s.oldest_job == nanoseconds(0)));
}

BOOST_AUTO_TEST_CASE(marks_of_a_module_that_compiles_later_are_coalesced_too) {
  for (const Schedule schedule : {Schedule::on_demand, Schedule::debounced}) {
    Runtime runtime;
    LazyGraphModule module(runtime, plus(0), nullptr, LazyGraphModuleOptions().schedule(schedule).quiet_time(std::chrono::hours(1)));
    for (int i = 1; i <= 1000; ++i) edit(module, i);
    BOOST_TEST(runtime.stats().marks_coalesced == 999u);
    module(Inputs(zeros));
    const RuntimeStats s = runtime.stats();
    BOOST_TEST(s.marks == 1000u);
    BOOST_TEST(s.compiles_started == 1u);
    BOOST_TEST(s.marks_coalesced == 999u);
  }
}

BOOST_AUTO_TEST_CASE(a_mark_after_the_compile_of_the_one_before_it_has_begun_is_not_coalesced) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(0), nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  module.prefetch();  // the generation it was built with is no mark
  held.compiles->wait_for_arrivals(1);
  edit(module, 1);
  held.compiles->open();
  module(Inputs(zeros));
  edit(module, 2);
  module(Inputs(zeros));
  edit(module, 1);
  module(Inputs(zeros));  // from the cache
  edit(module, 3);
  module(Inputs(zeros));
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.marks == 4u);
  BOOST_TEST(s.cache_hits == 1u);
  BOOST_TEST(s.marks_coalesced == 0u);
}

BOOST_AUTO_TEST_CASE(a_compile_given_up_for_a_newer_mark_is_superseded_and_stops) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(1));
  module.recompile();
  held.compiles->wait_for_arrivals(1);
  edit(module, 2);
  BOOST_TEST(held.runtime.stats().compiles_superseded == 1u);
  held.compiles->open();
  support::Loop loop;
  BOOST_TEST(equal(Call(loop, module, zeros).get().as_tensor(), vec({2, 2, 2, 2})));
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_superseded == 1u);
  BOOST_TEST(s.compiles_cancelled == 1u);
  BOOST_TEST(s.compiles_finished == 1u);
  BOOST_TEST(s.compile_time.count() == 2u);
}

BOOST_AUTO_TEST_CASE(an_awaited_compile_is_not_superseded) {
  Held held;
  LazyGraphModule module(held.runtime, held_plus(1));
  support::Loop loop;
  Call first(loop, module, zeros);
  held.compiles->wait_for_arrivals(1);
  edit(module, 2);
  BOOST_TEST(held.runtime.stats().compiles_superseded == 0u);
  held.compiles->open();
  first.get();
  Call(loop, module, zeros).get();
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_superseded == 0u);
  BOOST_TEST(s.compiles_finished == 2u);
}

BOOST_AUTO_TEST_CASE(every_compile_that_began_has_ended_one_way_or_is_under_way) {
  Held held;
  const auto adds_up = [&] {
    const RuntimeStats s = held.runtime.stats();
    return s.compiles_started == s.compiles_finished + s.compiles_failed + s.compiles_cancelled + held.runtime.compiles().size();
  };
  support::Loop loop;
  LazyGraphModule broken(held.runtime, chain({"t::broken"})), module(held.runtime, held_plus(1));
  BOOST_CHECK_THROW(broken(Inputs(zeros)), CompileError);
  BOOST_TEST(adds_up());
  module.recompile();
  held.compiles->wait_for_arrivals(1);
  for (int i = 0; i < 5; ++i) {
    LazyGraphModule never_begun(held.runtime, plus(i));
    never_begun.recompile();
  }
  BOOST_TEST(adds_up());
  BOOST_TEST(held.runtime.compiles().size() == 1u);
  edit(module, 2);  // the one under way is given up
  held.compiles->open();
  Call(loop, module, zeros).get();
  BOOST_TEST(adds_up());
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_started == 3u);
  BOOST_TEST(s.compiles_finished == 1u);
  BOOST_TEST(s.compiles_failed == 1u);
  BOOST_TEST(s.compiles_cancelled == 1u);
  BOOST_TEST(s.compiles_dropped == 5u);
}

BOOST_AUTO_TEST_CASE(a_module_destroyed_unobserved_leaves_one_dropped_compile) {
  Held held;
  LazyGraphModule busy(held.runtime, chain({"t::held"}));
  busy.prefetch();
  held.compiles->wait_for_arrivals(1);
  {
    LazyGraphModule module(held.runtime, plus(1));
    module.recompile();
  }
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_dropped == 1u);
  BOOST_TEST(s.compiles_cancelled == 0u);
  BOOST_TEST(s.compiles_superseded == 0u);
  BOOST_TEST(s.queued == 0u);
}

BOOST_AUTO_TEST_CASE(failures_are_counted_with_their_time) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::broken"}));
  BOOST_CHECK_THROW(module(Inputs(zeros)), CompileError);
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_failed == 1u);
  BOOST_TEST(s.compile_time.count() == 1u);
  BOOST_TEST(s.wait_time.count() == 1u);
  BOOST_TEST(s.executables + s.plans == 0u);
}

BOOST_AUTO_TEST_CASE(waits_end_when_served_and_when_cancelled) {
  Held held;
  LazyGraphModule module(held.runtime, chain({"t::held"}));
  support::Loop loop;
  Call one(loop, module, zeros), two(loop, module, zeros);
  held.compiles->wait_for_arrivals(1);
  BOOST_TEST(held.runtime.stats().waiting == 2u);
  one.cancel();
  BOOST_CHECK_THROW(one.get(), boost::system::system_error);
  BOOST_TEST(held.runtime.stats().wait_time.count() == 1u);
  held.compiles->open();
  two.get();
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.waits == 2u);
  BOOST_TEST(s.waiting == 0u);
  BOOST_TEST(s.wait_time.count() == 2u);
  BOOST_TEST((s.wait_time.sum > nanoseconds(0)));
}

BOOST_AUTO_TEST_CASE(calls_on_the_pool_are_timed_and_calls_on_the_caller_are_not) {
  Held held;
  held.runs->open();
  LazyGraphModule module(held.runtime, chain({"t::busy"}));
  support::Loop loop;
  Call(loop, module, zeros, ForwardOptions().run_on(RunOn::caller)).get();
  module(Inputs(zeros));
  BOOST_TEST(held.runtime.stats().run_time.count() == 0u);
  for (int i = 0; i < 3; ++i) Call(loop, module, zeros, ForwardOptions().run_on(RunOn::pool)).get();
  BOOST_TEST(held.runtime.stats().run_time.count() == 3u);
  BOOST_TEST(held.runtime.stats().runs == 3u);
}

BOOST_AUTO_TEST_CASE(plans_for_new_signatures_are_timed_apart_from_compiles) {
  Runtime runtime;
  LazyGraphModule module(runtime, plus(1, TensorType(DType::f32, {Dim("N")})));
  module(Inputs(zeros));
  module(Inputs(vec({1, 2})));
  const RuntimeStats s = runtime.stats();
  BOOST_TEST(s.compile_time.count() == 1u);
  BOOST_TEST(s.specialize_time.count() == 2u);
  BOOST_TEST(s.specializations == 2u);
  BOOST_TEST(s.plans == 2u);
}

BOOST_AUTO_TEST_CASE(calls_that_wait_for_the_plan_of_a_new_signature_are_waits) {
  Held held(2);
  LazyGraphModule module(held.runtime, plus(1, TensorType(DType::f32, {Dim("N")}))), busy(held.runtime, held_plus(1)),
      busy_too(held.runtime, held_plus(2));
  module.real_recompile();
  support::Loop loop;
  Call one(loop, busy, zeros), two(loop, busy_too, zeros);
  held.compiles->wait_for_arrivals(2);  // nobody is left to make a plan
  const RuntimeStats before = held.runtime.stats();
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(std::make_unique<Call>(loop, module, zeros));
  RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.waiting == before.waiting + 8);
  BOOST_TEST(s.waits == before.waits + 8);
  BOOST_TEST(s.wait_time.count() == before.wait_time.count());
  calls[0]->cancel();
  BOOST_CHECK_THROW(calls[0]->get(), boost::system::system_error);
  s = held.runtime.stats();
  BOOST_TEST(s.waiting == before.waiting + 7);
  BOOST_TEST(s.wait_time.count() == before.wait_time.count() + 1);
  held.compiles->open();
  for (std::size_t i = 1; i < calls.size(); ++i) calls[i]->get();
  one.get(), two.get();
  s = held.runtime.stats();
  BOOST_TEST(s.waiting == 0u);
  BOOST_TEST(s.wait_time.count() == s.waits);
  module(Inputs(vec({1, 2})));  // makes its plan itself, as it would its compile
  BOOST_TEST(held.runtime.stats().waits == s.waits + 1);
  BOOST_TEST(held.runtime.stats().wait_time.count() == s.waits + 1);
  BOOST_TEST(held.runtime.stats().waiting == 0u);
}

BOOST_AUTO_TEST_CASE(plans_that_fail_are_counted) {
  Held held;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_function("t::broken", {graph->placeholder("x", TensorType(DType::f32, {Dim("N")}))}));
  LazyGraphModule module(held.runtime, graph);
  support::Loop loop;
  BOOST_CHECK_THROW(Call(loop, module, zeros).get(), CompileError);
  BOOST_CHECK_THROW(module(Inputs(zeros)), CompileError);  // known by now
  BOOST_CHECK_THROW(module(Inputs(vec({1, 2}))), CompileError);
  const RuntimeStats s = held.runtime.stats();
  BOOST_TEST(s.compiles_finished == 1u);
  BOOST_TEST(s.compiles_failed == 0u);
  BOOST_TEST(s.specializations == 0u);
  BOOST_TEST(s.specializations_failed == 2u);
  BOOST_TEST(s.specialize_time.count() == s.specializations_failed);
}

BOOST_AUTO_TEST_CASE(signatures_that_are_refused_push_no_plan_out) {
  Runtime runtime(RuntimeOptions().max_signatures(2));
  LazyGraphModule module(runtime, plus(1, TensorType(DType::f32, {Dim("N")})));
  support::Loop loop;
  module(Inputs(zeros));
  for (std::int64_t n = 1; n < 4; ++n) {
    const Inputs wrong(Tensor::zeros(DType::f32, Shape{n, n}));
    BOOST_CHECK_THROW(module(wrong), Error);
    Call awaited(loop, module, wrong);
    BOOST_CHECK_THROW(awaited.get(), Error);
  }
  module(Inputs(vec({1, 2})));  // the second that fits: what is published is looked up anew
  module(Inputs(zeros));
  BOOST_TEST(runtime.stats().specializations == 2u);
  BOOST_TEST(runtime.stats().plans == 2u);
}

BOOST_AUTO_TEST_CASE(signatures_that_fail_push_no_plan_out) {
  Operator short_only = support::unary("t::short", [](float x) { return x; });
  short_only.type_rule = [](const TypeContext& c) {
    const TensorType& x = *c.inputs[0];
    if (x.is_static() && x.shape()[0] > 2) throw Error(ErrorKind::invalid_graph, "too long");
    return std::vector<TensorType>{x};
  };
  Runtime runtime(RuntimeOptions().max_signatures(2).operators(support::standard_and(std::move(short_only))));
  LazyGraphModule module(runtime, chain({"t::short"}, TensorType(DType::f32, {Dim("N")})));
  const auto of = [](std::int64_t n) { return Inputs(Tensor::zeros(DType::f32, Shape{n})); };
  for (std::int64_t n = 3; n < 9; ++n) {
    module(of(1));
    module(of(2));
    BOOST_CHECK_THROW(module(of(n)), CompileError);
  }
  BOOST_TEST(runtime.stats().specializations == 2u);
  BOOST_TEST(runtime.stats().plans == 2u);
}

BOOST_AUTO_TEST_CASE(signatures_made_at_once_are_kept_up_to_the_bound) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(
      RuntimeOptions().threads(1).max_signatures(2).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open{*gate};
  LazyGraphModule module(runtime, plus(1, TensorType(DType::f32, {Dim("N")})));
  LazyGraphModule busy(runtime, held_plus(1));
  support::Loop loop;
  module.real_recompile();
  Call held(loop, busy, zeros);
  gate->wait_for_arrivals(1);
  std::vector<std::unique_ptr<Call>> calls;  // none is answered before all are asked for
  for (std::int64_t n = 1; n <= 8; ++n) calls.push_back(std::make_unique<Call>(loop, module, Tensor::zeros(DType::f32, Shape{n})));
  gate->open();
  held.get();
  for (const auto& one : calls) one->get();
  support::at_rest(runtime);
  module(Inputs(Tensor::zeros(DType::f32, Shape{8})));  // what is published follows the next call that it lacks the plan of
  BOOST_TEST(runtime.stats().specializations == 8u);
  BOOST_TEST(runtime.stats().plans == 2u + 1u);  // and the busy one's
}

BOOST_AUTO_TEST_CASE(signatures_that_a_full_queue_refuses_push_no_plan_out) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(1).max_queued(1).max_signatures(4).operators(
      support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open{*gate};
  LazyGraphModule module(runtime, plus(1, TensorType(DType::f32, {Dim("N")})));
  LazyGraphModule busy(runtime, held_plus(1));
  support::Loop loop;
  const auto ones = [](std::int64_t n) { return Inputs(Tensor::zeros(DType::f32, Shape{n})); };
  module(ones(1));
  Call held(loop, busy, zeros);
  gate->wait_for_arrivals(1);
  Call queued(loop, module, ones(999));
  for (std::int64_t n = 100; n < 110; ++n) {
    Call refused(loop, module, ones(n));
    BOOST_CHECK_THROW(refused.get(), Error);
  }
  gate->open();
  held.get();
  queued.get();
  for (int i = 0; i < 10; ++i) {
    for (std::int64_t n = 1; n < 4; ++n) module(ones(n));
  }
  BOOST_TEST(runtime.stats().specializations <= 4u + 1u);  // 1, 999, 2, 3 and the busy one's
}

BOOST_AUTO_TEST_CASE(executables_and_their_weights_are_counted_while_they_live) {
  Runtime runtime;
  {
    Container root;
    Tensor weight = Tensor::empty(DType::f32, Shape{64, 64});
    for (float& v : weight.mutable_values<float>()) v = 0.5F;
    root.set_tensor("w", weight);
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{32, 64}));
    graph->output(graph->call_function("onnx::MatMul", {x, graph->get_attr("w")}));
    LazyGraphModule module(runtime, graph, &root);
    module.real_recompile();
    const RuntimeStats s = runtime.stats();
    BOOST_TEST(s.executables == 1u);
    BOOST_TEST(s.plans == 1u);
    BOOST_TEST(s.executable_bytes >= sizeof(void*) * 16);
    BOOST_TEST(s.graph_bytes > sizeof(void*) * 16);
    BOOST_TEST(s.weight_bytes < 4 * weight.byte_size());
    LazyGraphModule equal_one(runtime, graph, &root);
    equal_one.real_recompile();
    BOOST_TEST(runtime.stats().executables == 1u);
    BOOST_TEST(runtime.stats().executable_bytes == s.executable_bytes);
    BOOST_TEST(runtime.stats().graph_bytes == s.graph_bytes);
  }
  support::at_rest(runtime);
  BOOST_TEST(runtime.stats().cached == 1u);
  runtime.trim();
  BOOST_TEST(runtime.stats().cached_bytes == 0u);
  const RuntimeStats s = runtime.stats();
  BOOST_TEST(s.executables + s.plans + s.executable_bytes + s.graph_bytes + s.weight_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(constants_that_a_compile_computes_are_weights_of_its_own) {
  Runtime runtime;
  Container root;
  root.set_tensor("w", Tensor::zeros(DType::f32, Shape{1024}));
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(1024));
  graph->output(graph->call_function("onnx::Add", {x, graph->call_function("onnx::Cos", {graph->get_attr("w")})}));
  LazyGraphModule module(runtime, graph, &root);
  module.real_recompile();
  BOOST_TEST(runtime.stats().weight_bytes >= 1024 * sizeof(float));
}

BOOST_AUTO_TEST_CASE(scratch_memory_is_counted_and_goes_with_its_thread) {
  Runtime runtime;
  const std::size_t before = runtime.stats().arena_bytes;
  std::size_t during = 0;
  std::thread([&] {
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{256, 1024}));
    const Node a = graph->call_function("onnx::Softmax", {x}), b = graph->call_function("onnx::Transpose", {a});
    graph->output(graph->call_function("onnx::Softmax", {b}));
    LazyGraphModule module(runtime, graph);
    module(Inputs(Tensor::zeros(DType::f32, Shape{256, 1024})));
    during = runtime.stats().arena_bytes;
  }).join();
  BOOST_TEST(during >= before + 256 * 1024 * sizeof(float));
  BOOST_TEST(runtime.stats().arena_bytes == before);
}

BOOST_AUTO_TEST_CASE(buckets_double_and_quantiles_name_their_bounds) {
  Histogram h;
  BOOST_TEST(h.quantile(0.5).count() == 0);
  BOOST_TEST(Histogram::bound(0).count() == 1024);
  for (std::size_t i = 1; i + 1 < Histogram::bucket_count; ++i) BOOST_TEST((Histogram::bound(i) == 2 * Histogram::bound(i - 1)));
  BOOST_TEST((Histogram::bound(Histogram::bucket_count - 1) == nanoseconds::max()));
  h.counts[0] = 90;
  h.counts[3] = 9;
  h.counts[Histogram::bucket_count - 1] = 1;
  BOOST_TEST(h.count() == 100u);
  BOOST_TEST((h.quantile(0.5) == Histogram::bound(0)));
  BOOST_TEST((h.quantile(0.95) == Histogram::bound(3)));
  BOOST_TEST((h.quantile(1) == nanoseconds::max()));
}
