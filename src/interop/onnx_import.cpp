#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>

#include "lazyfx/error.hpp"
#include "lazyfx/interop/onnx.hpp"
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
    throw Error(ErrorKind::unsupported, "is not a tensor; sequences, maps and the like are not supported");
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

class Importer {
 public:
  Importer(FileBytes bytes, std::string display_name, const OperatorRegistry& operators, const ImportOptions& options)
      : bytes_(std::move(bytes)),
        file_(bytes_.bytes.data()),
        display_name_(std::move(display_name)),
        operators_(operators),
        tensors_(bytes_, options.data_folder(), options.mapping()) {}

  ImportedModel run() {
    try {
      def_ = parse_model(bytes_.bytes);
      check_header();
      graph_ = &*def_.graph;
      convert_ports();
      table_ = resolve_values(*graph_, problems_);
      const auto order = order_nodes(*graph_, table_, problems_);
      make_placeholders();
      for (const auto node : order) convert_node(node);
      unknown_operators_.report(problems_);
      make_output();
    } catch (const Damage& damage) {
      problems_.add(ErrorKind::invalid_model,
                    "it is damaged or no ONNX model: at byte " + std::to_string(damage.offset) + " " + damage.what);
    }
    if (!problems_.empty()) problems_.raise(display_name_);
    result_.root = root_;
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
      if (!versions_.emplace(is_onnx_domain(domain) ? std::string_view{} : domain, version).second) {
        stop(ErrorKind::invalid_model, "it imports operator set " + in_quotes(is_onnx_domain(domain) ? "ai.onnx" : domain) + " twice");
      }
      if (!is_onnx_domain(domain)) continue;
      if (version < oldest_opset) {
        stop(ErrorKind::unsupported, "opset " + std::to_string(version) + " is older than " + std::to_string(oldest_opset));
      }
      result_.opset = static_cast<int>(std::min<std::int64_t>(version, std::numeric_limits<int>::max()));
    }
    if (def_.graph->has_sparse_initializers) problems_.add(ErrorKind::unsupported, "sparse initializers are not supported");
    result_.producer = std::string(def_.producer_name);
    if (!def_.producer_version.empty()) result_.producer += " " + std::string(def_.producer_version);
    result_.graph = std::make_shared<Graph>();
  }

  // False once something is wrong: the graph will not be handed out, so nodes are only examined for more that is wrong.
  bool sound() const noexcept { return problems_.empty() && unknown_operators_.empty(); }

  // For what leaves nothing to examine further.
  [[noreturn]] void stop(ErrorKind kind, std::string why) {
    problems_.add(kind, std::move(why));
    problems_.raise(display_name_);
  }

  std::optional<TensorType> port_type(const ValueDef& value, const char* what) {
    try {
      return convert_type(value);
    } catch (const Error& error) {
      problems_.add(error.kind(), std::string(what) + " " + in_quotes(value.name) + " " + error.what());
      return {};
    }
  }

  void convert_ports() {
    for (const auto& output : graph_->outputs) {
      const bool typed = output.kind != ValueDef::Kind::none;
      result_.outputs.push_back({std::string(output.name), typed ? port_type(output, "graph output") : std::nullopt});
    }
  }

  void make_placeholders() {
    nodes_.resize(table_.makers.size());
    for (std::size_t i = 0; i < graph_->inputs.size(); ++i) {
      if (table_.inputs[i] == ValueTable::absent) continue;
      const ValueDef& input = graph_->inputs[i];
      const auto type = port_type(input, "graph input");
      result_.inputs.push_back({std::string(input.name), type});
      if (!sound()) continue;
      Node node = result_.graph->placeholder(std::string(input.name), type);
      node.set_meta("onnx_name", std::string(input.name));
      nodes_[table_.inputs[i]] = node;
    }
  }

  // The node that makes a value. Initializers come into the graph where they are first used.
  Argument argument_for(std::uint32_t value) {
    if (value == ValueTable::absent) return {};
    if (!nodes_[value].defined()) {
      const auto& initializer = graph_->initializers[table_.makers[value].index];
      nodes_[value] = make_parameter(initializer.name, load_initializer(initializer));
    }
    return nodes_[value];
  }

  Tensor load_initializer(const InitializerDef& initializer) {
    try {
      return tensors_.load(parse_tensor(initializer.message, file_));
    } catch (const Error& error) {
      problems_.add(error.kind(), "initializer " + in_quotes(initializer.name) + ": " + error.what());
      return Tensor::empty(DType::f32, Shape{0});
    }
  }

  Node make_parameter(std::string_view name, Tensor tensor) {
    const std::string path = atoms_.give(without_root(name));
    const TensorType type(tensor.dtype(), tensor.shape());
    root_->set_parameter(path, std::move(tensor));
    Node node = result_.graph->get_attr(path, type);
    node.set_meta("onnx_name", std::string(name));
    return node;
  }

  void convert_node(std::uint32_t index) {
    const NodeDef& node = graph_->nodes[index];
    if (is_onnx_domain(node.domain) && node.op_type == "Constant") return convert_constant(index);
    const OperatorPtr op = find_operator(index);
    if (op == nullptr) return;
    const std::string place = place_of(*graph_, index);
    check_counts(node, place, op->schema);
    Keywords keywords = convert_attributes(*graph_, node, place, *op, file_, tensors_, problems_);
    if (!sound()) return;

    Arguments args;
    for (const auto value : table_.of(node.inputs)) args.push_back(argument_for(value));
    while (!args.empty() && args.back().is_none()) args.pop_back();
    const auto outputs = graph_->value_names.data() + node.outputs.first;
    const std::string_view name = node.name.empty() && node.outputs.count > 0 ? outputs[0] : node.name;
    Node made = result_.graph->call_function(op->name, std::move(args), std::move(keywords), without_root(name));
    made.set_meta("onnx_name", std::string(name));
    bind_outputs(node, made);
  }

  void bind_outputs(const NodeDef& node, Node made) {
    const auto values = table_.of(node.outputs);
    if (values.size() == 1 && values[0] != ValueTable::absent) {
      nodes_[values[0]] = made;
      return;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == ValueTable::absent) continue;
      const auto name = graph_->value_names[node.outputs.first + i];
      Node item = result_.graph->call_function("getitem", {made, static_cast<std::int64_t>(i)}, {}, without_root(name));
      item.set_meta("onnx_name", std::string(name));
      nodes_[values[i]] = item;
    }
  }

  void convert_constant(std::uint32_t index) {
    const NodeDef& node = graph_->nodes[index];
    if (node.inputs.count != 0 || node.outputs.count != 1 || table_.of(node.outputs)[0] == ValueTable::absent) {
      problems_.add(ErrorKind::invalid_model, place_of(*graph_, index) + " is a constant with inputs or without exactly one output");
      return;
    }
    try {
      Tensor tensor = constant_of(*graph_, node, file_, tensors_);
      if (problems_.empty())
        nodes_[table_.of(node.outputs)[0]] = make_parameter(graph_->value_names[node.outputs.first], std::move(tensor));
    } catch (const Error& error) { problems_.add(error.kind(), place_of(*graph_, index) + ": " + error.what()); }
  }

  OperatorPtr find_operator(std::uint32_t index) {
    const NodeDef& node = graph_->nodes[index];
    const auto known = versions_.find(is_onnx_domain(node.domain) ? std::string_view{} : node.domain);
    if (known == versions_.end()) {
      problems_.add(ErrorKind::invalid_model, place_of(*graph_, index) + " is of operator set " +
                                                  in_quotes(is_onnx_domain(node.domain) ? "ai.onnx" : node.domain) +
                                                  ", of which the model imports no version");
      return nullptr;
    }
    const auto is_this = [&](const auto& function) { return function.first == node.domain && function.second == node.op_type; };
    OperatorPtr op;
    if (known->second <= std::numeric_limits<int>::max() && std::none_of(def_.functions.begin(), def_.functions.end(), is_this)) {
      op = operators_.find_version(node.domain, node.op_type, static_cast<int>(known->second));
    }
    if (op == nullptr) unknown_operators_.add(node.domain, node.op_type, known->second, place_of(*graph_, index));
    return op;
  }

  void check_counts(const NodeDef& node, const std::string& place, const Schema& schema) {
    const auto inputs = table_.of(node.inputs);
    for (std::size_t i = 0; i < schema.inputs.size(); ++i) {
      const bool given = i < inputs.size() && inputs[i] != ValueTable::absent;
      if (!given && schema.inputs[i].arity != Parameter::Arity::optional) {
        problems_.add(ErrorKind::invalid_model, place + " lacks input " + std::to_string(i) + " (" + schema.inputs[i].name + ")");
      }
    }
    check_limit(inputs.size(), schema.inputs, place, "inputs");
    check_limit(node.outputs.count, schema.outputs, place, "outputs");
    const auto outputs = table_.of(node.outputs);
    if (std::all_of(outputs.begin(), outputs.end(), [](auto value) { return value == ValueTable::absent; })) {
      problems_.add(ErrorKind::invalid_model, place + " has no outputs");
    }
  }

  void check_limit(std::size_t count, const std::vector<Parameter>& formal, const std::string& place, const char* what) {
    const bool variadic = !formal.empty() && formal.back().arity == Parameter::Arity::variadic;
    if (variadic || count <= formal.size()) return;
    problems_.add(ErrorKind::invalid_model,
                  place + " has " + std::to_string(count) + " " + what + " where its operator has " + std::to_string(formal.size()));
  }

  void make_output() {
    if (!sound()) return;
    Argument::Items items;
    for (const auto value : table_.graph_outputs) items.push_back(argument_for(value));
    if (!sound()) return;
    result_.graph->output(items.size() == 1 ? items.front() : Argument::tuple(std::move(items)));
  }

  FileBytes bytes_;
  const std::byte* file_;
  std::string display_name_;
  const OperatorRegistry& operators_;
  TensorLoader tensors_;
  Problems problems_;
  UnknownOperators unknown_operators_;
  ModelDef def_;
  const GraphDef* graph_ = nullptr;
  std::map<std::string_view, std::int64_t> versions_;  // by domain
  ValueTable table_;
  std::vector<Node> nodes_;  // by value; undefined until made
  PathAtoms atoms_;
  std::shared_ptr<Module> root_ = std::make_shared<Container>();
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

Tensor import_tensor(const std::filesystem::path& file) {
  const FileBytes bytes = open_file(file, Mapping::share);
  TensorLoader tensors(bytes, file.has_parent_path() ? file.parent_path() : ".", Mapping::share);
  try {
    return tensors.load(parse_tensor(bytes.bytes, bytes.bytes.data()));
  } catch (const Damage& damage) {
    throw Error(ErrorKind::invalid_model,
                file.string() + ": it is damaged or no tensor: at byte " + std::to_string(damage.offset) + " " + damage.what);
  } catch (const Error& error) { throw Error(error.kind(), file.string() + ": " + error.what()); }
}

}  // namespace lazyfx::onnx
