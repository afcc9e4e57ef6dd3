// What an idle compiled module costs in memory: many ten-node modules of distinct structure, compiled, called once, then left alone.
//   build/release/bin/bench/module_bytes [MODULES]
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;

std::size_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0, in_memory = 0;
  statm >> pages >> in_memory;
  return in_memory * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Ten nodes: which operators, in base 6 of `which`; x first, the output last.
std::shared_ptr<Graph> distinct(std::size_t which) {
  static const char* const targets[] = {"onnx::Relu", "onnx::Tanh", "onnx::Sigmoid", "onnx::Abs", "onnx::Neg", "onnx::Exp"};
  auto graph = std::make_shared<Graph>();
  Node node = graph->placeholder("x", TensorType(DType::f32, Shape{64}));
  for (int i = 0; i < 8; ++i) {
    node = graph->call_function(targets[which % 6], {node});
    which /= 6;
  }
  graph->output(node);
  return graph;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  Runtime runtime(RuntimeOptions().cache_bytes(0));
  const Inputs x(Tensor::zeros(DType::f32, Shape{64}));
  {
    LazyGraphModule warm(runtime, distinct(count));
    static_cast<void>(warm(x));
  }
  std::vector<std::unique_ptr<LazyGraphModule>> modules;
  modules.reserve(count);
  const std::size_t before = resident();
  for (std::size_t i = 0; i < count; ++i) {
    modules.push_back(std::make_unique<LazyGraphModule>(runtime, distinct(i)));
    static_cast<void>((*modules.back())(x));
  }
  runtime.trim();
  malloc_trim(0);
  const std::size_t after = resident();
  std::printf("%zu modules: %.0f bytes each (resident), %zu executables, %.0f bytes of tables each\n", count,
              static_cast<double>(after - before) / static_cast<double>(count), runtime.stats().executables,
              static_cast<double>(runtime.stats().executable_bytes) / static_cast<double>(count));
}
