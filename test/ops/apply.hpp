#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "lazyfx/ops/binding.hpp"
#include "lazyfx/ops/registry.hpp"

/// One operator at a time: run by its reference kernel, typed by its rule, or compiled.
namespace ops_test {

using lazyfx::Dim;
using lazyfx::DType;
using lazyfx::Keywords;
using lazyfx::Shape;
using lazyfx::Tensor;
using lazyfx::TensorType;

/// An operator with its inputs (undefined: absent) and attributes.
struct Case {
  std::string op;
  std::vector<Tensor> inputs;
  Keywords attributes;
  std::size_t outputs = 1;
};

inline const lazyfx::OperatorRegistry& registry() {
  static const lazyfx::OperatorRegistry all = lazyfx::OperatorRegistry::standard();
  return all;
}

inline const lazyfx::Operator& find(const std::string& name) {
  const lazyfx::OperatorPtr op = registry().find(name);
  if (op == nullptr) throw lazyfx::Error(lazyfx::ErrorKind::unsupported, "there is no operator " + name);
  return *op;
}

inline lazyfx::Argument as_argument(const Tensor& t) { return t.defined() ? lazyfx::Argument(t) : lazyfx::Argument(); }

inline lazyfx::Attributes attributes_of(const Case& a) {
  lazyfx::Arguments args;
  for (const Tensor& t : a.inputs) args.push_back(as_argument(t));
  return lazyfx::bind(find(a.op), args, a.attributes).attributes;
}

inline std::vector<Tensor> run_all(const Case& a) { return lazyfx::run_reference(find(a.op), a.inputs, attributes_of(a), a.outputs); }

inline Tensor run(const std::string& op, std::vector<Tensor> inputs, Keywords attributes = {}) {
  return run_all({op, std::move(inputs), std::move(attributes), 1}).front();
}

using MaybeTypes = std::vector<std::optional<TensorType>>;

inline MaybeTypes types_of(const std::vector<Tensor>& tensors) {
  MaybeTypes types;
  for (const Tensor& t : tensors) types.push_back(t.defined() ? std::optional(TensorType(t.dtype(), t.shape())) : std::nullopt);
  return types;
}

/// What the type rule says of inputs of these types, `constants` being known (undefined ones not).
inline std::vector<TensorType> infer_all(const Case& a, const MaybeTypes& types, const std::vector<Tensor>& constants) {
  const lazyfx::Attributes attributes = attributes_of(a);
  return find(a.op).type_rule(lazyfx::TypeContext{types, constants, attributes, a.outputs});
}

inline std::vector<TensorType> infer_all(const Case& a) { return infer_all(a, types_of(a.inputs), a.inputs); }

/// The type of the one output for inputs of these types, none of them known.
inline TensorType infer(const std::string& op, const MaybeTypes& types, Keywords attributes = {}) {
  const lazyfx::Operator& definition = find(op);
  lazyfx::Arguments args;
  for (const auto& t : types) args.push_back(t ? lazyfx::Argument(lazyfx::NodeId{0}) : lazyfx::Argument());
  const lazyfx::Attributes bound = lazyfx::bind(definition, args, attributes).attributes;
  const std::vector<Tensor> unknown(types.size());
  return definition.type_rule(lazyfx::TypeContext{types, unknown, bound, 1}).front();
}

/// Which inputs the compiler sees as constants.
enum class Known { all_but_first, none };

/// The outputs of the application compiled as a graph of its own.
inline std::vector<Tensor> compile_and_run(lazyfx::Runtime& runtime, const Case& a, Known known) {
  auto graph = std::make_shared<lazyfx::Graph>();
  lazyfx::Arguments args;
  std::vector<lazyfx::Value> values;
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    const Tensor& t = a.inputs[i];
    const bool constant = !t.defined() || (known == Known::all_but_first && i > 0);
    if (constant) {
      args.push_back(as_argument(t));
    } else {
      args.push_back(graph->placeholder("x" + std::to_string(i), TensorType(t.dtype(), t.shape())));
      values.emplace_back(t);
    }
  }
  const lazyfx::Node node = graph->call_function(a.op, std::move(args), a.attributes);
  if (a.outputs == 1) {
    graph->output(node);
  } else {
    lazyfx::Argument::Items items;
    for (std::size_t i = 0; i < a.outputs; ++i) items.push_back(graph->call_function("getitem", {node, static_cast<std::int64_t>(i)}));
    graph->output(lazyfx::Argument::tuple(std::move(items)));
  }
  lazyfx::GraphModule module(runtime, graph);
  const lazyfx::Value result = module.call(values);
  if (a.outputs == 1) return {result.as_tensor()};
  std::vector<Tensor> outputs;
  for (const lazyfx::Value& item : result.items()) outputs.push_back(item.as_tensor());
  return outputs;
}

inline bool is_close(double a, double b, double tolerance) {
  return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * (1 + std::abs(b));
}

template <class T>
double as_real(const T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(static_cast<float>(value));
  }
}

/// Same dtype, shape and, within rounding, elements: "", else what differs.
inline std::string difference(const Tensor& actual, const Tensor& expected) {
  const std::string types = to_string(TensorType(actual.dtype(), actual.shape())) + " where " +
                            to_string(TensorType(expected.dtype(), expected.shape())) + " is expected";
  if (actual.dtype() != expected.dtype() || !(actual.shape() == expected.shape())) return types;
  const Tensor left = actual.contiguous();
  const Tensor right = expected.contiguous();
  const bool half = actual.dtype() == DType::f16 || actual.dtype() == DType::bf16;
  const double tolerance = half ? 1e-2 : lazyfx::is_floating(actual.dtype()) ? 1e-5 : 0;
  return lazyfx::visit_dtype(actual.dtype(), [&](auto type) -> std::string {
    using T = typename decltype(type)::type;
    const auto x = left.template values<T>();
    const auto y = right.template values<T>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool same = false;
      if constexpr (std::is_same_v<T, std::string>) {
        same = x[i] == y[i];
      } else {
        same = is_close(as_real(x[i]), as_real(y[i]), tolerance);
      }
      if (!same)
        return "element " + std::to_string(i) + " differs: " + to_string(left, 64) + " where " + to_string(right, 64) + " is expected";
    }
    return "";
  });
}

// Short ways to write tensors.

inline Tensor f32(Shape shape, std::initializer_list<float> values) { return Tensor::from<float>(values, shape); }
inline Tensor i64(Shape shape, std::initializer_list<std::int64_t> values) { return Tensor::from<std::int64_t>(values, shape); }
inline Tensor ints(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, Shape{static_cast<std::int64_t>(values.size())});
}
inline Tensor booleans(std::initializer_list<bool> values) {
  return Tensor::from<bool>(values, Shape{static_cast<std::int64_t>(values.size())});
}
/// first, first + 1, ... as f32.
inline Tensor counting(Shape shape, float first = 0) {
  Tensor t = Tensor::empty(DType::f32, shape);
  for (float& v : t.mutable_values<float>()) v = first++;
  return t;
}
inline lazyfx::Argument int_list(std::initializer_list<std::int64_t> values) { return lazyfx::Argument::ints(values); }

}  // namespace ops_test

#define LAZYFX_TEST_SAME(actual, expected) BOOST_TEST(ops_test::difference(actual, expected) == "")
