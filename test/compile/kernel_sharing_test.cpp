// Kernels and packed constants are shared by content: what an edit does not touch is neither made nor packed again.
#define BOOST_TEST_MODULE compile_kernel_sharing
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/at_rest.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

Tensor noise(const Shape& shape, std::uint32_t seed) {
  Tensor t = Tensor::empty(DType::f32, shape);
  std::mt19937 random(seed);
  for (float& v : t.mutable_values<float>()) v = std::uniform_real_distribution<float>(-1, 1)(random);
  return t;
}

/// forward(x): three convolutions with biases, each followed by relu, then a matrix product; weights w0 to w3, biases b0 to b2. No two layers
/// are alike.
struct Layers {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  Container root;
  static constexpr std::size_t kernels = 4, constants = 7;

  explicit Layers(std::uint32_t seed, bool fixed = true) {
    const auto height = fixed ? Dim(9) : Dim("height");
    Node x = graph->placeholder("x", TensorType(DType::f32, {1, 8, height, 7}));
    for (int i = 0; i < 3; ++i) {
      const std::string w = "w" + std::to_string(i), b = "b" + std::to_string(i);
      root.set_parameter(w, noise(Shape{8, 8, 3, 3}, seed * 10 + static_cast<std::uint32_t>(i)));
      root.set_parameter(b, noise(Shape{8}, seed * 10 + 5 + static_cast<std::uint32_t>(i)));
      x = graph->call_function("onnx::Conv", {x, graph->get_attr(w), graph->get_attr(b)}, {{"pads", Argument::list({1, 1, 1, 1})}});
      x = graph->call_function("onnx::Relu", {x});
    }
    root.set_parameter("w3", noise(Shape{7, 5}, seed * 10 + 9));
    graph->output(graph->call_function("onnx::MatMul", {x, graph->get_attr("w3")}, {}, "last"));
  }

  std::unique_ptr<LazyGraphModule> module(Runtime& runtime) const { return std::make_unique<LazyGraphModule>(runtime, graph, &root); }
};

Inputs picture(std::int64_t height = 9, std::uint32_t seed = 1) { return Inputs(noise(Shape{1, 8, height, 7}, seed)); }

bool right(LazyGraphModule& module, std::int64_t height = 9) {
  const Inputs x = picture(height);
  return support::close(module(x), Interpreter(module).run(x.values()));
}

struct Made {
  std::uint64_t kernels, constants;
  friend bool operator==(const Made&, const Made&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Made& m) {
    return out << m.kernels << " kernels, " << m.constants << " constants";
  }
};

/// What was made and packed during `work`.
template <class Work>
Made made_during(Runtime& runtime, Work work) {
  const RuntimeStats before = runtime.stats();
  work();
  const RuntimeStats after = runtime.stats();
  return {after.kernels_made - before.kernels_made, after.constants_packed - before.constants_packed};
}

}  // namespace

BOOST_AUTO_TEST_CASE(setting_an_attribute_packs_that_tensor_alone) {
  Runtime runtime;
  const Layers layers(1);
  const auto module = layers.module(runtime);
  BOOST_TEST(made_during(runtime, [&] { module->real_recompile(); }) == (Made{Layers::kernels, Layers::constants}));
  for (const auto& [path, shape] : {std::pair<const char*, Shape>{"b1", {8}}, {"w0", {8, 8, 3, 3}}, {"w3", {7, 5}}}) {
    BOOST_TEST(made_during(runtime,
                           [&] {
                             module->set_attr(path, noise(shape, 99));
                             module->recompile();
                             module->real_recompile();
                           }) == (Made{1, 1}),
               path);
    BOOST_TEST(right(*module));
  }
}

BOOST_AUTO_TEST_CASE(setting_an_attribute_to_an_equal_tensor_packs_nothing) {
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  const Layers layers(1);
  const auto module = layers.module(runtime);
  module->real_recompile();
  BOOST_TEST(made_during(runtime, [&] {
               module->set_attr("w1", layers.root.find_tensor("w1")->tensor.clone());
               module->recompile();
               module->real_recompile();
             }) == (Made{0, 0}));
}

