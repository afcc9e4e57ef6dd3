#include <algorithm>

#include "compile/nested.hpp"
#include "compile/typed_graph.hpp"
#include "lazyfx/ops/lowering.hpp"

namespace lazyfx::compile {
namespace {

using Index = TypedGraph::Index;

// Folding trades memory for time: a constant that would be larger than this is computed at each run instead.
constexpr std::size_t fold_limit_bytes = std::size_t{64} << 20;

/// What an operator's lowering sees of the graph under construction. Lowerings may be a user's: what they read is written before, and what they
/// write is an output or a temporary of theirs, written once.
class Context final : public LoweringContext {
 public:
  Context(TypedGraph& graph, std::uint32_t node, const Attributes& attributes, std::span<const Index> inputs,
          std::span<const Index> outputs)
      : graph_(graph),
        node_(node),
        attributes_(attributes),
        inputs_(inputs),
        outputs_(outputs),
        unwritten_(outputs.begin(), outputs.end()) {}

  /// Once the lowering has returned true.
  void finish() const {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (is_unwritten(outputs_[i])) throw Error(ErrorKind::invalid_graph, "its lowering has not written output " + std::to_string(i));
    }
  }

  const Attributes& attributes() const override { return attributes_; }
  std::size_t input_count() const override { return inputs_.size(); }
  bool has_input(std::size_t i) const override { return i < inputs_.size() && inputs_[i] != TypedGraph::none; }
  ValueRef input(std::size_t i) const override {
    if (!has_input(i)) throw Error(ErrorKind::invalid_graph, "input " + std::to_string(i) + " is missing");
    return ValueRef{inputs_[i]};
  }
  std::size_t output_count() const override { return outputs_.size(); }
  ValueRef output(std::size_t i) const override { return ValueRef{outputs_[i]}; }
  DType dtype(ValueRef v) const override { return at(v).dtype; }
  const Shape& shape(ValueRef v) const override { return at(v).shape; }
  Tensor constant_value(ValueRef v) const override {
    const auto& value = at(v);
    if (value.constant.defined()) return value.constant;
    const auto& root = graph_.values[graph_.root(index(v))];
    return root.constant.defined() ? root.constant.reshape(value.shape) : Tensor();
  }
  ValueRef temporary(DType dtype, const Shape& shape) override {
    unwritten_.push_back(graph_.add_value(dtype, shape));
    return ValueRef{unwritten_.back()};
  }
  ValueRef constant(Tensor value) override { return ValueRef{graph_.add_constant(std::move(value))}; }
  ValueRef reshape(ValueRef v, const Shape& shape) override {
    read(v);
    require_size(v, shape);
    const Tensor known = constant_value(v);
    if (known.defined()) return constant(known.reshape(shape));
    const Index out = graph_.add_value(at(v).dtype, shape);
    graph_.values[out].alias_of = index(v);
    return ValueRef{out};
  }
  void emit(Primitive primitive, std::vector<ValueRef> inputs, ValueRef out) override {
    TypedGraph::Step step;
    step.work = std::move(primitive);
    step.node = node_;
    step.inputs.reserve(inputs.size());
    for (const ValueRef v : inputs) step.inputs.push_back(read(v));
    step.outputs.push_back(write(out));
    graph_.steps.push_back(std::move(step));
  }
  void alias(ValueRef v, ValueRef out) override {
    read(v);
    write(out);
    require_size(v, at(out).shape);
    if (at(v).dtype != at(out).dtype) throw Error(ErrorKind::invalid_graph, "an alias cannot change the dtype");
    const Tensor known = constant_value(v);
    if (known.defined())
      graph_.values[index(out)].constant = known.reshape(at(out).shape);
    else
      graph_.values[index(out)].alias_of = index(v);
  }

