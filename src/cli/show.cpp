#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/model.hpp"
#include "cli/options.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

// Names may hold any bytes; JSON is UTF-8.
std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

std::string type_text(const std::optional<TensorType>& type) { return type ? to_string(*type) : "?"; }

std::size_t parameter_bytes(const onnx::ImportedModel& model) {
  std::size_t bytes = 0;
  for (const auto& [name, entry] : model.root->tensors()) bytes += entry.tensor.byte_size();
  return bytes;
}

std::map<std::string, std::size_t> operator_counts(const Graph& graph) {
  std::map<std::string, std::size_t> counts;
  for (const Node node : graph.find_nodes(Opcode::call_function)) ++counts[node.target()];
  return counts;
}

void show_summary(const std::string& file, const onnx::ImportedModel& model) {
  std::cout << file << ": opset " << model.opset << (model.producer.empty() ? "" : ", by " + model.producer) << ", " << model.graph->size()
            << " nodes, " << model.root->tensors().size() << " constants of " << parameter_bytes(model) << " bytes\n";
  for (const auto& port : model.inputs) std::cout << "input  " << port.name << ": " << type_text(port.type) << '\n';
  for (const auto& port : model.outputs) std::cout << "output " << port.name << ": " << type_text(port.type) << '\n';
  for (const auto& [name, count] : operator_counts(*model.graph)) std::cout << "  " << count << " x " << name << '\n';
  if (!is_package(file)) return;
  for (const auto& [name, size] : PackageImporter(file).file_structure()) std::cout << "entry  " << name << ": " << size << " bytes\n";
}

std::string dot_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void show_dot(const Graph& graph) {
  std::cout << "digraph model {\n  node [shape=box];\n";
  for (const Node node : graph.nodes()) {
    const bool call = node.op() == Opcode::call_function || node.op() == Opcode::call_method || node.op() == Opcode::call_module;
    const std::string label = call ? node.name() + ": " + node.target() : node.name();
    std::cout << "  " << dot_text(node.name()) << " [label=" << dot_text(label) << (call ? "" : ", shape=ellipse") << "];\n";
    for (const Node input : node.all_input_nodes()) std::cout << "  " << dot_text(input.name()) << " -> " << dot_text(node.name()) << ";\n";
  }
  std::cout << "}\n";
}

Json ports_json(const std::vector<onnx::Port>& ports) {
  Json list = Json::array();
  for (const auto& port : ports) list.push_back({{"name", port.name}, {"type", port.type ? Json(to_string(*port.type)) : Json()}});
  return list;
}

void show_json(const std::string& file, const onnx::ImportedModel& model) {
  Json nodes = Json::array();
  for (const Node node : model.graph->nodes()) {
    Json inputs = Json::array();
    for (const Node input : node.all_input_nodes()) inputs.push_back(input.name());
    Json row = {{"name", node.name()}, {"op", to_string(node.op())}, {"target", node.target()}, {"inputs", std::move(inputs)}};
    if (node.type()) row["type"] = to_string(*node.type());
    if (const auto found = node.meta().find("onnx_name"); found != node.meta().end()) row["onnx_name"] = found->second.as_string();
    nodes.push_back(std::move(row));
  }
  std::cout << dump({{"file", file},
                     {"opset", model.opset},
                     {"producer", model.producer},
                     {"parameter_bytes", parameter_bytes(model)},
                     {"inputs", ports_json(model.inputs)},
                     {"outputs", ports_json(model.outputs)},
                     {"operators", operator_counts(*model.graph)},
                     {"nodes", std::move(nodes)}})
            << '\n';
}

void show_code(const onnx::ImportedModel& model) {
  const Snapshot graph = model.graph->freeze();
  std::cout << render_code(graph, {}, subgraphs_of(graph, *model.root)).text;
}

}  // namespace

int show_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("code", "readable code")("table", "one row a node")("dot", "for Graphviz")("json", "everything, for programs");
  const auto parsed = parse(arguments, options, "show MODEL [--code|--table|--dot|--json]");
  if (!parsed) return success;
  if (parsed->operands.size() != 1) throw UsageError("show takes one MODEL, not " + std::to_string(parsed->operands.size()));
  std::string form;
  for (const char* name : {"code", "table", "dot", "json"}) {
    if (!parsed->options.contains(name)) continue;
    if (!form.empty()) throw UsageError("show takes one of --" + form + " and --" + name);
    form = name;
  }
  Runtime runtime;
  const auto model = load_model(parsed->operands[0], runtime);
  if (form == "code")
    show_code(model);
  else if (form == "table")
    model.graph->print_tabular(std::cout);
  else if (form == "dot")
    show_dot(*model.graph);
  else if (form == "json")
    show_json(parsed->operands[0], model);
  else
    show_summary(parsed->operands[0], model);
  return success;
}

}  // namespace lazyfx::cli
