#include <algorithm>

#include "compile/typed_graph.hpp"

namespace lazyfx::compile {
namespace {

using Index = TypedGraph::Index;

// Longer programs spill their registers out of the first-level cache (a block of 512 floats per register, 48 KiB).
constexpr std::size_t max_instructions = 24;
constexpr std::size_t max_operands = 8;

/// `outer` with its operand `slot` replaced by what `inner` computes. Operands: inner's, then outer's without `slot`.
ScalarProgram inline_program(const ScalarProgram& outer, std::size_t slot, const ScalarProgram& inner) {
  ScalarProgram out;
  const std::size_t inner_inputs = inner.inputs.size(), outer_inputs = outer.inputs.size() - 1;
  const std::size_t inputs = inner_inputs + outer_inputs;
  const std::size_t constants = inner.constants.size() + outer.constants.size();
  out.inputs = inner.inputs;
  for (std::size_t i = 0; i < outer.inputs.size(); ++i) {
    if (i != slot) out.inputs.push_back(outer.inputs[i]);
  }
  out.constants = inner.constants;
  out.constants.insert(out.constants.end(), outer.constants.begin(), outer.constants.end());
  const auto from_inner = [&](std::uint16_t r) -> std::uint16_t {
    if (r < inner_inputs) return r;
    const std::size_t rest = r - inner_inputs;
    if (rest < inner.constants.size()) return static_cast<std::uint16_t>(inputs + rest);
    return static_cast<std::uint16_t>(inputs + constants + (rest - inner.constants.size()));
  };
  const auto result = static_cast<std::uint16_t>(inputs + constants + inner.code.size() - 1);
  const auto from_outer = [&](std::uint16_t r) -> std::uint16_t {
    if (r == slot) return result;
    if (r < outer.inputs.size()) return static_cast<std::uint16_t>(inner_inputs + r - (r > slot ? 1 : 0));
    const std::size_t rest = r - outer.inputs.size();
    if (rest < outer.constants.size()) return static_cast<std::uint16_t>(inputs + inner.constants.size() + rest);
    return static_cast<std::uint16_t>(inputs + constants + inner.code.size() + (rest - outer.constants.size()));
  };
  const auto append = [&](const ScalarProgram& from, const auto& map) {
    for (ScalarProgram::Instruction i : from.code) {
      const std::size_t n = operand_count(i.op);
      i.a = map(i.a);
      i.b = n > 1 ? map(i.b) : std::uint16_t{0};
      i.c = n > 2 ? map(i.c) : std::uint16_t{0};
      out.code.push_back(i);
    }
  };
  append(inner, from_inner);
  append(outer, from_outer);
  return out;
}

/// Makes operand `from` mean operand `to` (the same value) and drops it.
void merge_operand(ScalarProgram& p, std::size_t to, std::size_t from) {
  const auto map = [&](std::uint16_t r) -> std::uint16_t {
    if (r == from) return static_cast<std::uint16_t>(to);
    return r > from ? static_cast<std::uint16_t>(r - 1) : r;
  };
  for (auto& i : p.code) {
    const std::size_t n = operand_count(i.op);
    i.a = map(i.a);
    if (n > 1) i.b = map(i.b);
    if (n > 2) i.c = map(i.c);
  }
  p.inputs.erase(p.inputs.begin() + static_cast<std::ptrdiff_t>(from));
}

void merge_equal_operands(ScalarProgram& p, std::vector<Index>& operands) {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t j = operands.size(); j-- > i + 1;) {
      if (operands[i] != operands[j]) continue;
      merge_operand(p, i, j);
      operands.erase(operands.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

/// A scalar f32 constant operand becomes a constant of the program: no memory is read for it.
void absorb_scalars(const TypedGraph& graph, ScalarProgram& p, std::vector<Index>& operands) {
  for (std::size_t i = operands.size(); i-- > 0;) {
    if (operands.size() == 1) return;  // a program keeps one operand, which gives it its dtype
    const auto& value = graph.values[operands[i]];
    const Tensor constant = graph.values[graph.root(operands[i])].constant;
    if (!constant.defined() || value.dtype != DType::f32 || value.shape.size() != 1) continue;
    const double number = constant.contiguous().reshape(Shape{}).item<float>();
    const std::size_t inputs = p.inputs.size(), constants = p.constants.size();
    const auto map = [&](std::uint16_t r) -> std::uint16_t {
      if (r == i) return static_cast<std::uint16_t>(inputs - 1 + constants);
      if (r < inputs) return r > i ? static_cast<std::uint16_t>(r - 1) : r;
      return r < inputs + constants ? static_cast<std::uint16_t>(r - 1) : r;
    };
    for (auto& code : p.code) {
      const std::size_t n = operand_count(code.op);
      code.a = map(code.a);
      if (n > 1) code.b = map(code.b);
      if (n > 2) code.c = map(code.c);
    }
    p.inputs.erase(p.inputs.begin() + static_cast<std::ptrdiff_t>(i));
    p.constants.push_back({DType::f32, number, 0});
    operands.erase(operands.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

class Fuser {
 public:
  explicit Fuser(TypedGraph& graph) : graph_(graph), uses_(count_uses(graph)), maker_(graph.values.size(), TypedGraph::none) {}

  void run() {
    for (std::uint32_t i = 0; i < graph_.steps.size(); ++i) {
      auto& step = graph_.steps[i];
      if (auto* elementwise = as_elementwise(step)) {
        tidy(elementwise->body, step.inputs);
        while (absorb_one(i)) {}
        attach_as_epilogue(i);
      }
      for (const Index out : graph_.steps[i].outputs) maker_[out] = i;
    }
    graph_.steps.erase(std::remove_if(graph_.steps.begin(), graph_.steps.end(), [](const auto& s) { return s.outputs.empty(); }),
                       graph_.steps.end());
  }

 private:
  static primitive::Elementwise* as_elementwise(TypedGraph::Step& step) {
    return step.primitive() != nullptr ? std::get_if<primitive::Elementwise>(step.primitive()) : nullptr;
  }

  void tidy(ScalarProgram& body, std::vector<Index>& operands) {
    const auto before = operands;
    merge_equal_operands(body, operands);
    absorb_scalars(graph_, body, operands);
    for (const Index v : before) --uses_[graph_.root(v)];
    for (const Index v : operands) ++uses_[graph_.root(v)];
  }

  /// True when the only reader of `v` is the one being looked at, under its own shape.
  bool read_once(Index v) const { return graph_.values[v].alias_of == TypedGraph::none && uses_[v] == 1; }

  bool absorb_one(std::uint32_t at) {
    auto& step = graph_.steps[at];
    auto& body = as_elementwise(step)->body;
    const Shape& shape = graph_.values[step.outputs[0]].shape;
    for (std::size_t slot = 0; slot < step.inputs.size(); ++slot) {
      const Index v = step.inputs[slot];
      if (!read_once(v) || maker_[v] == TypedGraph::none || !(graph_.values[v].shape == shape)) continue;
      auto& producer = graph_.steps[maker_[v]];
      auto* inner = as_elementwise(producer);
      if (inner == nullptr || producer.epilogue) continue;
      if (inner->body.code.size() + body.code.size() > max_instructions ||
          inner->body.inputs.size() + body.inputs.size() - 1 > max_operands) {
        continue;
      }
      std::vector<Index> operands = producer.inputs;
      for (std::size_t k = 0; k < step.inputs.size(); ++k) {
        if (k != slot) operands.push_back(step.inputs[k]);
      }
      body = inline_program(body, slot, inner->body);
      step.inputs = std::move(operands);
      uses_[v] = 0;
      producer.outputs.clear();
      producer.inputs.clear();
      tidy(body, step.inputs);
      return true;
    }
    return false;
  }

  /// Gives the step to the kernel that makes one of its operands, if that can apply it while writing.
  void attach_as_epilogue(std::uint32_t at) {
    auto& step = graph_.steps[at];
    auto& body = as_elementwise(step)->body;
    const Index out = step.outputs[0];
    for (std::size_t slot = 0; slot < step.inputs.size(); ++slot) {
      const Index v = step.inputs[slot];
      if (!read_once(v) || maker_[v] == TypedGraph::none || !(graph_.values[v].shape == graph_.values[out].shape)) continue;
      auto& producer = graph_.steps[maker_[v]];
      if (producer.primitive() == nullptr || std::holds_alternative<primitive::Elementwise>(*producer.primitive())) continue;
      kernels::Epilogue epilogue;
      epilogue.body = body;
      std::vector<Index> others = step.inputs;
      if (slot != 0) move_operand_first(epilogue.body, others, slot);
      others.erase(others.begin());
      if (producer.epilogue) {
        // What already follows the kernel comes first, as in conv + add + relu.
        if (producer.epilogue->code.size() + body.code.size() > max_instructions) continue;
        epilogue.body = inline_program(epilogue.body, 0, *producer.epilogue);
        others.insert(others.begin(), producer.epilogue_inputs.begin(), producer.epilogue_inputs.end());
      }
      for (const Index o : others)
        epilogue.operands.push_back({graph_.values[o].dtype, graph_.values[o].shape, kernels::Layout::row_major});
      const auto& o = graph_.values[out];
      if (!kernels::supports_epilogue(*producer.primitive(), {o.dtype, o.shape, kernels::Layout::row_major}, epilogue)) continue;
      step.work = std::move(producer.work);
      step.node = producer.node;
      step.inputs = std::move(producer.inputs);
      step.epilogue = std::move(epilogue.body);
      step.epilogue_inputs = std::move(others);
      producer.outputs.clear();
      producer.inputs.clear();
      uses_[v] = 0;
      return;
    }
  }

  static void move_operand_first(ScalarProgram& p, std::vector<Index>& operands, std::size_t slot) {
    const auto map = [&](std::uint16_t r) -> std::uint16_t {
      if (r == slot) return 0;
      return r < slot ? static_cast<std::uint16_t>(r + 1) : r;
    };
    for (auto& i : p.code) {
      const std::size_t n = operand_count(i.op);
      i.a = map(i.a);
      if (n > 1) i.b = map(i.b);
      if (n > 2) i.c = map(i.c);
    }
    const auto begin = static_cast<std::ptrdiff_t>(slot);
    std::rotate(p.inputs.begin(), p.inputs.begin() + begin, p.inputs.begin() + begin + 1);
    std::rotate(operands.begin(), operands.begin() + begin, operands.begin() + begin + 1);
  }

  TypedGraph& graph_;
  std::vector<std::uint32_t> uses_;
  std::vector<std::uint32_t> maker_;
};

}  // namespace

void fuse_elementwise(TypedGraph& graph) { Fuser(graph).run(); }

}  // namespace lazyfx::compile
