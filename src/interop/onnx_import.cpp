#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>

#include "lazyfx/error.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "onnx_attributes.hpp"
#include "onnx_model.hpp"
#include "onnx_tensor.hpp"
#include "onnx_values.hpp"
#include "problems.hpp"

namespace lazyfx::onnx {
namespace {

constexpr std::int64_t oldest_ir = 3;
constexpr std::int64_t oldest_opset = 1;

// Exporters that name by module path begin with a slash, which would become an underscore in every name.
std::string_view without_root(std::string_view name) { return name.substr(name.starts_with('/') ? 1 : 0); }

bool is_onnx_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

/// Counts applications of operators that the registry does not know.
class UnknownOperators {
 public:
  void add(std::string_view domain, std::string_view type, std::int64_t version, std::string place) {
    auto& entry = entries_[{std::string(is_onnx_domain(domain) ? "onnx" : domain), std::string(type), version}];
    if (entry.count++ == 0) entry.first = std::move(place);
  }
  bool empty() const noexcept { return entries_.empty(); }
  void report(Problems& problems) const {
    for (const auto& [key, entry] : entries_) {
      const auto& [domain, type, version] = key;
      const std::string name = in_quotes(domain + "::" + type);
      problems.add(ErrorKind::unsupported,
                   "operator " + name.substr(1, name.size() - 2) + " of opset " + std::to_string(version) + " is not supported (used " +
                       (entry.count == 1 ? "once" : std::to_string(entry.count) + " times") + ", first by " + entry.first + ")");
    }
  }

 private:
  struct Entry {
    std::size_t count = 0;
    std::string first;
  };
  std::map<std::tuple<std::string, std::string, std::int64_t>, Entry> entries_;
};

/// Makes path atoms out of ONNX names: letters, digits and underscores, not starting with a digit, each once.
class PathAtoms {
 public:
  std::string give(std::string_view name) {
    std::string atom;
    for (const char c : name) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      atom += word ? c : '_';
    }
    if (atom.empty() || (atom[0] >= '0' && atom[0] <= '9')) atom.insert(atom.begin(), '_');
    if (taken_.insert(atom).second) return atom;
    for (std::size_t& i = suffixes_[atom];;) {
      std::string numbered = atom + "_" + std::to_string(++i);
      if (taken_.insert(numbered).second) return numbered;
    }
  }

 private:
  std::unordered_set<std::string> taken_;
  std::map<std::string, std::size_t> suffixes_;
};

TensorType convert_type(const ValueDef& value) {
  if (value.kind == ValueDef::Kind::none) throw Error(ErrorKind::invalid_model, "has no type");
  if (value.kind == ValueDef::Kind::other)
    throw Error(ErrorKind::unsupported, "is not a tensor, sequence or optional; maps and the like are not supported");
  TensorType type(dtype_of_number(value.element_type));
  if (!value.dims) return type;
  if (value.dims->size() > Shape::max_rank) {
    throw Error(ErrorKind::unsupported,
                "has " + std::to_string(value.dims->size()) + " dimensions where " + std::to_string(Shape::max_rank) + " are supported");
  }
  auto& dims = type.dims.emplace();
  std::int64_t bytes = static_cast<std::int64_t>(size_of(type.dtype));
  for (const DimDef& dim : *value.dims) {
    // Some exporters write -1 where they mean "not known".
    if (dim.size && *dim.size != -1) {
      if (*dim.size < 0) throw Error(ErrorKind::invalid_model, "has a dimension of " + std::to_string(*dim.size));
      if (*dim.size > 0 && __builtin_mul_overflow(bytes, *dim.size, &bytes)) {
        throw Error(ErrorKind::invalid_model, "has dimensions that no memory can hold, " + std::to_string(*dim.size) + " among them");
      }
      dims.emplace_back(*dim.size);
    } else {
      dims.emplace_back(std::string(dim.name));
    }
  }
  constexpr std::int64_t address_space = std::int64_t{1} << 47;
  if (bytes > address_space) throw Error(ErrorKind::invalid_model, "has dimensions that no memory can hold: " + to_string(type));
  return type;
}

/// What one file's graphs have in common while they are converted.
struct Context {
  FileBytes bytes;
  const OperatorRegistry& operators;
  TensorLoader tensors;
  Problems problems;
  UnknownOperators unknown_operators;
  std::vector<std::pair<std::string_view, std::string_view>> functions;  // domain, name
  std::map<std::string_view, std::int64_t> versions;                     // by domain

