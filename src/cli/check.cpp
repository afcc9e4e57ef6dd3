#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>

#include "cli/compare.hpp"
#include "cli/isolate.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Those of ONNX's own test runner.
constexpr double relative_tolerance = 1e-3, absolute_tolerance = 1e-7;
constexpr auto patience = std::chrono::seconds(120);

// What a case ended with: one of these words, then the reason.
constexpr std::string_view passed = "passed", failed = "failed", skipped = "skipped";
struct Outcome {
  std::string status;
  std::string reason;
};

/// Folders with a model.onnx: `folder` itself, or those below it, sorted.
std::vector<fs::path> cases_in(const fs::path& folder) {
  if (fs::is_regular_file(folder / "model.onnx")) return {folder};
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied, error);
  if (error) throw Error(ErrorKind::invalid_argument, folder.string() + ": it cannot be listed: " + error.message());
  std::vector<fs::path> cases;
  for (const auto& entry : walk) {
    if (entry.path().filename() == "model.onnx") cases.push_back(entry.path().parent_path());
  }
  std::sort(cases.begin(), cases.end());
  if (cases.empty()) throw Error(ErrorKind::invalid_argument, folder.string() + ": there is no model.onnx in it or below it");
  return cases;
}

std::vector<fs::path> data_sets_of(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_")) sets.push_back(entry.path());
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

/// prefix_0.pb, prefix_1.pb, ... as far as they go.
std::vector<Tensor> tensors_of(const fs::path& set, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0;; ++i) {
    const auto file = set / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return tensors;
    tensors.push_back(onnx::import_tensor(file));
  }
}

/// ONNX's own data store bf16 as the integers of its bits, since NumPy has no such type.
Tensor as_declared(const Tensor& tensor, const std::optional<TensorType>& type) {
  if (!type || type->dtype != DType::bf16 || tensor.dtype() != DType::u16) return tensor;
  const auto owner = std::make_shared<const Tensor>(tensor.contiguous());
  return Tensor::wrap(DType::bf16, owner->shape(), owner->raw(), owner);
}

std::string check_set(GraphModule& module, const fs::path& set, const onnx::ImportedModel& model) {
  const auto given = tensors_of(set, "input_");
  auto expected = tensors_of(set, "output_");
  if (expected.size() != model.outputs.size()) {
    return "there are " + std::to_string(expected.size()) + " expected outputs where the model has " + std::to_string(model.outputs.size());
  }
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = as_declared(expected[i], model.outputs[i].type);
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < given.size(); ++i) {
    inputs.emplace_back(i < model.inputs.size() ? as_declared(given[i], model.inputs[i].type) : given[i]);
  }
  const Value result = module.call(inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Tensor& actual = (expected.size() == 1 ? result : result[i]).as_tensor();
    const auto why = difference(actual, expected[i], relative_tolerance, absolute_tolerance);
    if (!why.empty()) return "output " + std::to_string(i) + ": " + why;
  }
  return {};
}

Outcome check_case(const fs::path& folder) {
  const auto sets = data_sets_of(folder);
  if (sets.empty()) return {std::string(skipped), "there is no test_data_set_* beside the model"};
  Runtime runtime(RuntimeOptions().threads(1));
  try {
    const auto model = onnx::import_model(folder / "model.onnx", runtime.operators());
    LazyGraphModule module(runtime, model.graph, model.root.get());
    for (const auto& set : sets) {
      const auto why = check_set(module, set, model);
      if (!why.empty()) return {std::string(failed), set.filename().string() + ", " + why};
    }
  } catch (const Error& error) { return {std::string(error.kind() == ErrorKind::unsupported ? skipped : failed), error.what()}; }
  return {std::string(passed), ""};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// The word and the reason travel from the case's own process as two lines.
Outcome check_isolated(const fs::path& folder) {
  const auto result = isolate(
      [&] {
        const auto outcome = check_case(folder);
        return outcome.status + '\n' + one_line(outcome.reason);
      },
      patience);
  if (!result.finished) return {std::string(failed), one_line(result.text)};
  const auto end = result.text.find('\n');
  return {result.text.substr(0, end), result.text.substr(end + 1)};
}

}  // namespace

int check_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("json", po::value<std::string>()->value_name("FILE"), "write the outcome of every case there")(
      "filter", po::value<std::string>()->value_name("REGEX"), "only cases whose path this is found in");
  const auto parsed = parse(arguments, options, "check DIR... [OPTIONS]");
  if (!parsed) return success;
  if (parsed->operands.empty()) throw UsageError("check takes at least one DIR");
  std::optional<std::regex> filter;
  try {
    if (parsed->options.contains("filter")) filter.emplace(parsed->options["filter"].as<std::string>());
  } catch (const std::regex_error&) {
    throw UsageError("--filter is no regular expression: '" + parsed->options["filter"].as<std::string>() + "'");
  }
  std::vector<fs::path> cases;
  for (const auto& operand : parsed->operands) {
    for (const auto& found : cases_in(operand)) {
      if (!filter || std::regex_search(found.string(), *filter)) cases.push_back(found);
    }
  }

  Progress progress;
  Json rows = Json::array();
  std::map<std::string, std::size_t> counts;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    progress.show(std::to_string(i + 1) + "/" + std::to_string(cases.size()) + " " + cases[i].filename().string());
    const auto outcome = check_isolated(cases[i]);
    ++counts[outcome.status];
    if (outcome.status == failed) {
      progress.clear();
      std::cout << "FAILED " << cases[i].string() << ": " << outcome.reason << std::endl;
    }
    rows.push_back({{"case", cases[i].string()}, {"status", outcome.status}, {"reason", outcome.reason}});
  }
  progress.clear();
  if (parsed->options.contains("json")) {
    const auto& target = parsed->options["json"].as<std::string>();
    std::ofstream out(target);
    out << rows.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    out.close();
    if (!out) throw Error(ErrorKind::invalid_argument, target + ": it cannot be written");
  }
  std::cout << counts["passed"] << " passed, " << counts["failed"] << " failed, " << counts["skipped"] << " skipped\n";
  return counts["failed"] == 0 ? success : bad_input;
}

}  // namespace lazyfx::cli
