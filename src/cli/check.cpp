#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "cli/compare.hpp"
#include "cli/isolate.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"

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

/// ONNX's own data store bf16 as the integers of its bits, since NumPy has no such type.
Value as_declared(Value value, const onnx::Port& port) {
  if (!value.is_tensor() || !port.type || port.type->dtype != DType::bf16 || value.as_tensor().dtype() != DType::u16) return value;
  const auto owner = std::make_shared<const Tensor>(value.as_tensor().contiguous());
  return Tensor::wrap(DType::bf16, owner->shape(), owner->raw(), owner);
}

/// prefix_0.pb, prefix_1.pb, ... as far as they go, as `ports` say what they are.
std::vector<Value> values_of(const fs::path& set, const std::string& prefix, const std::vector<onnx::Port>& ports) {
  std::vector<Value> values;
  for (std::size_t i = 0;; ++i) {
    const auto file = set / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return values;
    const onnx::Port port = i < ports.size() ? ports[i] : onnx::Port();
    values.push_back(as_declared(onnx::import_value(file, port.kind), port));
  }
}

std::string difference_of(const Value& actual, const Value& expected) {
  if (actual.is_tensor() && expected.is_tensor())
    return difference(actual.as_tensor(), expected.as_tensor(), relative_tolerance, absolute_tolerance);
  if (std::string_view(actual.kind()) != expected.kind()) return std::string("it is a ") + actual.kind() + ", not a " + expected.kind();
  if (actual.is_none()) return {};
  if (actual.items().size() != expected.items().size()) {
    return "it has " + std::to_string(actual.items().size()) + " elements, not " + std::to_string(expected.items().size());
  }
  for (std::size_t i = 0; i < actual.items().size(); ++i) {
    const auto why = difference_of(actual[i], expected[i]);
    if (!why.empty()) return "element " + std::to_string(i) + ": " + why;
  }
  return {};
}

/// The first operator in the model, or in a graph within it, that draws random numbers; null when none does.
OperatorPtr random_operator(const Snapshot& graph, const Module& root, const OperatorRegistry& operators) {
  for (const NodeView node : graph) {
    if (node.op() != Opcode::call_function) continue;
    const OperatorPtr op = operators.find(node.target());
    const auto is_graph = [](const AttributeSpec& spec) { return spec.kind == AttributeSpec::Kind::graph; };
    const bool runs_graphs = op && std::any_of(op->schema.attributes.begin(), op->schema.attributes.end(), is_graph);
    if (op && op->effect == Effect::random && !runs_graphs) return op;
    for (const auto& [name, value] : node.kwargs()) {
      const auto body =
          runs_graphs && value.is_string() ? std::dynamic_pointer_cast<Subgraph>(root.find_submodule(value.as_string())) : nullptr;
      if (!body) continue;
      if (const OperatorPtr found = random_operator(body->graph(), *body, operators)) return found;
    }
  }
  return nullptr;
}

/// Outputs that are random can only be held to what they are of.
std::string difference_in_kind(const Value& actual, const Value& expected) {
  if (!actual.is_tensor() || !expected.is_tensor()) {
    return std::string_view(actual.kind()) == expected.kind() ? "" : std::string("it is a ") + actual.kind() + ", not a " + expected.kind();
  }
  const auto zeros = [](const Value& v) { return Tensor::zeros(v.as_tensor().dtype(), v.as_tensor().shape()); };
  return difference(zeros(actual), zeros(expected), 0, 0);
}