  const std::byte* file() const noexcept { return bytes.bytes.data(); }
  // False once something is wrong: the graph will not be handed out, so nodes are only examined for more that is wrong.
  bool sound() const noexcept { return problems.empty() && unknown_operators.empty(); }
};

PortKind kind_of(const ValueDef& value) {
  switch (value.kind) {
    case ValueDef::Kind::sequence: return PortKind::sequence;
    case ValueDef::Kind::optional: return PortKind::optional;
    default: return PortKind::tensor;
  }
}

/// Converts one graph of a file, and those within it. The outermost one's placeholders are typed and its output is a tuple only where there
/// are several; a nested one takes what comes and always returns a tuple.
class GraphImporter {
 public:
  GraphImporter(Context& context, const GraphDef& def, bool outermost) : c_(context), def_(def), outermost_(outermost) {}

  void run() {
    table_ = resolve_values(def_, c_.problems);
    const auto order = order_nodes(def_, table_, c_.problems);
    make_placeholders();
    for (const auto node : order) convert_node(node);
    make_output();
  }

  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::shared_ptr<Module> root = std::make_shared<Container>();
  std::vector<Port> inputs;

  std::optional<TensorType> port_type(const ValueDef& value, const char* what) {
    if (value.kind == ValueDef::Kind::sequence || value.kind == ValueDef::Kind::optional) return {};
    try {
      return convert_type(value);
    } catch (const Error& error) {
      c_.problems.add(error.kind(), std::string(what) + " " + in_quotes(value.name) + " " + error.what());
      return {};
    }
  }

 private:
  void make_placeholders() {
    nodes_.resize(table_.makers.size());
    for (std::size_t i = 0; i < def_.inputs.size(); ++i) {
      if (table_.inputs[i] == ValueTable::absent) continue;
      const ValueDef& input = def_.inputs[i];
      const auto type = outermost_ ? port_type(input, "graph input") : std::nullopt;
      inputs.push_back({std::string(input.name), type, kind_of(input)});
      if (!c_.sound()) continue;
      Node node = graph->placeholder(std::string(input.name), type);
      node.set_meta("onnx_name", std::string(input.name));
      nodes_[table_.inputs[i]] = node;
    }
  }

  // The node that makes a value. Initializers come into the graph where they are first used.
  Argument argument_for(std::uint32_t value) {
    if (value == ValueTable::absent) return {};
    if (!nodes_[value].defined()) {
      const auto& initializer = def_.initializers[table_.makers[value].index];
      nodes_[value] = make_parameter(initializer.name, load_initializer(initializer));
    }
    return nodes_[value];
  }

  Tensor load_initializer(const InitializerDef& initializer) {
    try {
      return c_.tensors.load(parse_tensor(initializer.message, c_.file()));
    } catch (const Error& error) {
      c_.problems.add(error.kind(), "initializer " + in_quotes(initializer.name) + ": " + error.what());
      return Tensor::empty(DType::f32, Shape{0});
    }
  }

  Node make_parameter(std::string_view name, Tensor tensor) {
    const std::string path = atoms_.give(without_root(name));
    const TensorType type(tensor.dtype(), tensor.shape());
    root->set_parameter(path, std::move(tensor));
    Node node = graph->get_attr(path, type);
    node.set_meta("onnx_name", std::string(name));
    return node;
  }

  void convert_node(std::uint32_t index) {
    const NodeDef& node = def_.nodes[index];
    if (is_onnx_domain(node.domain) && node.op_type == "Constant") return convert_constant(index);
    const OperatorPtr op = find_operator(index);
    if (op == nullptr) {
      static_cast<void>(convert_graphs(index, nullptr));  // for what else is wrong in them
      return;
    }
    const std::string place = place_of(def_, index);
    check_counts(node, place, op->schema);
    Keywords keywords = convert_attributes(def_, node, place, *op, c_.file(), c_.tensors, c_.problems);
    for (auto& entry : convert_graphs(index, op.get())) keywords.push_back(std::move(entry));
    if (!c_.sound()) return;
    keep_output_count(node, *op, keywords);

    Arguments args;
    for (const auto value : table_.of(node.inputs)) args.push_back(argument_for(value));
    while (!args.empty() && args.back().is_none()) args.pop_back();
    if (node.captures.count != 0) {
      // An absent input at the end would otherwise be taken for the first capture.
      const auto single = static_cast<std::size_t>(
          std::count_if(op->schema.inputs.begin(), op->schema.inputs.end(), [](const Parameter& p) { return !p.is_many(); }));
      while (args.size() < single) args.emplace_back();
      for (const auto value : table_.of(node.captures)) args.push_back(argument_for(value));
      keywords.emplace_back("captured", static_cast<std::int64_t>(node.captures.count));
    }
    const auto outputs = def_.value_names.data() + node.outputs.first;
    const std::string_view name = node.name.empty() && node.outputs.count > 0 ? outputs[0] : node.name;
    Node made = graph->call_function(op->name, std::move(args), std::move(keywords), without_root(name));
    made.set_meta("onnx_name", std::string(name));
    bind_outputs(node, made);
  }