BOOST_AUTO_TEST_CASE(a_batch_norm_that_was_folded_into_weights_is_shared_too) {
  Runtime runtime;
  const auto graph = std::make_shared<Graph>();
  Container root;
  root.set_parameter("w", noise(Shape{8, 8, 3, 3}, 1));
  for (const char* name : {"scale", "shift", "mean"}) root.set_parameter(name, noise(Shape{8}, 2));
  root.set_parameter("variance", Tensor::from<float>(std::vector<float>(8, 2.0F), Shape{8}));
  Node x = graph->placeholder("x", TensorType(DType::f32, {1, 8, 9, 7}));
  x = graph->call_function("onnx::Conv", {x, graph->get_attr("w")});
  x = graph->call_function("onnx::BatchNormalization",
                           {x, graph->get_attr("scale"), graph->get_attr("shift"), graph->get_attr("mean"), graph->get_attr("variance")});
  root.set_parameter("v", noise(Shape{5, 5}, 3));
  graph->output(graph->call_function("onnx::MatMul", {x, graph->get_attr("v")}));
  LazyGraphModule module(runtime, graph, &root);
  module.real_recompile();
  BOOST_TEST(made_during(runtime, [&] {
               module.set_attr("v", noise(Shape{5, 5}, 4));
               module.recompile();
               module.real_recompile();
             }) == (Made{1, 1}));
  BOOST_TEST(right(module));
}

BOOST_AUTO_TEST_CASE(an_edit_of_one_node_makes_the_kernels_of_that_node_alone) {
  Runtime runtime;
  const Layers layers(1);
  const auto module = layers.module(runtime);
  module->real_recompile();
  BOOST_TEST(made_during(runtime, [&] {
               const Node last = layers.graph->find("last");
               Node tail;
               {
                 const auto here = layers.graph->inserting_after(last);
                 tail = layers.graph->call_function("onnx::Sigmoid", {last});
               }
               layers.graph->output_node().update_arg(0, tail);
               module->recompile();
               module->real_recompile();
             }).constants == 0u);
  BOOST_TEST(right(*module));
}

BOOST_AUTO_TEST_CASE(plans_for_other_sizes_share_the_packed_constants) {
  Runtime runtime;
  const Layers layers(1, false);
  const auto module = layers.module(runtime);
  BOOST_TEST(right(*module, 9));
  const RuntimeStats one = runtime.stats();
  BOOST_TEST(made_during(runtime, [&] { BOOST_TEST(right(*module, 12)); }) == (Made{Layers::kernels, 0}));
  BOOST_TEST(runtime.stats().weight_bytes == one.weight_bytes);
}

BOOST_AUTO_TEST_CASE(modules_of_different_graphs_share_what_they_have_in_common) {
  Runtime runtime;
  const Layers a(1);
  Layers b(1);
  b.root.set_parameter("w3", noise(Shape{7, 5}, 77));
  const auto first = a.module(runtime);
  first->real_recompile();
  const auto other = b.module(runtime);
  BOOST_TEST(made_during(runtime, [&] { other->real_recompile(); }) == (Made{1, 1}));
  BOOST_TEST(right(*first));
  BOOST_TEST(right(*other));
}

BOOST_AUTO_TEST_CASE(kernels_that_differ_in_one_number_are_not_mixed_up) {
  Runtime runtime;
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  Container root;
  root.set_parameter("w", noise(Shape{6, 6}, 1));
  root.set_parameter("b", noise(Shape{6}, 2));
  for (const double alpha : {1.0, 0.5}) {
    for (const double beta : {1.0, 2.0}) {
      for (const std::int64_t transposed : {0, 1}) {
        for (const double low : {0.0, -0.25}) {
          const auto graph = std::make_shared<Graph>();
          Node x = graph->placeholder("x", TensorType(DType::f32, {3, 6}));
          x = graph->call_function("onnx::Gemm", {x, graph->get_attr("w"), graph->get_attr("b")},
                                   {{"alpha", alpha}, {"beta", beta}, {"transB", transposed}});
          graph->output(graph->call_function("onnx::Clip", {x, low, 0.75}));
          modules.push_back(std::make_unique<LazyGraphModule>(runtime, graph, &root));
        }
      }
    }
  }
  const Inputs x(noise(Shape{3, 6}, 3));
  for (const auto& module : modules) BOOST_TEST(support::close((*module)(x), Interpreter(*module).run(x.values())));
  BOOST_TEST(runtime.stats().kernels_made == modules.size());
}

