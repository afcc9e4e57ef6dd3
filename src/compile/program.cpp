#include "compile/program.hpp"

#include <algorithm>

#include "compile/nested.hpp"
#include "compile/retold.hpp"
#include "compile/watch.hpp"
#include "lazyfx/graph/code.hpp"
#include "ops/item.hpp"
#include "what.hpp"

namespace lazyfx::compile {
namespace {

constexpr std::string_view getitem = "getitem";

std::size_t line_of(const Source& source, NodeId node) {
  const Code code = render_code(source.graph, source.class_name);
  const auto at = std::find(code.line_to_node.begin(), code.line_to_node.end(), node);
  return at == code.line_to_node.end() ? 0 : static_cast<std::size_t>(at - code.line_to_node.begin()) + 1;
}

class Binder {
 public:
  Binder(const Source& source, const OperatorRegistry& operators, const std::shared_ptr<KernelTable>& kernels, std::size_t depth = 0)
      : source_(source), operators_(operators), depth_(depth) {
    interface_.source = source;
    program_.kernels = kernels;
    program_.value_limit = source.graph.id_limit();
    step_of_.assign(program_.value_limit, no_step);
    program_.steps.reserve(source.graph.size());
  }

  Program take(const StopToken& stop) {
    stop_ = &stop;
    std::size_t visited = 0;
    for (const NodeView node : source_.graph) {
      if (++visited % 256 == 0) stop.check();
      visit(node);
    }
    program_.interface = std::make_shared<const Interface>(std::move(interface_));
    return std::move(program_);
  }

 private:
  static constexpr std::uint32_t no_step = 0xffffffffU;
  static constexpr std::size_t deepest = 64;
  static constexpr std::size_t most_outputs = 65536;

  void visit(NodeView node) {
    const auto value = static_cast<std::uint32_t>(node.id());
    switch (node.op()) {
      case Opcode::placeholder: interface_.inputs.push_back(value); return;
      case Opcode::get_attr: return visit_attribute(node, value);
      case Opcode::call_function:
        if (node.target() == getitem) return visit_item(node, value);
        return apply(node, value, operators_.find(node.target()), "operator");
      case Opcode::call_method: return apply(node, value, operators_.find_method(node.target()), "method");
      case Opcode::call_module: return visit_module(node, value);
      case Opcode::output: interface_.result = node.args().empty() ? Argument() : node.args()[0]; return;
    }
  }

  void visit_attribute(NodeView node, std::uint32_t value) {
    const auto found = source_.tensors->find(node.target());
    if (found == source_.tensors->end()) { fail(node, ErrorKind::invalid_graph, "the module has no tensor at '" + node.target() + "'"); }
    Program::Step step;
    step.kind = Program::Kind::constant;
    step.value = value;
    step.constant = found->second;
    push(std::move(step));
  }

  void visit_module(NodeView node, std::uint32_t value) {
    const auto found = source_.modules->entries.find(node.target());
    if (found == source_.modules->entries.end())
      fail(node, ErrorKind::invalid_graph, "the module has no submodule at '" + node.target() + "'");
    Program::Step step;
    step.kind = Program::Kind::call_module;
    step.value = value;
    step.module = &found->second;
    step.args = node.args();
    step.host = true;
    push(std::move(step));
  }

  void visit_item(NodeView node, std::uint32_t value) {
    if (node.args().size() != 2 || !node.kwargs().empty()) fail(node, ErrorKind::invalid_graph, "getitem takes a value and an index");
    const Argument &whole = node.args()[0], &index = node.args()[1];
    Program::Step step;
    step.kind = Program::Kind::item;
    step.value = value;
    step.args = node.args();
    const std::uint32_t producer = whole.is_node() ? step_of_[static_cast<std::uint32_t>(whole.as_node())] : no_step;
    step.of_operator = producer != no_step && program_.steps[producer].kind == Program::Kind::apply;
    step.host = !step.of_operator || !index.is_int() || ops::may_give_list(*program_.steps[producer].op);
    if (!step.host) {
      step.index = index.as_int();
      ask_for_output(node, step.index, program_.steps[producer]);
    }
    push(std::move(step));
  }