  // Where the number of outputs says what is computed, it must not be lost with an output that nobody reads.
  void keep_output_count(const NodeDef& node, const Operator& op, Keywords& keywords) const {
    const auto has = [&](std::string_view name) {
      return std::any_of(keywords.begin(), keywords.end(), [&](const auto& e) { return e.first == name; });
    };
    const auto takes = [&](const AttributeSpec& spec) { return spec.name == "num_outputs"; };
    if (std::none_of(op.schema.attributes.begin(), op.schema.attributes.end(), takes) || has("num_outputs") || has("split")) return;
    const auto given = table_.of(node.inputs);
    if (op.schema.inputs.size() > 1 && given.size() > 1 && given[1] != ValueTable::absent) return;  // the sizes are an input
    keywords.emplace_back("num_outputs", static_cast<std::int64_t>(node.outputs.count));
  }

  /// Converts the graphs that a node's attributes hold, and gives the keywords that name them.
  Keywords convert_graphs(std::uint32_t index, const Operator* op) {
    const NodeDef& node = def_.nodes[index];
    Keywords keywords;
    std::string folder;
    for (auto a = node.attributes.first; a < node.attributes.first + node.attributes.count; ++a) {
      const auto found = def_.nested.find(a);
      if (found == def_.nested.end()) continue;
      const std::string name(parse_attribute(def_.attributes[a], c_.file()).name);
      const auto takes = [&](const AttributeSpec& spec) { return spec.name == name && spec.kind == AttributeSpec::Kind::graph; };
      if (op != nullptr && std::none_of(op->schema.attributes.begin(), op->schema.attributes.end(), takes)) {
        c_.problems.add(ErrorKind::invalid_model,
                        place_of(def_, index) + ": attribute " + in_quotes(name) + " is a graph, which " + op->name + " does not take");
      }
      if (std::any_of(keywords.begin(), keywords.end(), [&](const auto& entry) { return entry.first == name; })) {
        c_.problems.add(ErrorKind::invalid_model, place_of(def_, index) + ": attribute " + in_quotes(name) + " is given twice");
      }
      GraphImporter body(c_, *found->second, false);
      body.run();
      if (!c_.sound()) continue;
      if (folder.empty()) folder = atoms_.give(without_root(node.name.empty() ? node.op_type : node.name));
      root->add_submodule(folder + "." + name, body.as_subgraph());
      keywords.emplace_back(name, folder + "." + name);
    }
    if (op == nullptr || !c_.sound()) return keywords;
    for (const AttributeSpec& spec : op->schema.attributes) {
      const auto given = [&](const auto& entry) { return entry.first == spec.name; };
      if (spec.kind == AttributeSpec::Kind::graph && std::none_of(keywords.begin(), keywords.end(), given)) {
        c_.problems.add(ErrorKind::invalid_model, place_of(def_, index) + " lacks attribute " + in_quotes(spec.name));
      }
    }
    return keywords;
  }

  std::shared_ptr<Subgraph> as_subgraph() const {
    auto subgraph = std::make_shared<Subgraph>(*graph);
    for (const auto& [name, named] : root->tensors()) subgraph->set_parameter(name, named.tensor);
    for (const auto& [name, module] : root->submodules()) subgraph->set_submodule(name, module);
    return subgraph;
  }

  void bind_outputs(const NodeDef& node, Node made) {
    const auto values = table_.of(node.outputs);
    if (values.size() == 1 && values[0] != ValueTable::absent) {
      nodes_[values[0]] = made;
      return;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == ValueTable::absent) continue;
      const auto name = def_.value_names[node.outputs.first + i];
      Node item = graph->call_function("getitem", {made, static_cast<std::int64_t>(i)}, {}, without_root(name));
      item.set_meta("onnx_name", std::string(name));
      nodes_[values[i]] = item;
    }
  }

