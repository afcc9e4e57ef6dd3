// What marking costs after one edit, on a thousand and on a million nodes: edit plus recompile(), on_demand so that no compile runs beside
// it. Prints medians and their ratio; run it pinned: taskset -c 0 build/release/bin/bench/mark_bench
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;
using Clock = std::chrono::steady_clock;

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

struct Cost {
  double build_ms, edit_us, mark_us;
};

Cost measure(Runtime& runtime, std::size_t nodes) {
  const auto t0 = Clock::now();
  auto graph = std::make_shared<Graph>();
  std::vector<Node> chain{graph->placeholder("x")};
  for (std::size_t i = 0; i < nodes; ++i) chain.push_back(graph->call_function("onnx::Relu", {chain.back()}));
  graph->output(chain.back());
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  const double build = std::chrono::duration<double, std::milli>(Clock::now() - t0).count();
  std::vector<double> edits, marks;
  std::size_t at = 1;
  for (int i = 0; i < 5001; ++i) {
    at = at * 2862933555777941757ULL + 3037000493ULL;
    Node node = chain[1 + at % nodes];
    const bool relu = node.target() == "onnx::Relu";
    const auto t1 = Clock::now();
    node.set_target(relu ? "onnx::Tanh" : "onnx::Relu");
    const auto t2 = Clock::now();
    module.recompile();
    const auto t3 = Clock::now();
    edits.push_back(std::chrono::duration<double, std::micro>(t2 - t1).count());
    marks.push_back(std::chrono::duration<double, std::micro>(t3 - t2).count());
  }
  return {build, median(edits), median(marks)};
}

}  // namespace

int main() {
  Runtime runtime(RuntimeOptions().threads(1));
  const Cost small = measure(runtime, 1000), large = measure(runtime, 1000000);
  std::printf("        nodes   build ms   edit us   mark us\n");
  std::printf("%13d %10.2f %9.3f %9.3f\n", 1000, small.build_ms, small.edit_us, small.mark_us);
  std::printf("%13d %10.2f %9.3f %9.3f\n", 1000000, large.build_ms, large.edit_us, large.mark_us);
  std::printf("edit and mark, ratio: %.2f\n", (large.edit_us + large.mark_us) / (small.edit_us + small.mark_us));
  return 0;
}
