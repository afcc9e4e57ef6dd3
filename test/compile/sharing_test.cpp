// What is kept when no module uses it, and what is known not to compile. Each test is one sentence of the promise.
#define BOOST_TEST_MODULE compile_sharing
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>

#include "lazyfx/error.hpp"
#include "lazyfx/module/explain_miss.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::chain;
using support::plus;
using support::set_plus;
using support::vec;

namespace {

const Tensor zeros = vec({0, 0, 0, 0});

bool holds(GraphModule& module, float x) { return equal(module(Inputs(zeros)).as_tensor(), vec({x, x, x, x})); }

void compile_and_drop(Runtime& runtime, const std::shared_ptr<Graph>& graph) { LazyGraphModule(runtime, graph).real_recompile(); }

// forward(x): x * w, with a weight of its own of `count` floats.
struct Weighted {
  Container root;
  std::unique_ptr<LazyGraphModule> module;
  Weighted(Runtime& runtime, std::int64_t count, float value) {
    Tensor weight = Tensor::empty(DType::f32, Shape{count});
    for (float& v : weight.mutable_values<float>()) v = value;
    root.set_tensor("w", weight);
    module = std::make_unique<LazyGraphModule>(runtime, support::times_attribute("w", support::f32(count)), &root);
    module->real_recompile();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_compiled_is_found_again_after_its_last_module_has_gone) {
  Runtime runtime;
  compile_and_drop(runtime, plus(1));
  LazyGraphModule again(runtime, plus(1));
  again.real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().cache_hits == 1u);
  BOOST_TEST(holds(again, 1));
}

BOOST_AUTO_TEST_CASE(going_back_to_an_earlier_graph_compiles_nothing) {
  Runtime runtime;
  auto graph = plus(1);
  LazyGraphModule module(runtime, graph);
  for (int i = 0; i < 10; ++i) {
    set_plus(*graph, 1 + i % 2);
    module.recompile();
    BOOST_TEST(holds(module, static_cast<float>(1 + i % 2)));
  }
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}

BOOST_AUTO_TEST_CASE(without_a_budget_only_what_is_used_is_kept) {
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  compile_and_drop(runtime, plus(1));
  compile_and_drop(runtime, plus(1));
  BOOST_TEST(runtime.stats().compiles_started == 2u);
  BOOST_TEST(runtime.stats().cached_bytes == 0u);
  LazyGraphModule living(runtime, plus(1));
  living.real_recompile();
  LazyGraphModule other(runtime, plus(1));
  other.real_recompile();
  BOOST_TEST(runtime.stats().compiles_started == 3u);  // shared while it lives
}

BOOST_AUTO_TEST_CASE(the_cache_stays_within_its_bytes_and_lets_go_of_the_least_recently_used) {
  constexpr std::size_t budget = 100'000;
  Runtime runtime(RuntimeOptions().cache_bytes(budget));
  for (int i = 0; i < 8; ++i) {
    { const Weighted one(runtime, 4096, static_cast<float>(i + 1)); }
    { const Weighted hot(runtime, 4096, 1); }  // used again and again
    BOOST_TEST(runtime.stats().cached_bytes <= budget);
    BOOST_TEST(runtime.stats().cached_bytes >= 4096u * sizeof(float));
  }
  BOOST_TEST(runtime.stats().compiles_started == 8u);
  { const Weighted old(runtime, 4096, 2); }  // the second of the eight has been let go
  BOOST_TEST(runtime.stats().compiles_started == 9u);
}

BOOST_AUTO_TEST_CASE(eviction_never_touches_what_a_module_uses) {
  Runtime runtime(RuntimeOptions().cache_bytes(40'000));
  std::vector<std::unique_ptr<Weighted>> living;
  for (int i = 0; i < 8; ++i) living.push_back(std::make_unique<Weighted>(runtime, 4096, static_cast<float>(i + 1)));
  runtime.trim();
  for (int i = 0; i < 8; ++i) {
    Tensor ones = Tensor::empty(DType::f32, Shape{4096});
    for (float& v : ones.mutable_values<float>()) v = 1;
    const Value y = (*living[static_cast<std::size_t>(i)]->module)(Inputs(ones));
    BOOST_TEST(y.as_tensor().values<float>()[4095] == static_cast<float>(i + 1));
  }
  BOOST_TEST(runtime.stats().compiles_started == 8u);
}

BOOST_AUTO_TEST_CASE(trim_keeps_the_most_recent_bytes) {
  Runtime runtime;
  { const Weighted old(runtime, 4096, 1); }
  { const Weighted young(runtime, 4096, 2); }
  BOOST_TEST(runtime.stats().cached == 2u);
  runtime.trim(30'000);
  BOOST_TEST(runtime.stats().cached == 1u);
  { const Weighted young(runtime, 4096, 2); }
  BOOST_TEST(runtime.stats().compiles_started == 2u);
}

BOOST_AUTO_TEST_CASE(content_that_is_known_not_to_compile_is_not_tried_again) {
  Runtime runtime;
  LazyGraphModule first(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(first.real_recompile(), CompileError);
  LazyGraphModule second(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(second.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 1u);
  BOOST_TEST(runtime.stats().known_failures == 1u);
  second.retry();
  BOOST_CHECK_THROW(second.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 2u);
  runtime.trim();
  LazyGraphModule third(runtime, chain({"no::such_operator"}));
  BOOST_CHECK_THROW(third.real_recompile(), CompileError);
  BOOST_TEST(runtime.stats().compiles_started == 3u);
}

BOOST_AUTO_TEST_CASE(a_failure_of_a_users_own_code_is_tried_again_by_the_next_module) {
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(support::acts_in_compile("t::breaks", [broken] {
    if (*broken) throw std::runtime_error("out of luck");
  }))));
  LazyGraphModule first(runtime, chain({"t::breaks"}));
  BOOST_CHECK_THROW(first.real_recompile(), CompileError);
  *broken = false;
  LazyGraphModule second(runtime, chain({"t::breaks"}));
  BOOST_TEST(holds(second, 0));
}

BOOST_AUTO_TEST_CASE(explain_miss_names_what_keeps_two_modules_apart) {
  Runtime runtime;
  LazyGraphModule one(runtime, plus(1));
  LazyGraphModule equal_one(runtime, plus(1));
  LazyGraphModule two(runtime, plus(2));
  LazyGraphModule relu(runtime, chain({"onnx::Relu"}));
  LazyGraphModule tanh(runtime, chain({"onnx::Tanh"}));
  LazyGraphModule wide(runtime, plus(1, support::f32(8)));
  BOOST_TEST(explain_miss(one, equal_one) == "");
  BOOST_TEST(explain_miss(one, two).find("%total") != std::string::npos);
  BOOST_TEST(explain_miss(one, two).find("arguments") != std::string::npos);
  BOOST_TEST(explain_miss(relu, tanh).find("target") != std::string::npos);
  BOOST_TEST(explain_miss(one, wide).find("type") != std::string::npos);
  const Weighted a(runtime, 4, 1), b(runtime, 4, 2);
  BOOST_TEST(explain_miss(*a.module, *b.module) == "tensor 'w' differs");
}
