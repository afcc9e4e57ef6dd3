#include "lazyfx/interop/text.hpp"

#include <algorithm>
#include <set>

#include "lazyfx/error.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/parse_code.hpp"

namespace lazyfx {
namespace {

ParsedCode parse(std::string_view text, const std::string& place) {
  try {
    return parse_code(text);
  } catch (const Error& e) { throw Error(ErrorKind::invalid_model, place + ": " + e.what()); }
}

void check_nodes(const NamedSnapshots& graphs, const std::string& place, const OperatorRegistry& operators) {
  std::set<std::string> unknown;
  for (const auto& [path, graph] : graphs) {
    for (const NodeView node : graph) {
      if (node.op() == Opcode::get_attr || node.op() == Opcode::call_module) {
        throw Error(ErrorKind::invalid_model, place + ": node " + node.name() + (path.empty() ? "" : " of graph " + path) + " reads self." +
                                                  node.target() +
                                                  ", but a text holds no members; a constant is written tensor(f32[2], [0.5, 1.0])");
      }
      if (node.op() == Opcode::call_function && !operators.find(node.target())) unknown.insert(node.target());
    }
  }
  if (unknown.empty()) return;
  std::string names;
  for (const std::string& name : unknown) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::unsupported, place + ": there is no operator " + names);
}

std::vector<onnx::Port> outputs_of(const Graph& graph, const std::string& place) {
  const Node output = graph.output_node();
  if (!output.defined()) throw Error(ErrorKind::invalid_model, place + ": forward returns nothing");
  const Argument& result = output.arg(0);
  const bool several = result.is_tuple() || result.is_list();
  std::vector<onnx::Port> ports;
  const auto add = [&](const Argument& item) {
    const Node node = item.is_node() ? graph.node(item.as_node()) : Node();
    std::string name = node.defined() ? node.name() : "";
    const auto taken = [&](const onnx::Port& port) { return port.name == name; };
    if (name.empty() || std::any_of(ports.begin(), ports.end(), taken)) name = "output_" + std::to_string(ports.size());
    ports.push_back({std::move(name), node.defined() ? node.type() : std::nullopt});
  };
  if (!several) add(result);
  for (std::size_t i = 0; several && i < result.items().size(); ++i) add(result.items()[i]);
  return ports;
}

}  // namespace

bool is_text_graph(std::string_view bytes) noexcept {
  return bytes.starts_with("def ") || bytes.starts_with("class ") || bytes.starts_with("#");
}

onnx::ImportedModel import_text(std::string_view text, const std::string& display_name, const OperatorRegistry& operators) {
  onnx::ImportedModel model;
  const ParsedCode parsed = parse(text, display_name);
  model.graph = parsed.graph;
  model.root = parsed.root;
  const Snapshot graph = parsed.graph->freeze();
  NamedSnapshots graphs = subgraphs_of(graph, *parsed.root);
  graphs.emplace(graphs.begin(), "", graph);
  check_nodes(graphs, display_name, operators);
  for (const Node node : model.graph->placeholders()) model.inputs.push_back({node.target(), node.type()});
  model.outputs = outputs_of(*model.graph, display_name);
  return model;
}

}  // namespace lazyfx
