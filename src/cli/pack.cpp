#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/model.hpp"
#include "cli/options.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/store/package_exporter.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;

std::string facts_of(const onnx::ImportedModel& model) {
  nlohmann::ordered_json facts = {{"opset", model.opset}, {"producer", model.producer}, {"outputs", nlohmann::ordered_json::array()}};
  for (const auto& port : model.outputs) facts["outputs"].push_back(port.name);
  return facts.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int pack_command(const std::vector<std::string>& arguments) {
  const po::options_description options("options");
  const auto parsed = parse(arguments, options, "pack MODEL OUT.lfx");
  if (!parsed) return success;
  if (parsed->operands.size() != 2)
    throw UsageError("pack takes a MODEL and OUT.lfx, not " + std::to_string(parsed->operands.size()) + " files");
  const std::string &file = parsed->operands[0], &target = parsed->operands[1];
  if (!target.ends_with(".lfx")) throw UsageError("pack writes packages, whose names end in .lfx, not " + target);
  Runtime runtime;
  const auto model = load_model(file, runtime);
  const LazyGraphModule module(runtime, model.graph, model.root.get());
  PackageExporter package(target, ExportOptions().operators(runtime.operators()));
  package.save_module("model", module);
  package.save_text(facts_package, facts_resource, facts_of(model));
  package.close();
  std::cout << target << ": " << model.graph->size() << " nodes, " << std::filesystem::file_size(target) << " bytes\n";
  return success;
}

}  // namespace lazyfx::cli