 private:
  static Index index(ValueRef v) { return static_cast<Index>(v); }
  const TypedGraph::Value& at(ValueRef v) const {
    if (index(v) >= graph_.values.size()) throw Error(ErrorKind::invalid_graph, "its lowering names a value that there is not");
    return graph_.values[index(v)];
  }
  bool is_unwritten(Index v) const { return std::find(unwritten_.begin(), unwritten_.end(), v) != unwritten_.end(); }
  Index read(ValueRef v) const {
    at(v);
    if (is_unwritten(index(v))) throw Error(ErrorKind::invalid_graph, "its lowering reads a value before it has written it");
    return index(v);
  }
  Index write(ValueRef v) {
    if (std::erase(unwritten_, index(v)) == 0) {
      throw Error(ErrorKind::invalid_graph, "its lowering writes a value that is written already, or is neither an output nor a temporary");
    }
    return index(v);
  }
  void require_size(ValueRef v, const Shape& shape) const {
    if (at(v).shape.size() != shape.size()) {
      throw Error(ErrorKind::invalid_graph, "a value of shape " + to_string(at(v).shape) + " cannot be seen as " + to_string(shape));
    }
  }

  TypedGraph& graph_;
  std::uint32_t node_;
  const Attributes& attributes_;
  std::span<const Index> inputs_, outputs_;
  std::vector<Index> unwritten_;  // outputs and temporaries
};

class Lowerer {
 public:
  Lowerer(const Program& program, TypedGraph& graph, const Signature& signature, const StopToken& stop)
      : program_(program), graph_(graph), stop_(stop) {
    outputs_of_.resize(program.value_limit);
    for (std::size_t i = 0; i < program.interface->inputs.size(); ++i) {
      const auto& input = signature.inputs()[i];
      const Index v = graph_.add_value(input.dtype, input.shape);
      graph_.values[v].input = static_cast<std::int32_t>(i);
      graph_.inputs.push_back(v);
      outputs_of_[program.interface->inputs[i]] = {v};
    }
  }