  void ask_for_output(NodeView node, std::int64_t index, Program::Step& producer) {
    const auto& outputs = producer.op->schema.outputs;
    const bool variadic = !outputs.empty() && outputs.back().is_many();
    const std::size_t most = variadic ? most_outputs : std::max<std::size_t>(outputs.size(), 1);
    if (index < 0) {
      const std::string item = std::to_string(index);
      fail(node, ErrorKind::invalid_graph, "the outputs of an operator are counted from 0, not from their end: there is no item " + item);
    }
    if (static_cast<std::size_t>(index) >= most) fail(node, ErrorKind::invalid_graph, "there is no output " + std::to_string(index));
    producer.output_count = std::max(producer.output_count, static_cast<std::size_t>(index) + 1);
  }

  void apply(NodeView node, std::uint32_t value, OperatorPtr op, const char* what) {
    if (!op) fail(node, ErrorKind::unsupported, std::string("no ") + what + " of this name is registered");
    Program::Step step;
    step.value = value;
    step.op = std::move(op);
    try {
      step.application = bind(*step.op, node.args(), node.kwargs());
    } catch (...) { throw current_error_at(source_, node.id(), node.target(), "bind"); }
    bind_graphs(node, step);
    if (!step.op->reference && !chooses_graph(*step.op)) step.host = true;
    for (const Argument& input : step.application.inputs) {
      if (input.is_list() || input.is_tuple() || input.is_dict() || input.is_slice()) step.host = true;
    }
    push(std::move(step));
  }

  void bind_graphs(NodeView node, Program::Step& step) {
    for (const AttributeSpec& spec : step.op->schema.attributes) {
      if (spec.kind != AttributeSpec::Kind::graph) continue;
      const std::string path = step.application.attributes.get_string(spec.name, "");
      const bool known = source_.subgraphs != nullptr && source_.subgraphs->contains(path);
      if (!known) fail(node, ErrorKind::invalid_graph, "the module has no Subgraph at '" + path + "', which " + spec.name + " names");
      if (depth_ == deepest) fail(node, ErrorKind::invalid_graph, "graphs are nested more than " + std::to_string(deepest) + " deep");
      Binder binder(source_.subgraphs->find(path)->second, operators_, program_.kernels, depth_ + 1);
      step.graphs.push_back(std::make_shared<const Nested>(std::make_shared<const Program>(binder.take(*stop_))));
    }
  }

  void push(Program::Step step) {
    program_.needs_host = program_.needs_host || step.host;
    step_of_[step.value] = static_cast<std::uint32_t>(program_.steps.size());
    program_.steps.push_back(std::move(step));
  }

  [[noreturn]] void fail(NodeView node, ErrorKind kind, const std::string& message) {
    CompileError error(kind, node.target(), node.name(), "bind", line_of(source_, node.id()), message);
    ErrorPlace::set(error, node);
    throw error;
  }

  const Source& source_;
  const OperatorRegistry& operators_;
  Interface interface_;
  Program program_;
  std::vector<std::uint32_t> step_of_;
  std::size_t depth_;  // of graphs within graphs
  const StopToken* stop_ = nullptr;
};

}  // namespace

bool chooses_graph(const Operator& op) { return op.name == "onnx::If"; }

const Nested* chosen_graph(const Program::Step& step, bool condition) {
  if (!chooses_graph(*step.op)) return nullptr;
  std::size_t at = 0;
  for (const AttributeSpec& spec : step.op->schema.attributes) {
    if (spec.kind != AttributeSpec::Kind::graph) continue;
    if (spec.name == (condition ? "then_branch" : "else_branch")) return step.graphs.at(at).get();
    ++at;
  }
  return nullptr;
}

std::shared_ptr<const Program> bind_program(const Source& source, const OperatorRegistry& operators, const StopToken& stop,
                                            const std::shared_ptr<KernelTable>& kernels) {
  expect_steps(1);
  const Step pass("bind");
  return std::make_shared<const Program>(Binder(source, operators, kernels).take(stop));
}

CompileError current_error_at(const Source& source, NodeId at, const std::string& op, const char* pass) {
  const NodeView node = source.graph.node(at);
  const std::size_t line = line_of(source, node.id());
  const auto here = [&](ErrorKind kind, const std::string& message) {
    CompileError error(kind, op, node.name(), pass, line, message);
    ErrorPlace::set(error, node);
    return error;
  };
  try {
    throw;
  } catch (const CompileError& e) { return e; } catch (const Error& e) {
    return here(e.kind(), what_of(e));
  } catch (const std::bad_alloc&) { return here(ErrorKind::resource, "out of memory"); } catch (const std::exception& e) {
    return here(ErrorKind::user_code, what_of(e));
  } catch (...) { return here(ErrorKind::user_code, "something that is no std::exception was thrown"); }
}

}  // namespace lazyfx::compile