  void convert_constant(std::uint32_t index) {
    const NodeDef& node = def_.nodes[index];
    if (node.inputs.count != 0 || node.outputs.count != 1 || table_.of(node.outputs)[0] == ValueTable::absent) {
      c_.problems.add(ErrorKind::invalid_model, place_of(def_, index) + " is a constant with inputs or without exactly one output");
      return;
    }
    try {
      Tensor tensor = constant_of(def_, node, c_.file(), c_.tensors);
      if (c_.problems.empty()) nodes_[table_.of(node.outputs)[0]] = make_parameter(def_.value_names[node.outputs.first], std::move(tensor));
    } catch (const Error& error) { c_.problems.add(error.kind(), place_of(def_, index) + ": " + error.what()); }
  }

  OperatorPtr find_operator(std::uint32_t index) {
    const NodeDef& node = def_.nodes[index];
    const auto known = c_.versions.find(is_onnx_domain(node.domain) ? std::string_view{} : node.domain);
    if (known == c_.versions.end()) {
      c_.problems.add(ErrorKind::invalid_model, place_of(def_, index) + " is of operator set " +
                                                    in_quotes(is_onnx_domain(node.domain) ? "ai.onnx" : node.domain) +
                                                    ", of which the model imports no version");
      return nullptr;
    }
    const auto is_this = [&](const auto& function) { return function.first == node.domain && function.second == node.op_type; };
    OperatorPtr op;
    if (known->second <= std::numeric_limits<int>::max() && std::none_of(c_.functions.begin(), c_.functions.end(), is_this)) {
      op = c_.operators.find_version(node.domain, node.op_type, static_cast<int>(known->second));
    }
    if (op == nullptr) c_.unknown_operators.add(node.domain, node.op_type, known->second, place_of(def_, index));
    return op;
  }

  void check_counts(const NodeDef& node, const std::string& place, const Schema& schema) {
    const auto given_inputs = table_.of(node.inputs);
    for (std::size_t i = 0; i < schema.inputs.size(); ++i) {
      const bool given = i < given_inputs.size() && given_inputs[i] != ValueTable::absent;
      const auto arity = schema.inputs[i].arity;
      if (!given && arity != Parameter::Arity::optional && arity != Parameter::Arity::rest) {
        c_.problems.add(ErrorKind::invalid_model, place + " lacks input " + std::to_string(i) + " (" + schema.inputs[i].name + ")");
      }
    }
    check_limit(given_inputs.size(), schema.inputs, place, "inputs");
    check_limit(node.outputs.count, schema.outputs, place, "outputs");
    const auto outputs = table_.of(node.outputs);
    if (std::all_of(outputs.begin(), outputs.end(), [](auto value) { return value == ValueTable::absent; })) {
      c_.problems.add(ErrorKind::invalid_model, place + " has no outputs");
    }
  }

  void check_limit(std::size_t count, const std::vector<Parameter>& formal, const std::string& place, const char* what) {
    if ((!formal.empty() && formal.back().is_many()) || count <= formal.size()) return;
    c_.problems.add(ErrorKind::invalid_model,
                    place + " has " + std::to_string(count) + " " + what + " where its operator has " + std::to_string(formal.size()));
  }

  void make_output() {
    if (!c_.sound()) return;
    Argument::Items items;
    for (const auto value : table_.graph_outputs) items.push_back(argument_for(value));
    if (!c_.sound()) return;
    graph->output(outermost_ && items.size() == 1 ? items.front() : Argument::tuple(std::move(items)));
  }

  Context& c_;
  const GraphDef& def_;
  bool outermost_;
  ValueTable table_;
  std::vector<Node> nodes_;  // by value; undefined until made
  PathAtoms atoms_;
};

class Importer {
 public:
  Importer(FileBytes bytes, std::string display_name, const OperatorRegistry& operators, const ImportOptions& options)
      : c_{bytes, operators, TensorLoader(bytes, options.data_folder(), options.mapping()), {}, {}, {}, {}},
        display_name_(std::move(display_name)) {}

  ImportedModel run() {
    try {
      def_ = parse_model(c_.bytes.bytes);
      check_header();
      c_.functions = def_.functions;
      GraphImporter graph(c_, *def_.graph, true);
      convert_outputs(graph);
      graph.run();
      c_.unknown_operators.report(c_.problems);
      result_.graph = graph.graph;
      result_.root = graph.root;
      result_.inputs = std::move(graph.inputs);
    } catch (const Damage& damage) {
      c_.problems.add(ErrorKind::invalid_model,
                      "it is damaged or no ONNX model: at byte " + std::to_string(damage.offset) + " " + damage.what);
    }
    if (!c_.problems.empty()) c_.problems.raise(display_name_);
    return std::move(result_);
  }