  /// Of a graph within another, whose values `inputs` are; its steps count as those of node `around`.
  Lowerer(const Program& program, TypedGraph& graph, std::span<const Index> inputs, std::uint32_t around, const StopToken& stop)
      : program_(program), graph_(graph), stop_(stop), around_(around) {
    if (program.needs_host || inputs.size() != program.interface->inputs.size()) throw DependsOnValues{};
    outputs_of_.resize(program.value_limit);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == TypedGraph::none) throw DependsOnValues{};
      outputs_of_[program.interface->inputs[i]] = {inputs[i]};
    }
  }

  void lower() {
    lower_steps();
    collect(program_.interface->result);
  }

  std::vector<StepTyping> type_steps(const Signature& signature) {
    std::vector<bool> unknown(program_.value_limit, false);
    const auto& inputs = program_.interface->inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) unknown[inputs[i]] = signature.inputs()[i].opaque();
    std::vector<StepTyping> typing;
    typing.reserve(program_.steps.size());
    for (const auto& step : program_.steps) {
      stop_.check();
      bool waits = false;
      const auto look = [&](NodeId id) { waits = waits || unknown[static_cast<std::uint32_t>(id)]; };
      for (const Argument& a : step.application.inputs) for_each_node(a, look);
      for (const Argument& a : step.args) for_each_node(a, look);
      typing.push_back(type(step, waits));
      unknown[step.value] = typing.back() == StepTyping::host || typing.back() == StepTyping::later;
    }
    return typing;
  }

  /// The values of a nested graph's results.
  std::vector<Index> lower_nested() {
    lower_steps();
    std::vector<Index> results;
    if (!program_.interface->result.is_tuple()) throw DependsOnValues{};
    for (const Argument& item : program_.interface->result.items()) {
      if (!item.is_node()) throw DependsOnValues{};
      results.push_back(single(item.as_node()));
    }
    return results;
  }

 private:
  void lower_steps() {
    for (const auto& step : program_.steps) {
      stop_.check();
      lower_step(step);
    }
  }

  void lower_step(const Program::Step& step) {
    switch (step.kind) {
      case Program::Kind::constant: outputs_of_[step.value] = {graph_.add_constant(step.constant)}; break;
      case Program::Kind::item: pick(step); break;
      case Program::Kind::apply: apply(step); break;
      case Program::Kind::call_module: throw DependsOnValues{};
    }
  }

  StepTyping type(const Program::Step& step, bool waits) {
    if (step.host || (step.op && step.op->effect != Effect::pure)) return StepTyping::host;
    if (waits) return StepTyping::later;
    try {
      lower_step(step);
    } catch (const DependsOnValues&) { return StepTyping::host; }
    const auto& outputs = outputs_of_[step.value];
    const bool fixed = std::all_of(outputs.begin(), outputs.end(), [this](Index v) { return graph_.is_constant(v); });
    return fixed ? StepTyping::fixed : StepTyping::known;
  }

  std::uint32_t node_of(const Program::Step& step) const { return around_.value_or(step.value); }

  /// A step that chooses among graphs by a condition that is known is the one chosen.
  void choose(const Program::Step& step) {
    const std::vector<Index> inputs = gather_inputs(step);
    const Index condition = inputs.empty() ? TypedGraph::none : inputs[0];
    if (!chooses_graph(*step.op) || condition == TypedGraph::none || !graph_.is_constant(condition)) throw DependsOnValues{};
    const Tensor known = graph_.values[graph_.root(condition)].constant;
    if (known.dtype() != DType::boolean || known.size() != 1) throw DependsOnValues{};
    const Nested* chosen = chosen_graph(step, known.reshape(Shape{}).item<bool>());
    auto results = Lowerer(chosen->program(), graph_, std::span(inputs).subspan(1), node_of(step), stop_).lower_nested();
    if (results.size() < step.output_count) throw DependsOnValues{};
    results.resize(step.output_count);
    outputs_of_[step.value] = std::move(results);
  }

  void pick(const Program::Step& step) {
    const auto& outputs = outputs_of_[static_cast<std::uint32_t>(step.args[0].as_node())];
    if (step.index < 0 || static_cast<std::size_t>(step.index) >= outputs.size()) throw DependsOnValues{};
    outputs_of_[step.value] = {outputs[static_cast<std::size_t>(step.index)]};
  }

  void apply(const Program::Step& step) {
    const Operator& op = *step.op;
    try {
      if (!op.reference) return choose(step);
      const std::vector<Index> inputs = gather_inputs(step);
      std::vector<Tensor> constants(inputs.size());
      bool all_constant = true;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i] == TypedGraph::none) continue;
        const auto& value = graph_.values[inputs[i]];
        constants[i] = value.constant;
        if (!constants[i].defined() && graph_.is_constant(inputs[i])) {
          constants[i] = graph_.values[graph_.root(inputs[i])].constant.reshape(value.shape);
        }
        all_constant = all_constant && constants[i].defined();
      }
      const auto types = infer(step, inputs, constants);
      if (op.effect == Effect::pure && all_constant && foldable(types)) {
        auto results = run_reference(op, constants, step.application.attributes, step.output_count);
        auto& outputs = outputs_of_[step.value];
        for (Tensor& result : results) outputs.push_back(graph_.add_constant(result.contiguous()));
        return;
      }
      std::vector<Index> outputs;
      for (const TensorType& type : types) {
        if (!type.is_static() || type.dtype == DType::string) throw DependsOnValues{};
        outputs.push_back(graph_.add_value(type.dtype, type.shape()));
      }
      outputs_of_[step.value] = outputs;
      emit(step, inputs, outputs);
    } catch (const DependsOnValues&) { throw; } catch (const Stopped&) {
      throw;
    } catch (...) { throw current_error_at(program_.interface->source, program_.interface->node_of(step.value), op.name, "lower"); }
  }

  std::vector<TensorType> infer(const Program::Step& step, std::span<const Index> inputs, std::span<const Tensor> constants) {
    std::vector<std::optional<TensorType>> types(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == TypedGraph::none) continue;
      const auto& value = graph_.values[inputs[i]];
      types[i] = TensorType(value.dtype, value.shape);
    }
    auto result = step.op->type_rule(TypeContext{types, constants, step.application.attributes, step.output_count});
    if (result.size() < step.output_count) {
      throw Error(ErrorKind::invalid_graph, "its type rule gave " + std::to_string(result.size()) + " outputs, but " +
                                                std::to_string(step.output_count) + " are used");
    }
    result.resize(step.output_count);
    return result;
  }

  static bool foldable(std::span<const TensorType> types) {
    for (const TensorType& type : types) {
      if (!type.is_static()) continue;  // the reference kernel decides; its size is bounded by its own inputs' values
      if (static_cast<std::size_t>(type.shape().size()) > fold_limit_bytes / size_of(type.dtype)) return false;
    }
    return true;
  }

  void emit(const Program::Step& step, const std::vector<Index>& inputs, const std::vector<Index>& outputs) {
    const Operator& op = *step.op;
    const std::size_t steps_before = graph_.steps.size();
    const std::size_t values_before = graph_.values.size();
    if (op.lowering && op.effect == Effect::pure) {
      Context context(graph_, node_of(step), step.application.attributes, inputs, outputs);
      if (op.lowering(context)) return context.finish();
      graph_.steps.resize(steps_before);
      graph_.values.resize(values_before);
      for (const Index out : outputs) graph_.values[out].alias_of = TypedGraph::none;
    }
    TypedGraph::Step reference;
    reference.work = TypedGraph::Reference{step.op, step.application.attributes};
    reference.node = node_of(step);
    reference.inputs = inputs;
    reference.outputs = outputs;
    reference.keep = op.effect == Effect::mutating || op.effect == Effect::io;
    graph_.steps.push_back(std::move(reference));
  }

  std::vector<Index> gather_inputs(const Program::Step& step) {
    const auto& arguments = step.application.inputs;
    std::optional<DType> beside;
    for (const Argument& a : arguments) {
      if (a.is_node())
        note_beside(beside, graph_.values[single(a.as_node())].dtype);
      else if (a.is_tensor())
        note_beside(beside, a.as_tensor().dtype());
    }
    std::vector<Index> inputs;
    inputs.reserve(arguments.size());
    for (const Argument& a : arguments) {
      if (a.is_none())
        inputs.push_back(TypedGraph::none);
      else if (a.is_node())
        inputs.push_back(single(a.as_node()));
      else if (a.is_tensor())
        inputs.push_back(graph_.add_constant(a.as_tensor()));
      else
        inputs.push_back(graph_.add_constant(literal_tensor(a, beside)));
    }
    return inputs;
  }

  Index single(NodeId id) const {
    const auto& outputs = outputs_of_[static_cast<std::uint32_t>(id)];
    if (outputs.size() != 1) throw DependsOnValues{};
    return outputs[0];
  }

  void collect(const Argument& result) {
    for_each_node(result, [&](NodeId id) {
      const auto& outputs = outputs_of_[static_cast<std::uint32_t>(id)];
      graph_.outputs.insert(graph_.outputs.end(), outputs.begin(), outputs.end());
      if (outputs.size() != 1) throw DependsOnValues{};
    });
  }

  const Program& program_;
  TypedGraph& graph_;
  const StopToken& stop_;
  std::optional<std::uint32_t> around_;
  std::vector<std::vector<Index>> outputs_of_;
};

}  // namespace

std::vector<StepTyping> type_steps(const Program& program, const Signature& signature, const StopToken& stop) {
  TypedGraph graph;
  return Lowerer(program, graph, signature, stop).type_steps(signature);
}

TypedGraph lower(const Program& program, const Signature& signature, const StopToken& stop) {
  if (program.needs_host || signature.has_opaque()) throw DependsOnValues{};
  TypedGraph graph;
  Lowerer(program, graph, signature, stop).lower();
  return graph;
}

}  // namespace lazyfx::compile
