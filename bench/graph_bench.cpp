// What a graph costs: building, copying, checking, freezing, and above all marking (one edit and a freeze), which is promised to
// cost within 4x on a thousand and on a million nodes. Prints medians; needs no arguments.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/graph/snapshot.hpp"

namespace {

using namespace lazyfx;

template <class F>
double nanoseconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

template <class F>
double median_of(int samples, F&& sample) {
  std::vector<double> times;
  for (int i = 0; i < samples; ++i) times.push_back(sample());
  std::nth_element(times.begin(), times.begin() + samples / 2, times.end());
  return times[static_cast<std::size_t>(samples) / 2];
}

std::unique_ptr<Graph> chain(std::size_t nodes) {
  auto graph = std::make_unique<Graph>();
  Node last = graph->placeholder("x", TensorType(DType::f32, {Dim("N"), 64}));
  while (graph->size() + 1 < nodes) last = graph->call_function("onnx::Add", {last, 1});
  graph->output(last);
  return graph;
}

/// Freeze, one edit, freeze, with the snapshot of the mark before still held by somebody, as a published module holds it.
double mark(std::size_t nodes, bool anywhere, bool with_fingerprint) {
  const auto graph = chain(nodes);
  std::mt19937 random(7);
  std::uniform_int_distribution<std::uint32_t> pick(1, static_cast<std::uint32_t>(nodes - 2));
  Snapshot published = graph->freeze();
  published.structure_fingerprint();
  int value = 0;
  return median_of(4001, [&] {
    Node node = graph->node(NodeId{anywhere ? pick(random) : static_cast<std::uint32_t>(nodes / 2)});
    return nanoseconds([&] {
      node.update_arg(1, ++value);
      Snapshot next = graph->freeze();
      if (with_fingerprint) next.structure_fingerprint();
      published = std::move(next);
    });
  });
}

void whole(std::size_t nodes) {
  std::unique_ptr<Graph> graph;
  std::unique_ptr<Graph> copy;
  const auto line = [&](const char* what, double ns) {
    std::printf("%-28s %9zu nodes %12.3f ms %9.1f ns/node\n", what, nodes, ns / 1e6, ns / static_cast<double>(nodes));
  };
  line("build", nanoseconds([&] { graph = chain(nodes); }));
  line("copy", nanoseconds([&] { copy = std::make_unique<Graph>(*graph); }));
  line("lint", nanoseconds([&] { graph->lint(); }));
  Snapshot snapshot;
  line("freeze", nanoseconds([&] { snapshot = graph->freeze(); }));
  line("walk the snapshot", nanoseconds([&] {
         std::size_t args = 0;
         for (const NodeView node : snapshot) args += node.args().size();
         if (args == 0) std::puts("no arguments");
       }));
  line("fingerprint", nanoseconds([&] { snapshot.structure_fingerprint(); }));
  line("same content, other graph", nanoseconds([&] {
         if (!snapshot.same_content(copy->freeze())) std::puts("copies differ");
       }));
  line("code", nanoseconds([&] { render_code(snapshot); }));
  line("destroy the graph", nanoseconds([&] { graph.reset(); }));
  line("destroy the last snapshot", nanoseconds([&] { snapshot = Snapshot(); }));
}

}  // namespace

int main() {
  constexpr std::size_t thousand = 1000;
  constexpr std::size_t million = 1000000;
  for (const std::size_t nodes : {thousand, million}) whole(nodes);
  for (const bool fingerprint : {false, true}) {
    for (const bool anywhere : {false, true}) {
      const double small = mark(thousand, anywhere, fingerprint);
      const double large = mark(million, anywhere, fingerprint);
      std::printf("edit %s and freeze%s: %.0f ns on 1,000 nodes, %.0f ns on 1,000,000: %.2fx\n", anywhere ? "any node" : "one node",
                  fingerprint ? " and fingerprint" : "", small, large, large / small);
    }
  }
  // Always in the same gap: what renumbering costs when there is no room.
  Graph graph;
  Node first = graph.placeholder("x");
  Node last = graph.output(first);
  const double ns = nanoseconds([&] {
    for (std::size_t i = 0; i < million / 4; ++i) {
      const auto scope = i % 2 == 0 ? graph.inserting_before(last) : graph.inserting_after(first);
      graph.call_function("onnx::Identity", {first});
    }
  });
  std::printf("insert at two alternating points: %.0f ns a node\n", ns / (million / 4.0));
}