std::string check_set(GraphModule& module, const fs::path& set, const onnx::ImportedModel& model, bool is_random) {
  const auto inputs = values_of(set, "input_", model.inputs);
  const auto expected = values_of(set, "output_", model.outputs);
  if (expected.size() != model.outputs.size()) {
    return "there are " + std::to_string(expected.size()) + " expected outputs where the model has " + std::to_string(model.outputs.size());
  }
  const Value result = module.call(inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Value& actual = expected.size() == 1 ? result : result[i];
    const auto why = is_random ? difference_in_kind(actual, expected[i]) : difference_of(actual, expected[i]);
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
    const OperatorPtr random = random_operator(model.graph->freeze(), *model.root, runtime.operators());
    for (const auto& set : sets) {
      const auto why = check_set(module, set, model, random != nullptr);
      if (!why.empty()) return {std::string(failed), set.filename().string() + ", " + why};
    }
    if (random) {
      return {std::string(skipped),
              random->name + " draws random numbers, and ONNX leaves open which: the outputs have the dtypes and shapes expected"};
    }
  } catch (const Error& error) { return {std::string(error.kind() == ErrorKind::unsupported ? skipped : failed), error.what()}; }
  return {std::string(passed), ""};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// The word and the reason travel from the case's own process as two lines.
Outcome outcome_of(const Isolated& ended) {
  if (!ended.finished) return {std::string(failed), one_line(ended.text)};
  const auto end = ended.text.find('\n');
  return {ended.text.substr(0, end), ended.text.substr(end + 1)};
}

std::vector<fs::path> chosen_cases(const Parsed& parsed) {
  std::optional<std::regex> filter;
  try {
    if (parsed.options.contains("filter")) filter.emplace(parsed.options["filter"].as<std::string>());
  } catch (const std::regex_error&) {
    throw UsageError("--filter is no regular expression: '" + parsed.options["filter"].as<std::string>() + "'");
  }
  std::vector<fs::path> cases;
  for (const auto& operand : parsed.operands) {
    for (const auto& found : cases_in(operand)) {
      if (!filter || std::regex_search(found.string(), *filter)) cases.push_back(found);
    }
  }
  return cases;
}

/// Runs every case in a process of its own, several at a time, and prints those that fail in the order of the cases.
std::vector<Outcome> outcomes_of(const std::vector<fs::path>& cases, std::size_t jobs) {
  Progress progress;
  std::vector<Outcome> outcomes(cases.size());
  std::size_t done = 0, printed = 0;
  isolate_each(
      cases.size(), jobs,
      [&](std::size_t i) {
        const auto outcome = check_case(cases[i]);
        return outcome.status + '\n' + one_line(outcome.reason);
      },
      patience,
      [&](std::size_t i, const Isolated& ended) {
        outcomes[i] = outcome_of(ended);
        progress.show(std::to_string(++done) + "/" + std::to_string(cases.size()) + " " + cases[i].filename().string());
        for (; printed < cases.size() && !outcomes[printed].status.empty(); ++printed) {
          if (outcomes[printed].status != failed) continue;
          progress.clear();
          std::cout << "FAILED " << cases[printed].string() << ": " << outcomes[printed].reason << std::endl;
        }
      });
  return outcomes;
}

void write_file(const std::string& target, const std::string& text) {
  std::ofstream out(target);
  out << text;
  out.close();
  if (!out) throw Error(ErrorKind::invalid_argument, target + ": it cannot be written");
}

std::string as_json(const std::vector<fs::path>& cases, const std::vector<Outcome>& outcomes) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    rows.push_back({{"case", cases[i].string()}, {"status", outcomes[i].status}, {"reason", outcomes[i].reason}});
  }
  return rows.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

/// Text fit for an XML attribute; what XML cannot say becomes a question mark.
std::string xml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? '?' : c;
    }
  }
  return out;
}

/// In the form that build servers read.
std::string as_junit(const std::vector<fs::path>& cases, const std::vector<Outcome>& outcomes) {
  const auto count = [&](std::string_view status) {
    return std::to_string(std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.status == status; }));
  };
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lazyfx check\" tests=\"" +
                     std::to_string(cases.size()) + "\" failures=\"" + count(failed) + "\" skipped=\"" + count(skipped) + "\">\n";
  for (std::size_t i = 0; i < cases.size(); ++i) {
    text += "  <testcase classname=\"" + xml(cases[i].parent_path().string()) + "\" name=\"" + xml(cases[i].filename().string()) + "\"";
    if (outcomes[i].status == passed) {
      text += "/>\n";
    } else {
      text += std::string("><") + (outcomes[i].status == failed ? "failure" : "skipped") + " message=\"" + xml(outcomes[i].reason) +
              "\"/></testcase>\n";
    }
  }
  return text + "</testsuite>\n";
}

}  // namespace

int check_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("json", po::value<std::string>()->value_name("FILE"), "write the outcome of every case there")(
      "junit", po::value<std::string>()->value_name("FILE"), "the same as JUnit XML")(
      "filter", po::value<std::string>()->value_name("REGEX"), "only cases whose path this is found in")(
      "jobs", po::value<unsigned>()->value_name("N"), "cases to run at a time; default: one for each processor");
  const auto parsed = parse(arguments, options, "check DIR... [OPTIONS]");
  if (!parsed) return success;
  if (parsed->operands.empty()) throw UsageError("check takes at least one DIR");
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  const unsigned jobs = parsed->options.contains("jobs") ? parsed->options["jobs"].as<unsigned>() : processors;
  if (jobs < 1 || jobs > 256) throw UsageError("--jobs takes a number from 1 to 256");
  const auto cases = chosen_cases(*parsed);
  const auto outcomes = outcomes_of(cases, jobs);
  if (parsed->options.contains("json")) write_file(parsed->options["json"].as<std::string>(), as_json(cases, outcomes));
  if (parsed->options.contains("junit")) write_file(parsed->options["junit"].as<std::string>(), as_junit(cases, outcomes));
  std::map<std::string, std::size_t> counts;
  for (const auto& outcome : outcomes) ++counts[outcome.status];
  std::cout << counts["passed"] << " passed, " << counts["failed"] << " failed, " << counts["skipped"] << " skipped\n";
  return counts["failed"] == 0 ? success : bad_input;
}

}  // namespace lazyfx::cli
