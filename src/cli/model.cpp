#include "cli/model.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "lazyfx/error.hpp"
#include "lazyfx/interop/text.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace lazyfx::cli {
namespace {

using Json = nlohmann::json;

std::string module_of(const PackageImporter& package, const std::string& file) {
  const auto names = package.modules();
  if (names.size() == 1) return names[0];
  if (std::find(names.begin(), names.end(), "model") != names.end()) return "model";
  throw Error(ErrorKind::invalid_model, file + ": it holds " + std::to_string(names.size()) + " modules, none of them called model");
}

// Packages that other programs made have no facts; their outputs go by number.
void read_facts(const PackageImporter& package, const std::string& file, onnx::ImportedModel& model) {
  const std::string entry = std::string("resources/") + facts_package + "/" + facts_resource;
  if (package.file_structure(Glob(std::vector<std::string>{"resources/lazyfx/**"})).empty()) return;
  try {
    const auto facts = Json::parse(package.load_text(facts_package, facts_resource));
    model.opset = facts.at("opset").get<int>();
    model.producer = facts.at("producer").get<std::string>();
    for (const auto& name : facts.at("outputs")) model.outputs.push_back({name.get<std::string>(), {}});
  } catch (const Json::exception& e) { throw Error(ErrorKind::invalid_model, file + ": " + entry + ": " + e.what()); }
}

std::size_t output_count(const Graph& graph) {
  const Node output = graph.output_node();
  if (!output.defined()) return 0;
  const Argument& result = output.arg(0);
  return result.is_tuple() || result.is_list() ? result.items().size() : 1;
}

onnx::ImportedModel load_package(const std::string& file, Runtime& runtime) {
  const PackageImporter package(file);
  const auto module = package.load_graph_module(module_of(package, file), runtime);
  onnx::ImportedModel model;
  model.graph = module->graph_ptr();
  model.root = module;
  for (const Node node : model.graph->placeholders()) {
    const auto given = node.meta().find("onnx_name");
    const bool named = given != node.meta().end() && given->second.is_string();
    model.inputs.push_back({named ? given->second.as_string() : node.target(), node.type()});
  }
  read_facts(package, file, model);
  if (model.outputs.size() != output_count(*model.graph)) {
    model.outputs.clear();
    for (std::size_t i = 0; i < output_count(*model.graph); ++i) model.outputs.push_back({"output_" + std::to_string(i), {}});
  }
  return model;
}

onnx::ImportedModel load_text(const std::string& file, const Runtime& runtime) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw Error(ErrorKind::invalid_model, file + ": it cannot be read");
  return import_text(text, file, runtime.operators());
}

}  // namespace

bool is_package(const std::string& file) {
  std::error_code ignored;  // a file that cannot be examined is told by whoever opens it
  return file.ends_with(".lfx") || std::filesystem::is_regular_file(std::filesystem::path(file) / "manifest.json", ignored);
}

onnx::ImportedModel load_model(const std::string& file, Runtime& runtime) {
  if (is_package(file)) return load_package(file, runtime);
  if (file.ends_with(".fx")) return load_text(file, runtime);
  return onnx::import_model(file, runtime.operators());
}

}  // namespace lazyfx::cli
