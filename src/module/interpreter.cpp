#include "lazyfx/module/interpreter.hpp"

#include <algorithm>
#include <new>

#include "lazyfx/error.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/ops/binding.hpp"
#include "ops/item.hpp"
#include "what.hpp"

namespace lazyfx {

namespace {

using Kwargs = std::vector<std::pair<std::string, Value>>;

std::string describe(NodeView node) { return "%" + node.name() + " = " + to_string(node.op()) + "[target=" + node.target() + "]"; }

// A scalar that flows along an edge is a tensor of rank 0, as it is to a compiled graph; one written into the node stays a literal.
Value as_operand(const Value& value) {
  if (value.is_bool()) return Tensor::scalar(value.as_bool());
  if (value.is_int()) return Tensor::scalar(value.as_int());
  if (value.is_double()) return Tensor::scalar(static_cast<float>(value.as_double()));
  return value;
}

Argument to_argument(const Value& value);

template <class Items>
Argument::Items to_arguments(const Items& items) {
  Argument::Items result;
  result.reserve(items.size());
  for (const Value& item : items) result.push_back(to_argument(item));
  return result;
}

// Recursion is safe: a Value is at most Value::max_depth deep.
Argument to_argument(const Value& value) {
  if (value.is_none()) return {};
  if (value.is_bool()) return value.as_bool();
  if (value.is_int()) return value.as_int();
  if (value.is_double()) return value.as_double();
  if (value.is_string()) return value.as_string();
  if (value.is_tensor()) return value.as_tensor();
  if (value.is_list()) return Argument::list(to_arguments(value.items()));
  if (value.is_tuple()) return Argument::tuple(to_arguments(value.items()));
  Argument::Entries entries;
  for (const auto& [key, item] : value.entries()) entries.emplace_back(key, to_argument(item));
  return Argument::dict(std::move(entries));
}

// `written` is what stands in the node where `value` came from.
Argument to_argument(const Argument& written, const Value& value) {
  if (written.is_node()) return to_argument(as_operand(value));
  // What a Value cannot say goes through as it is written.
  if (written.is_dtype() && value.is_string() && value.as_string() == to_string(written.as_dtype())) return written;
  if (written.is_slice() && value.is_dict()) {
    const Argument::Slice& slice = written.as_slice();
    return Argument::slice(to_argument(slice.start, value["start"]), to_argument(slice.stop, value["stop"]),
                           to_argument(slice.step, value["step"]));
  }
  const bool same_kind = (written.is_list() && value.is_list()) || (written.is_tuple() && value.is_tuple());
  if (!same_kind || written.items().size() != value.items().size()) return to_argument(value);
  Argument::Items items;
  items.reserve(value.items().size());
  for (std::size_t i = 0; i < value.items().size(); ++i) items.push_back(to_argument(written.items()[i], value.items()[i]));
  return written.is_list() ? Argument::list(std::move(items)) : Argument::tuple(std::move(items));
}

Value apply(const Operator& op, NodeView node, std::span<const Value> args, const Kwargs& kwargs, std::size_t output_count) {
  static const Argument nothing;
  Arguments positional;
  positional.reserve(args.size());
  for (std::size_t i = 0; i < args.size(); ++i) {
    positional.push_back(to_argument(i < node.args().size() ? node.args()[i] : nothing, args[i]));
  }
  Keywords named;
  named.reserve(kwargs.size());
  for (const auto& [key, value] : kwargs) {
    const Argument* written = node.kwarg(key);
    named.emplace_back(key, to_argument(written ? *written : nothing, value));
  }
  const Application application = lazyfx::bind(op, positional, named);
  std::optional<DType> beside;
  for (const Argument& input : application.inputs) {
    if (input.is_tensor()) note_beside(beside, input.as_tensor().dtype());
  }
  std::vector<Tensor> inputs;
  inputs.reserve(application.inputs.size());
  for (const Argument& input : application.inputs) {
    if (input.is_none())
      inputs.emplace_back();
    else if (input.is_tensor())
      inputs.push_back(input.as_tensor());
    else
      inputs.push_back(literal_tensor(input, beside));
  }
  std::vector<Tensor> outputs = run_reference(op, inputs, application.attributes, output_count);
  if (outputs.size() == 1) return std::move(outputs.front());
  return Value::tuple(Value::Items(std::make_move_iterator(outputs.begin()), std::make_move_iterator(outputs.end())));
}

// An item of a list, tuple or dict; indices below zero count from the end.
bool is_getitem(NodeView node) { return node.op() == Opcode::call_function && node.target() == "getitem"; }

bool applies_operator(NodeView node) {
  return node.op() == Opcode::call_method || (node.op() == Opcode::call_function && !is_getitem(node));
}

[[noreturn]] void rethrow_with_place(NodeView node) {
  const std::string place = "While executing " + describe(node) + ": ";
  try {
    throw;
  } catch (const Error& error) { std::throw_with_nested(Error(error.kind(), place + what_of(error))); } catch (const std::bad_alloc&) {
    std::throw_with_nested(Error(ErrorKind::resource, place + "out of memory"));
  } catch (const std::exception& error) { std::throw_with_nested(Error(ErrorKind::user_code, place + what_of(error))); } catch (...) {
    std::throw_with_nested(Error(ErrorKind::user_code, place + "something that is no std::exception was thrown"));
  }
}

}  // namespace

Interpreter::Interpreter(const GraphModule& module) : Interpreter(module.graph().freeze(), &module, module.operators()) {}

Interpreter::Interpreter(Snapshot graph, const Module* root, const OperatorRegistry& operators)
    : graph_(std::move(graph)), root_(root), operators_(operators), uses_(graph_.id_limit()) {
  for (const NodeView node : graph_) {
    const auto note = [this, node](NodeId used) { uses_[static_cast<std::uint32_t>(used)].last = node.id(); };
    for (const Argument& arg : node.args()) for_each_node(arg, note);
    for (const auto& [key, arg] : node.kwargs()) for_each_node(arg, note);
    if (!is_getitem(node) || node.args().size() != 2 || !node.args()[0].is_node() || !node.args()[1].is_int()) continue;
    const std::int64_t index = node.args()[1].as_int();
    const NodeView producer = graph_.node(node.args()[0].as_node());
    const OperatorPtr op = producer.op() == Opcode::call_function ? operators_.find(producer.target()) : nullptr;
    if (op && ops::may_give_list(*op)) continue;
    auto& count = uses_[static_cast<std::uint32_t>(node.args()[0].as_node())].output_count;
    // A wilder index is no output of anything: getitem itself says so.
    if (index >= 0 && index < 65536) count = std::max(count, static_cast<std::uint32_t>(index) + 1);
  }
}

Interpreter::~Interpreter() = default;

Value Interpreter::run(std::span<const Value> inputs, Environment initial) {
  environment_ = std::move(initial);
  inputs_ = inputs;
  next_input_ = 0;
  check_input_count();
  for (const NodeView node : graph_) {
    const auto id = static_cast<std::uint32_t>(node.id());
    if (!environment_.contains(id)) {
      try {
        Value value = run_node(node);
        environment_.insert_or_assign(id, std::move(value));
      } catch (...) { rethrow_with_place(node); }
    }
    const auto release = [this, node](NodeId used) {
      const auto key = static_cast<std::uint32_t>(used);
      if (uses_[key].last == node.id()) environment_.erase(key);
    };
    for (const Argument& arg : node.args()) for_each_node(arg, release);
    for (const auto& [key, arg] : node.kwargs()) for_each_node(arg, release);
    if (node.op() == Opcode::output) return environment_.at(id);
    if (uses_[id].last == no_node) environment_.erase(id);
  }
  return {};
}

void Interpreter::check_input_count() const {
  std::size_t wanted = 0;
  for (const NodeView node : graph_) {
    if (node.op() == Opcode::placeholder && !environment_.contains(static_cast<std::uint32_t>(node.id()))) ++wanted;
  }
  if (inputs_.size() > wanted) {
    throw Error(ErrorKind::invalid_argument,
                "the graph takes " + std::to_string(wanted) + " inputs, but " + std::to_string(inputs_.size()) + " were passed");
  }
}

Value Interpreter::run_node(NodeView node) {
  switch (node.op()) {
    case Opcode::placeholder: return placeholder(node);
    case Opcode::get_attr: return get_attr(node);
    case Opcode::output: return node.args().empty() ? Value() : evaluate(node.args()[0]);
    default: break;
  }
  std::vector<Value> args;
  args.reserve(node.args().size());
  for (const Argument& arg : node.args()) args.push_back(evaluate(arg));
  Kwargs kwargs;
  kwargs.reserve(node.kwargs().size());
  for (const auto& [key, arg] : node.kwargs()) kwargs.emplace_back(key, evaluate(arg));
  if (node.op() == Opcode::call_function) return call_function(node, args, kwargs);
  if (node.op() == Opcode::call_method) return call_method(node, args, kwargs);
  if (!kwargs.empty()) {
    throw Error(ErrorKind::invalid_argument,
                "a module takes positional arguments only, but " + kwargs.front().first + " was passed by name");
  }
  return call_module(node, args);
}

Value Interpreter::call_function(NodeView node, std::span<const Value> args, const Kwargs& kwargs) {
  if (is_getitem(node) && args.size() == 2) {
    const Argument& whole = node.args().empty() ? Argument() : node.args()[0];
    return ops::item_of(args[0], args[1], whole.is_node() && applies_operator(graph_.node(whole.as_node())));
  }
  const OperatorPtr op = operators_.find(node.target());
  if (!op) throw Error(ErrorKind::unsupported, "no operator called " + node.target() + " is registered");
  const std::size_t outputs = uses_[static_cast<std::uint32_t>(node.id())].output_count;
  const bool tensors_only =
      op->reference && std::none_of(args.begin(), args.end(), [](const Value& v) { return v.is_list() || v.is_none(); });
  return op->on_values && !tensors_only ? apply_to_values(*op, node, outputs) : apply(*op, node, args, kwargs, outputs);
}

Value Interpreter::apply_to_values(const Operator& op, NodeView node, std::size_t output_count) {
  // Bound as it is written: a value that is a list is one input, not many.
  const Application application = lazyfx::bind(op, node.args(), node.kwargs());
  std::vector<Value> inputs;
  for (const Argument& input : application.inputs) {
    const bool is_value = input.is_none() || input.is_node() || input.is_tensor();
    inputs.push_back(is_value ? as_operand(evaluate(input)) : Value(literal_tensor(input, {})));
  }
  std::vector<GraphCall> graphs;
  for (const AttributeSpec& spec : op.schema.attributes) {
    if (spec.kind != AttributeSpec::Kind::graph) continue;
    const std::string path = application.attributes.get_string(spec.name, "");
    const auto subgraph = std::dynamic_pointer_cast<Subgraph>(root_ ? root_->find_submodule(path) : nullptr);
    if (!subgraph) throw Error(ErrorKind::invalid_graph, "there is no Subgraph at '" + path + "', which " + spec.name + " names");
    graphs.emplace_back(
        [this, subgraph](std::span<const Value> values) { return Interpreter(subgraph->graph(), subgraph.get(), operators_).run(values); });
  }
  std::vector<Value> results = run_on_values(op, {inputs, application.attributes, graphs, output_count});
  if (results.size() == 1) return std::move(results.front());
  return Value::tuple(std::move(results));
}

Value Interpreter::call_method(NodeView node, std::span<const Value> args, const Kwargs& kwargs) {
  const OperatorPtr op = operators_.find_method(node.target());
  if (!op) throw Error(ErrorKind::unsupported, "no method called " + node.target() + " is registered");
  if (args.empty()) throw Error(ErrorKind::invalid_graph, "method " + node.target() + " has no receiver");
  return apply(*op, node, args, kwargs, uses_[static_cast<std::uint32_t>(node.id())].output_count);
}

Value Interpreter::call_module(NodeView node, std::span<const Value> args) {
  const std::shared_ptr<Module> module = root_ ? root_->find_submodule(node.target()) : nullptr;
  if (!module) throw Error(ErrorKind::invalid_graph, "there is no submodule at '" + node.target() + "'");
  return module->call(args);
}

Value Interpreter::get_attr(NodeView node) {
  const Module::NamedTensor* found = root_ ? root_->find_tensor(node.target()) : nullptr;
  if (!found) throw Error(ErrorKind::invalid_graph, "there is no tensor at '" + node.target() + "'");
  return found->tensor;
}

Value Interpreter::placeholder(NodeView node) {
  if (next_input_ < inputs_.size()) return inputs_[next_input_++];
  if (!node.args().empty()) return evaluate(node.args()[0]);
  throw Error(ErrorKind::invalid_argument, "Expected positional argument for parameter " + node.target() + ", but one was not passed in");
}

Value Interpreter::evaluate(const Argument& argument) const { return evaluate(argument, 0); }

Value Interpreter::evaluate(const Argument& argument, std::uint32_t depth) const {
  if (depth > Value::max_depth) throw Error(ErrorKind::invalid_graph, "an argument is nested too deeply");
  if (argument.is_none()) return {};
  if (argument.is_node()) {
    const auto found = environment_.find(static_cast<std::uint32_t>(argument.as_node()));
    if (found != environment_.end()) return found->second;
    throw Error(ErrorKind::invalid_graph, "it uses a node that has no value yet; Graph::lint tells what is out of order");
  }
  if (argument.is_bool()) return argument.as_bool();
  if (argument.is_int()) return argument.as_int();
  if (argument.is_double()) return argument.as_double();
  if (argument.is_string()) return argument.as_string();
  if (argument.is_tensor()) return argument.as_tensor();
  if (argument.is_dtype()) return to_string(argument.as_dtype());
  if (argument.is_slice()) {
    const Argument::Slice& slice = argument.as_slice();
    Value::Entries entries;
    entries.emplace_back("start", evaluate(slice.start, depth + 1));
    entries.emplace_back("stop", evaluate(slice.stop, depth + 1));
    entries.emplace_back("step", evaluate(slice.step, depth + 1));
    return Value::dict(std::move(entries));
  }
  if (argument.is_dict()) {
    Value::Entries entries;
    entries.reserve(argument.entries().size());
    for (const auto& [key, item] : argument.entries()) entries.emplace_back(key, evaluate(item, depth + 1));
    return Value::dict(std::move(entries));
  }
  Value::Items items;
  items.reserve(argument.items().size());
  for (const Argument& item : argument.items()) items.push_back(evaluate(item, depth + 1));
  return argument.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

}  // namespace lazyfx
