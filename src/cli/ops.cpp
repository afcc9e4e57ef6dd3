#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/options.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

/// What is said of one operator.
struct Row {
  std::string name, versions, inputs, outputs;
  bool fast = false;
};

std::string versions_of(const Operator& op) {
  return std::to_string(op.since_version) + "-" + (op.until_version == 0 ? "" : std::to_string(op.until_version));
}

/// Dtypes by the name of the set that they form, where it has one.
std::string describe(const std::vector<DType>& dtypes) {
  struct Named {
    const char* name;
    bool (*has)(DType);
  };
  static const Named sets[] = {
      {"any", [](DType) { return true; }},
      {"number or bool", [](DType d) { return d != DType::string; }},
      {"number", [](DType d) { return is_floating(d) || is_integer(d); }},
      {"float", [](DType d) { return is_floating(d); }},
      {"float or signed", [](DType d) { return is_floating(d) || is_signed_integer(d); }},
      {"unsigned", [](DType d) { return is_unsigned_integer(d); }},
  };
  for (const Named& set : sets) {
    std::vector<DType> members;
    for (std::size_t d = 0; d < dtype_count; ++d) {
      if (set.has(static_cast<DType>(d))) members.push_back(static_cast<DType>(d));
    }
    if (members == dtypes) return set.name;
  }
  std::string text;
  for (const DType d : dtypes) text += (text.empty() ? "" : " ") + std::string(to_string(d));
  return text;
}

std::string named(const Parameter& p) {
  switch (p.arity) {
    case Parameter::Arity::optional: return p.name + "?";
    case Parameter::Arity::variadic: return p.name + "...";
    case Parameter::Arity::rest: return p.name + "*";
    case Parameter::Arity::single: break;
  }
  return p.name;
}

std::string inputs_of(const Operator& op) {
  std::string text;
  for (std::size_t i = 0; i < op.schema.inputs.size(); ++i) {
    text += (i == 0 ? "" : ", ") + named(op.schema.inputs[i]);
    if (op.reference) text += ": " + describe(dtypes_taken(op, i));
  }
  return text;
}

std::string outputs_of(const Operator& op) {
  std::string text;
  for (const Parameter& p : op.schema.outputs) text += (text.empty() ? "" : ", ") + named(p);
  return text;
}

std::vector<Row> rows() {
  std::vector<Row> result;
  const OperatorRegistry registry = OperatorRegistry::standard();
  for (const OperatorPtr& op : registry.all()) {
    if (op->name.find("::") == std::string::npos) continue;  // getitem is structure, not an operator of a model
    result.push_back({op->name, versions_of(*op), inputs_of(*op), outputs_of(*op), static_cast<bool>(op->lowering)});
  }
  return result;
}

void print_table(const std::vector<Row>& all) {
  std::size_t width = 0;
  for (const Row& row : all) width = std::max(width, row.name.size());
  const auto padded = [](const std::string& text, std::size_t to) {
    return text + std::string(to > text.size() ? to - text.size() : 0, ' ');
  };
  for (const Row& row : all) {
    std::cout << padded(row.name, width + 2) << padded(row.versions, 8) << (row.fast ? "fast  " : "      ") << row.inputs << '\n';
  }
  const auto fast = std::count_if(all.begin(), all.end(), [](const Row& row) { return row.fast; });
  std::cout << all.size() << " operators, " << fast << " with fast kernels\n";
}

constexpr const char* introduction =
    "# Operators\n\n"
    "What `lazyfx ops --markdown` prints. The number behind an operator's @ tells another meaning from the one under the plain name; opset "
    "is\n"
    "the range of versions of its domain in which a model means this one. Fast says that it is compiled to kernels, for the dtypes and "
    "forms\n"
    "that they take; every operator on tensors also has a plain reference kernel. Behind a name, ? is optional, ... is one or more and * "
    "any\n"
    "number. Operators without dtypes work on values that are no tensors, or run graphs.\n\n"
    "Where ONNX leaves integers open, every tier answers alike: they wrap, divided by zero they give 0 (quotient and remainder), and\n"
    "shifted by as many bits as they have or more they give 0.\n\n"
    "| operator | opset | fast | inputs | outputs |\n|---|---|---|---|---|\n";

void print_markdown(const std::vector<Row>& all) {
  std::cout << introduction;
  for (const Row& row : all) {
    std::cout << "| " << row.name << " | " << row.versions << " | " << (row.fast ? "yes" : "") << " | " << row.inputs << " | "
              << row.outputs << " |\n";
  }
}

void print_json(const std::vector<Row>& all) {
  Json list = Json::array();
  for (const Row& row : all) {
    list.push_back({{"operator", row.name}, {"opset", row.versions}, {"fast", row.fast}, {"inputs", row.inputs}, {"outputs", row.outputs}});
  }
  std::cout << list.dump(2) << '\n';
}

}  // namespace

int ops_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("json", "print JSON")("markdown", "print the page docs/operators.md");
  const auto parsed = parse(arguments, options, "ops [OPTIONS]");
  if (!parsed) return success;
  if (!parsed->operands.empty()) throw UsageError("ops takes no operands");
  const bool json = parsed->options.contains("json"), markdown = parsed->options.contains("markdown");
  if (json && markdown) throw UsageError("--json and --markdown exclude each other");
  const auto all = rows();
  if (json)
    print_json(all);
  else if (markdown)
    print_markdown(all);
  else
    print_table(all);
  return success;
}

}  // namespace lazyfx::cli