BOOST_AUTO_TEST_CASE(numbers_that_differ_in_the_sign_of_zero_alone_differ) {
  Runtime runtime;
  Container root;
  root.set_parameter("w", Tensor::from<float>(std::vector<float>(4, 1.0F), Shape{2, 2}));
  const Inputs x(Tensor::from<float>(std::vector<float>(4, 1.0F), Shape{2, 2}));
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  for (const double zero : {0.0, -0.0}) {
    const auto graph = std::make_shared<Graph>();
    Node y = graph->placeholder("x", TensorType(DType::f32, {2, 2}));
    y = graph->call_function("onnx::Min", {graph->call_function("onnx::MatMul", {y, graph->get_attr("w")}), zero});
    graph->output(graph->call_function("onnx::Reciprocal", {y}));
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, graph, &root));
    BOOST_TEST(equal((*modules.back())(x).as_tensor(), Interpreter(*modules.back()).run(x.values()).as_tensor()));
  }
}

BOOST_AUTO_TEST_CASE(a_module_that_shares_keeps_no_weights_of_another_alive) {
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  const auto storage = [](std::weak_ptr<const void>& alive) {
    const auto data = std::make_shared<std::vector<float>>(35, 0.5F);
    alive = data;
    return Tensor::wrap(DType::f32, Shape{7, 5}, data->data(), data);
  };
  std::weak_ptr<const void> first_alive, second_alive;
  const auto make = [&](std::weak_ptr<const void>& alive) {
    Layers layers(1);
    layers.root.set_parameter("w3", storage(alive));
    auto module = layers.module(runtime);
    return module;
  };
  auto first = make(first_alive);
  first->real_recompile();
  auto second = make(second_alive);
  BOOST_TEST(made_during(runtime, [&] {
               second->set_attr("b0", noise(Shape{8}, 5));  // else both would be one executable
               second->recompile();
               second->real_recompile();
             }) == (Made{1, 1}));
  first.reset();
  runtime.stop();
  BOOST_TEST(first_alive.expired());
  BOOST_TEST(!second_alive.expired());
  BOOST_TEST(right(*second));
}

BOOST_AUTO_TEST_CASE(weights_that_a_pass_computed_are_counted) {
  const auto bytes = [](bool normalised) {
    Runtime runtime;
    const auto graph = std::make_shared<Graph>();
    Container root;
    root.set_parameter("w", noise(Shape{64, 64, 3, 3}, 1));
    for (const char* name : {"scale", "shift", "mean", "variance"})
      root.set_parameter(name, Tensor::from<float>(std::vector<float>(64, 0.5F), Shape{64}));
    Node x = graph->placeholder("x", TensorType(DType::f32, {1, 64, 5, 5}));
    const auto attribute = [&](const char* name) { return graph->get_attr(name); };
    x = graph->call_function("onnx::Conv", {x, attribute("w")});
    if (normalised)
      x = graph->call_function("onnx::BatchNormalization",
                               {x, attribute("scale"), attribute("shift"), attribute("mean"), attribute("variance")});
    graph->output(x);
    LazyGraphModule module(runtime, graph, &root);
    module.real_recompile();
    return runtime.stats().weight_bytes;
  };
  BOOST_TEST(bytes(true) >= bytes(false) + 64 * 64 * 9 * sizeof(float));
}

BOOST_AUTO_TEST_CASE(nothing_stays_packed_when_no_plan_uses_it) {
  Runtime runtime;
  {
    const Layers layers(1);
    const auto module = layers.module(runtime);
    module->real_recompile();
    BOOST_TEST(runtime.stats().weight_bytes >= 3 * 8 * 8 * 9 * sizeof(float));
    const std::size_t one = runtime.stats().weight_bytes;
    for (std::uint32_t i = 0; i < 20; ++i) {
      module->set_attr("w0", noise(Shape{8, 8, 3, 3}, 100 + i));
      module->recompile();
      module->real_recompile();
      support::at_rest(runtime);
      runtime.trim();
      // What was replaced is let go of, at the latest when its successor is replaced.
      BOOST_TEST(runtime.stats().weight_bytes <= one + 2 * 8 * 8 * 9 * sizeof(float));
    }
  }
  runtime.stop();
  runtime.trim();
  BOOST_TEST(runtime.stats().weight_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(threads_that_edit_and_drop_equal_modules_at_once_get_right_answers) {
  Runtime runtime(RuntimeOptions().threads(2).cache_bytes(0));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t round = 0; round < 20; ++round) {
        const Layers layers(round % 3);
        const auto module = layers.module(runtime);
        if (!right(*module)) ++wrong;
        module->set_attr("b1", noise(Shape{8}, (t + round) % 4));
        module->recompile();
        if (!right(*module)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
  runtime.stop();  // a pool thread may still be putting down what it made
  runtime.trim();
  BOOST_TEST(runtime.stats().weight_bytes == 0u);
}
