// An operator defined outside of the library: my::swish(x, beta) = x * sigmoid(beta * x). Its reference kernel says what it means; its
// lowering says it in primitives, so that it is fused and vectorised like the operators that ship.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <span>
#include <vector>

#include <lazyfx/module/interpreter.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>
#include <lazyfx/ops/lowering.hpp>

namespace {

using namespace lazyfx;

std::vector<Tensor> reference(std::span<const Tensor> inputs, const Attributes& attributes, std::size_t) {
  const Tensor x = inputs[0].contiguous();
  const auto beta = static_cast<float>(attributes.get_float("beta"));
  Tensor y = Tensor::empty(x.dtype(), x.shape());
  const std::span<const float> from = x.values<float>();
  const std::span<float> to = y.mutable_values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i] / (1 + std::exp(-beta * from[i]));
  return {y};
}

bool lower(LoweringContext& context) {
  ScalarProgram body;
  body.inputs = {DType::f32};
  const std::uint16_t x = 0;
  const auto beta = body.add_constant(DType::f32, context.attributes().get_float("beta"));
  const auto gate = body.add(ScalarOp::sigmoid, DType::f32, body.add(ScalarOp::mul, DType::f32, x, beta));
  body.add(ScalarOp::mul, DType::f32, x, gate);
  context.emit(primitive::Elementwise{body}, {context.input(0)}, context.output(0));
  return true;
}

Operator swish() {
  Operator op;
  op.name = "my::swish";
  op.schema.inputs = {{"x"}};
  op.schema.outputs = {{"y"}};
  op.schema.attributes = {{"beta", AttributeSpec::Kind::real, 1.0}};
  op.type_rule = [](const TypeContext& context) -> std::vector<TensorType> {
    if (context.inputs[0]->dtype != DType::f32) throw Error(ErrorKind::invalid_graph, "my::swish takes f32");
    return {*context.inputs[0]};
  };
  op.reference = reference;
  op.lowering = lower;
  return op;
}

}  // namespace

int main() {
  OperatorRegistry operators = OperatorRegistry::standard();
  operators.add(swish());

  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {"N"}));
  graph->output(graph->call_function("my::swish", {x}, {{"beta", 2.0}}));

  Runtime runtime(RuntimeOptions().operators(operators));
  LazyGraphModule module(runtime, graph);
  const Tensor input = Tensor::from<float>({-1, 0, 1, 2}, {4});
  const std::vector<Value> inputs{input};
  const Tensor compiled = module(input).as_tensor();
  const Tensor meant = Interpreter(module).run(inputs).as_tensor();
  std::cout << "compiled  " << to_string(compiled) << "\nreference " << to_string(meant) << '\n';

  float apart = 0;
  for (std::size_t i = 0; i < 4; ++i) apart = std::max(apart, std::abs(compiled.values<float>()[i] - meant.values<float>()[i]));
  return apart < 1e-5F ? 0 : 1;
}
