#include <cmath>

#include "compile/typed_graph.hpp"

namespace lazyfx::compile {
namespace {

using Index = TypedGraph::Index;

/// A constant that varies along axis 1 of `shape` only, as one number per channel; empty if it is anything else.
std::vector<double> per_channel(const TypedGraph& graph, Index v, const Shape& shape) {
  const auto& value = graph.values[v];
  const Tensor constant = graph.values[graph.root(v)].constant;
  if (!constant.defined() || value.dtype != DType::f32) return {};
  const auto channels = static_cast<std::size_t>(shape[1]);
  const Shape& s = value.shape;
  if (s.rank() > shape.rank()) return {};
  for (std::size_t axis = 0; axis < s.rank(); ++axis) {
    const std::size_t full = axis + shape.rank() - s.rank();
    if (s[axis] != 1 && full != 1) return {};
  }
  const Tensor dense = constant.contiguous();
  const auto data = dense.values<float>();
  if (data.size() == 1) return std::vector<double>(channels, double{data[0]});
  return data.size() == channels ? std::vector<double>(data.begin(), data.end()) : std::vector<double>();
}

struct Affine {
  std::vector<double> scale, shift;
};

/// y = x * scale + shift per channel, if that is all the step does to its one varying operand.
bool as_affine(const TypedGraph& graph, const TypedGraph::Step& step, Index x, const Shape& shape, Affine& out) {
  const auto* elementwise = step.primitive() != nullptr ? std::get_if<primitive::Elementwise>(step.primitive()) : nullptr;
  if (elementwise == nullptr || step.epilogue) return false;
  const ScalarProgram& p = elementwise->body;
  if (p.code.size() != 1 || p.code[0].dtype != DType::f32) return false;
  const auto& code = p.code[0];
  const auto channels = static_cast<std::size_t>(shape[1]);
  const auto is_x = [&](std::uint16_t r) { return r < p.inputs.size() && graph.root(step.inputs[r]) == x; };
  const auto numbers = [&](std::uint16_t r) -> std::vector<double> {
    if (r < p.inputs.size()) return is_x(r) ? std::vector<double>() : per_channel(graph, step.inputs[r], shape);
    const std::size_t k = r - p.inputs.size();
    if (k >= p.constants.size() || p.constants[k].dtype != DType::f32) return {};
    return std::vector<double>(channels, p.constants[k].real);
  };
  out.scale.assign(channels, 1.0);
  out.shift.assign(channels, 0.0);
  const auto x_and = [&](std::vector<double>& target) {
    const std::uint16_t other = is_x(code.a) ? code.b : code.a;
    if (is_x(code.a) == is_x(code.b)) return false;
    target = numbers(other);
    return !target.empty();
  };
  switch (code.op) {
    case ScalarOp::mul: return x_and(out.scale);
    case ScalarOp::add: return x_and(out.shift);
    case ScalarOp::sub:
      if (!is_x(code.a) || is_x(code.b)) return false;
      out.shift = numbers(code.b);
      for (double& v : out.shift) v = -v;
      return !out.shift.empty();
    case ScalarOp::div:
      if (!is_x(code.a) || is_x(code.b)) return false;
      out.scale = numbers(code.b);
      for (double& v : out.scale) {
        if (v == 0 || !std::isfinite(v)) return false;
        v = 1.0 / v;
      }
      return !out.scale.empty();
    case ScalarOp::multiply_add:
      if (is_x(code.c) || !x_and(out.scale)) return false;
      out.shift = numbers(code.c);
      return !out.shift.empty();
    default: return false;
  }
}

bool finite(const std::vector<double>& values) {
  for (const double v : values) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

void rewrite(TypedGraph& graph, TypedGraph::Step& conv, const Affine& affine) {
  const auto& geometry = std::get<primitive::Convolution>(*conv.primitive());
  const Tensor weights = graph.values[graph.root(conv.inputs[1])].constant.reshape(graph.values[conv.inputs[1]].shape).contiguous();
  const auto channels = affine.scale.size();
  Tensor scaled = Tensor::empty(DType::f32, weights.shape());
  const auto in = weights.values<float>();
  const auto out = scaled.mutable_values<float>();
  if (!geometry.transposed) {
    const std::size_t per = in.size() / channels;
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<float>(in[i] * affine.scale[i / per]);
  } else {  // C, M/groups, kernel: output channel = group * (M/groups) + m
    const auto c_in = static_cast<std::size_t>(weights.shape()[0]);
    const auto m_per_group = static_cast<std::size_t>(weights.shape()[1]);
    const std::size_t c_per_group = c_in / static_cast<std::size_t>(geometry.groups);
    const std::size_t kernel = in.size() / (c_in * m_per_group);
    for (std::size_t i = 0; i < in.size(); ++i) {
      const std::size_t m = i / kernel % m_per_group, c = i / (kernel * m_per_group);
      out[i] = static_cast<float>(in[i] * affine.scale[c / c_per_group * m_per_group + m]);
    }
  }
  Tensor bias = Tensor::zeros(DType::f32, Shape{static_cast<std::int64_t>(channels)});
  const auto b = bias.mutable_values<float>();
  if (conv.inputs.size() > 2) {
    const Tensor old = graph.values[graph.root(conv.inputs[2])].constant.contiguous();
    std::copy_n(old.values<float>().begin(), channels, b.begin());
  }
  for (std::size_t m = 0; m < channels; ++m) b[m] = static_cast<float>(b[m] * affine.scale[m] + affine.shift[m]);
  conv.inputs.resize(2);
  conv.inputs[1] = graph.add_constant(std::move(scaled));
  conv.inputs.push_back(graph.add_constant(std::move(bias)));
}

}  // namespace

void fold_into_weights(TypedGraph& graph) {
  auto uses = count_uses(graph);
  std::vector<std::uint32_t> conv_of(graph.values.size(), TypedGraph::none);  // convolution that makes a value, folded steps followed
  for (std::uint32_t i = 0; i < graph.steps.size(); ++i) {
    auto& step = graph.steps[i];
    if (step.primitive() == nullptr) continue;
    if (std::holds_alternative<primitive::Convolution>(*step.primitive())) {
      const bool foldable = graph.values[step.outputs[0]].dtype == DType::f32 && graph.is_constant(step.inputs[1]) &&
                            (step.inputs.size() < 3 || graph.is_constant(step.inputs[2]));
      if (foldable) conv_of[step.outputs[0]] = i;
      continue;
    }
    for (const Index in : step.inputs) {
      if (in == TypedGraph::none || graph.values[in].alias_of != TypedGraph::none || conv_of[in] == TypedGraph::none) continue;
      const Index out = step.outputs[0];
      auto& conv = graph.steps[conv_of[in]];
      Affine affine;
      if (uses[in] != 1 || !(graph.values[in].shape == graph.values[out].shape) ||
          !as_affine(graph, step, in, graph.values[in].shape, affine) || !finite(affine.scale) || !finite(affine.shift)) {
        continue;
      }
      rewrite(graph, conv, affine);
      // The convolution now writes what the step wrote; the step is left without a reader and falls out with the dead ones.
      const Index unused = graph.add_value(graph.values[out].dtype, graph.values[out].shape);
      conv_of.resize(graph.values.size(), TypedGraph::none);
      uses.resize(graph.values.size(), 0);
      conv.outputs[0] = out;
      step.outputs[0] = unused;
      conv_of[out] = conv_of[in];
      conv_of[in] = TypedGraph::none;
      break;
    }
  }
  eliminate_dead_steps(graph);
}

}  // namespace lazyfx::compile
