// What a baseline compile costs: a ten-node MLP, from the built graph to a callable executable, nothing cached (every graph has weights
// of its own). Prints medians; run it pinned: taskset -c 0 build/release/bin/bench/compile_bench
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;
using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

Tensor weights(const Shape& shape, std::uint32_t& seed) {
  Tensor t = Tensor::empty(DType::f32, shape);
  for (float& v : t.mutable_values<float>()) v = static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) / 16777216.0F - 0.5F;
  return t;
}

struct Mlp {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::shared_ptr<Container> root = std::make_shared<Container>();

  explicit Mlp(std::uint32_t seed) {
    root->set_parameter("w1", weights(Shape{64, 64}, seed));
    root->set_parameter("b1", weights(Shape{64}, seed));
    root->set_parameter("w2", weights(Shape{1, 64}, seed));
    root->set_parameter("b2", weights(Shape{1}, seed));
    const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{1, 64}));
    const Node w1 = graph->get_attr("w1"), b1 = graph->get_attr("b1");
    const Node h = graph->call_function("onnx::Gemm", {x, w1, b1}, {{"transB", 1}});
    const Node r = graph->call_function("onnx::Relu", {h});
    const Node w2 = graph->get_attr("w2"), b2 = graph->get_attr("b2");
    const Node y = graph->call_function("onnx::Gemm", {r, w2, b2}, {{"transB", 1}});
    graph->output(graph->call_function("onnx::Sigmoid", {y}));
  }
};

}  // namespace

int main() {
  constexpr std::size_t count = 2001;
  Runtime runtime(RuntimeOptions().threads(1));
  std::uint32_t seed = 1;
  const Tensor x = weights(Shape{1, 64}, seed);
  std::vector<double> make, compile, first, clean, call;
  std::vector<std::unique_ptr<LazyGraphModule>> kept;  // alive, so that nothing is freed while timing
  for (std::size_t i = 0; i < count; ++i) {
    const Mlp mlp(static_cast<std::uint32_t>(i + 1));
    const auto t0 = Clock::now();
    auto module = std::make_unique<LazyGraphModule>(runtime, mlp.graph, mlp.root.get());
    const auto t1 = Clock::now();
    module->real_recompile();
    const auto t2 = Clock::now();
    static_cast<void>((*module)(x));
    const auto t3 = Clock::now();
    make.push_back(microseconds(t1 - t0));
    compile.push_back(microseconds(t2 - t1));
    first.push_back(microseconds(t3 - t2));
    kept.push_back(std::move(module));
  }
  const std::vector<Value> inputs{x};
  for (int i = 0; i < 20000; ++i) {
    const auto t0 = Clock::now();
    static_cast<void>(kept.back()->call(inputs));
    call.push_back(microseconds(Clock::now() - t0));
  }
  std::printf("ten-node MLP, medians of %zu: module %.1f us, compile %.1f us, first call %.2f us, clean call %.3f us\n", count,
              median(make), median(compile), median(first), median(call));
  return 0;
}
