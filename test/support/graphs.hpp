#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "lazyfx/graph/graph.hpp"
#include "lazyfx/tensor/type.hpp"

/// Small graphs for tests.
namespace support {

/// f32[n].
inline lazyfx::TensorType f32(std::int64_t n) { return {lazyfx::DType::f32, {lazyfx::Dim(n)}}; }

/// forward(x): each target applied to the one before.
inline std::shared_ptr<lazyfx::Graph> chain(std::initializer_list<const char*> targets, std::optional<lazyfx::TensorType> type = f32(4)) {
  auto graph = std::make_shared<lazyfx::Graph>();
  lazyfx::Node node = graph->placeholder("x", std::move(type));
  for (const char* target : targets) node = graph->call_function(target, {node});
  graph->output(node);
  return graph;
}

/// forward(x): x + c.
inline std::shared_ptr<lazyfx::Graph> plus(double c, std::optional<lazyfx::TensorType> type = f32(4)) {
  auto graph = std::make_shared<lazyfx::Graph>();
  const lazyfx::Node x = graph->placeholder("x", std::move(type));
  graph->output(graph->call_function("onnx::Add", {x, c}, {}, "total"));
  return graph;
}

/// Makes a plus() graph add another constant.
inline void set_plus(lazyfx::Graph& graph, double c) { graph.find("total").update_arg(1, c); }

/// forward(x): t::held(x) + c, whose compile waits for the Gate of operator t::held.
inline std::shared_ptr<lazyfx::Graph> held_plus(double c) {
  auto graph = std::make_shared<lazyfx::Graph>();
  const lazyfx::Node x = graph->placeholder("x", f32(4));
  graph->output(graph->call_function("onnx::Add", {graph->call_function("t::held", {x}), c}, {}, "total"));
  return graph;
}

/// forward(x): x * f32[n] weight named `path` of the module.
inline std::shared_ptr<lazyfx::Graph> times_attribute(const std::string& path, std::optional<lazyfx::TensorType> type = f32(4)) {
  auto graph = std::make_shared<lazyfx::Graph>();
  const lazyfx::Node x = graph->placeholder("x", std::move(type));
  graph->output(graph->call_function("onnx::Mul", {x, graph->get_attr(path)}));
  return graph;
}

}  // namespace support
