#include <filesystem>
#include <iostream>
#include <set>
#include <system_error>

#include "cli/inputs.hpp"
#include "cli/model.hpp"
#include "cli/npy.hpp"
#include "cli/options.hpp"
#include "cli/watching.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;

/// An output's name as a file name: what a shell or a file system could take amiss becomes an underscore; repeated ones get a number.
class FileNames {
 public:
  std::string give(const std::string& output) {
    std::string name;
    for (const char c : output) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
      name += plain ? c : '_';
    }
    if (name.empty() || name.front() == '.') name.insert(name.begin(), '_');
    std::string unique = name;
    for (int i = 1; !taken_.insert(unique).second; ++i) unique = name + "_" + std::to_string(i);
    return unique + ".npy";
  }

 private:
  std::set<std::string> taken_;
};

std::vector<Value> outputs_of(const Value& result, std::size_t count) {
  if (count == 1 && !result.is_tuple()) return {result};
  return {result.items().begin(), result.items().end()};
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw Error(ErrorKind::invalid_argument, folder.string() + ": it cannot be made a folder: " + failed.message());
}

}  // namespace

int run_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("input", po::value<std::vector<std::string>>()->value_name("NAME=FILE"),
                        "elements of an input, from a .npy or TensorProto .pb file; repeatable")(
      "shape", po::value<std::vector<std::string>>()->value_name("NAME=DIMS"),
      "shape of an input that is filled with a pattern, 1x3x224x224; repeatable")("out", po::value<std::string>()->value_name("DIR"),
                                                                                  "write each output to DIR/<name>.npy");
  add_tier(options);
  add_trace(options);
  const auto parsed = parse(arguments, options, "run MODEL [OPTIONS]");
  if (!parsed) return success;
  if (parsed->operands.size() != 1) throw UsageError("run takes one MODEL, not " + std::to_string(parsed->operands.size()));
  tier_of(*parsed);
  const auto files = parse_files(list_of(*parsed, "input"));
  const auto shapes = parse_shapes(list_of(*parsed, "shape"));

  std::filesystem::path folder;
  if (parsed->options.contains("out")) make_folder(folder = parsed->options["out"].as<std::string>());
  const std::string& file = parsed->operands[0];
  Progress progress;
  Runtime runtime(traced(*parsed));
  progress.show("reading " + file);
  const auto model = load_model(file, runtime);
  std::vector<Value> inputs;
  Value result;
  try {
    inputs = make_inputs(model, files, shapes);
    const CompileLine line(runtime, progress, file);
    LazyGraphModule module(runtime, model.graph, model.root.get());
    result = module.call(inputs);
  } catch (const Error& error) {
    write_trace(*parsed, runtime);  // of how far it got
    throw Error(error.kind(), file + ": " + error.what());
  }
  write_trace(*parsed, runtime);
  progress.clear();
  const auto outputs = outputs_of(result, model.outputs.size());
  for (std::size_t i = 0; i < outputs.size() && !folder.empty(); ++i) {
    if (outputs[i].is_tensor()) continue;
    throw Error(ErrorKind::unsupported, file + ": output " + model.outputs[i].name + " is no tensor: a .npy file cannot hold it");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!files.contains(model.inputs[i].name)) {
      const Tensor& tensor = inputs[i].as_tensor();
      std::cout << "input " << model.inputs[i].name << ": " << to_string(tensor.dtype()) << '[' << to_string(tensor.shape())
                << "], filled with a pattern\n";
    }
  }
  FileNames names;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::cout << "output " << model.outputs[i].name << ": " << to_string(outputs[i]);
    if (!folder.empty()) {
      const auto target = folder / names.give(model.outputs[i].name);
      write_npy(target, outputs[i].as_tensor());
      std::cout << " -> " << target.string();
    }
    std::cout << '\n';
  }
  return success;
}

}  // namespace lazyfx::cli