 private:
  void check_header() {
    if (!def_.ir_version && !def_.graph)
      stop(ErrorKind::invalid_model, "it is not an ONNX model: it has neither an IR version nor a graph");
    if (!def_.ir_version) stop(ErrorKind::invalid_model, "it is not an ONNX model: it has no IR version");
    if (*def_.ir_version < oldest_ir) {
      stop(ErrorKind::unsupported, "IR version " + std::to_string(*def_.ir_version) + " is older than " + std::to_string(oldest_ir));
    }
    if (!def_.graph) stop(ErrorKind::invalid_model, "it has no graph");
    for (const auto& [domain, version] : def_.opsets) {
      if (!c_.versions.emplace(is_onnx_domain(domain) ? std::string_view{} : domain, version).second) {
        stop(ErrorKind::invalid_model, "it imports operator set " + in_quotes(is_onnx_domain(domain) ? "ai.onnx" : domain) + " twice");
      }
      if (!is_onnx_domain(domain)) continue;
      if (version < oldest_opset) {
        stop(ErrorKind::unsupported, "opset " + std::to_string(version) + " is older than " + std::to_string(oldest_opset));
      }
      result_.opset = static_cast<int>(std::min<std::int64_t>(version, std::numeric_limits<int>::max()));
    }
    if (def_.graph->has_sparse_initializers) c_.problems.add(ErrorKind::unsupported, "sparse initializers are not supported");
    result_.producer = std::string(def_.producer_name);
    if (!def_.producer_version.empty()) result_.producer += " " + std::string(def_.producer_version);
  }

  // For what leaves nothing to examine further.
  [[noreturn]] void stop(ErrorKind kind, std::string why) {
    c_.problems.add(kind, std::move(why));
    c_.problems.raise(display_name_);
  }

  void convert_outputs(GraphImporter& graph) {
    for (const auto& output : def_.graph->outputs) {
      const bool typed = output.kind != ValueDef::Kind::none;
      result_.outputs.push_back(
          {std::string(output.name), typed ? graph.port_type(output, "graph output") : std::nullopt, kind_of(output)});
    }
  }

  Context c_;
  std::string display_name_;
  ModelDef def_;
  ImportedModel result_;
};

}  // namespace

ImportedModel import_model(const std::filesystem::path& file, const OperatorRegistry& operators, ImportOptions options) {
  FileBytes bytes = open_file(file, options.mapping());
  if (options.data_folder().empty()) options.data_folder(file.has_parent_path() ? file.parent_path() : ".");
  return Importer(std::move(bytes), file.string(), operators, options).run();
}

ImportedModel import_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const std::string& display_name,
                           const OperatorRegistry& operators, ImportOptions options) {
  if (bytes.empty()) throw Error(ErrorKind::invalid_model, display_name + ": it is empty");
  return Importer({bytes, std::move(owner), false}, display_name, operators, options).run();
}

Value import_value(const std::filesystem::path& file, PortKind kind) {
  const FileBytes bytes = open_file(file, Mapping::share);
  TensorLoader tensors(bytes, file.has_parent_path() ? file.parent_path() : ".", Mapping::share);
  const auto load = [&](Bytes message) { return tensors.load(parse_tensor(message, bytes.bytes.data())); };
  try {
    if (kind == PortKind::tensor) return load(bytes.bytes);
    const auto contents =
        kind == PortKind::optional ? parse_optional(bytes.bytes, bytes.bytes.data()) : parse_sequence(bytes.bytes, bytes.bytes.data());
    if (contents.tensor) return load(*contents.tensor);
    if (!contents.is_sequence) return {};
    Value::Items items;
    for (const Bytes item : contents.items) items.emplace_back(load(item));
    return Value::list(std::move(items));
  } catch (const Damage& damage) {
    throw Error(ErrorKind::invalid_model,
                file.string() + ": it is damaged or no tensor: at byte " + std::to_string(damage.offset) + " " + damage.what);
  } catch (const Error& error) { throw Error(error.kind(), file.string() + ": " + error.what()); }
}

Tensor import_tensor(const std::filesystem::path& file) { return import_value(file, PortKind::tensor).as_tensor(); }

}  // namespace lazyfx::onnx
