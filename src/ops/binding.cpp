#include "lazyfx/ops/binding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

using Arity = Parameter::Arity;
using Kind = AttributeSpec::Kind;

[[noreturn]] void refuse(const Operator& op, const std::string& message) {
  throw Error(ErrorKind::invalid_graph, op.name + ": " + message);
}

std::string numbered(std::size_t i, const std::string& name) { return "input " + std::to_string(i) + " (" + name + ")"; }

bool is_number(const Argument& a) { return a.is_bool() || a.is_int() || a.is_double(); }

/// A list of plain numbers stands for a vector tensor: `onnx::Reshape(x, [1, -1])`.
Tensor vector_tensor(const Argument::Items& items) {
  const auto length = static_cast<std::int64_t>(items.size());
  if (std::any_of(items.begin(), items.end(), [](const Argument& a) { return a.is_double(); })) {
    std::vector<float> values;
    for (const Argument& a : items) values.push_back(static_cast<float>(a.as_double()));
    return Tensor::from<float>(values, Shape{length});
  }
  std::vector<std::int64_t> values;
  for (const Argument& a : items) values.push_back(a.as_int());
  return Tensor::from<std::int64_t>(values, Shape{length});
}

Argument bind_input(const Operator& op, std::size_t i, const std::string& name, const Argument& a) {
  if (a.is_none() || a.is_node() || a.is_tensor() || a.is_string() || is_number(a)) return a;
  if (a.is_list() || a.is_tuple()) {
    const auto& items = a.items();
    if (std::all_of(items.begin(), items.end(), [](const Argument& item) { return item.is_int() || item.is_double(); })) {
      return vector_tensor(items);
    }
  }
  refuse(op, numbered(i, name) + " is a " + a.kind() + " where one tensor is expected");
}

void append_variadic(const Operator& op, const std::string& name, const Argument& a, std::vector<Argument>& inputs) {
  if (!a.is_list() && !a.is_tuple()) {
    inputs.push_back(bind_input(op, inputs.size(), name, a));
    return;
  }
  for (const Argument& item : a.items()) inputs.push_back(bind_input(op, inputs.size(), name, item));
}

std::vector<Argument> bind_inputs(const Operator& op, const Arguments& args, const Keywords& kwargs) {
  const auto& parameters = op.schema.inputs;
  const bool variadic = !parameters.empty() && parameters.back().is_many();
  const std::size_t single = parameters.size() - (variadic ? 1 : 0);
  if (args.size() > single && !variadic) {
    refuse(op, "takes at most " + std::to_string(single) + " inputs but is given " + std::to_string(args.size()));
  }
  std::vector<Argument> inputs;
  for (std::size_t i = 0; i < single; ++i) {
    const std::string& name = parameters[i].name;
    const auto keyword = std::find_if(kwargs.begin(), kwargs.end(), [&](const auto& entry) { return entry.first == name; });
    if (i < args.size() && keyword != kwargs.end()) refuse(op, numbered(i, name) + " is given twice, by place and by name");
    const Argument given = i < args.size() ? args[i] : keyword != kwargs.end() ? keyword->second : Argument();
    if (given.is_none() && parameters[i].arity == Arity::single) refuse(op, numbered(i, name) + " is missing");
    inputs.push_back(bind_input(op, i, name, given));
  }
  if (variadic) {
    const std::string& name = parameters.back().name;
    for (std::size_t i = single; i < args.size(); ++i) append_variadic(op, name, args[i], inputs);
    for (const auto& [key, value] : kwargs) {
      if (key == name) append_variadic(op, name, value, inputs);
    }
    if (inputs.size() == single && parameters.back().arity == Arity::variadic) refuse(op, "needs at least one " + name);
    for (std::size_t i = single; i < inputs.size(); ++i) {
      if (inputs[i].is_none()) refuse(op, numbered(i, name) + " is missing");
    }
  } else {
    while (!inputs.empty() && inputs.back().is_none()) inputs.pop_back();
  }
  return inputs;
}

template <class Accepts>
bool is_list_of(const Argument& a, Accepts accepts) {
  return (a.is_list() || a.is_tuple()) && std::all_of(a.items().begin(), a.items().end(), accepts);
}

const char* expected(Kind kind) {
  switch (kind) {
    case Kind::integer: return "an integer";
    case Kind::real: return "a number";
    case Kind::string: return "a string";
    case Kind::integers: return "a list of integers";
    case Kind::reals: return "a list of numbers";
    case Kind::strings: return "a list of strings";
    case Kind::tensor: return "a tensor";
    case Kind::dtype: return "a dtype";
    case Kind::graph: return "a graph";
  }
  return "something else";
}

/// The attribute in the one form that kernels see, so that equal applications compare equal; none if it is of another kind.
Argument canonical(Kind kind, const Argument& a) {
  const auto is_integer_like = [](const Argument& item) { return item.is_int() || item.is_bool(); };
  const auto to_int = [](const Argument& item) { return item.is_bool() ? Argument(std::int64_t{item.as_bool()}) : item; };
  const auto is_real_like = [](const Argument& item) { return item.is_int() || item.is_double(); };
  switch (kind) {
    case Kind::integer: return is_integer_like(a) ? to_int(a) : Argument();
    case Kind::real: return is_real_like(a) ? Argument(a.as_double()) : Argument();
    case Kind::string: return a.is_string() ? a : Argument();
    case Kind::integers: {
      if (!is_list_of(a, is_integer_like)) return {};
      Argument::Items items;
      for (const Argument& item : a.items()) items.push_back(to_int(item));
      return Argument::list(std::move(items));
    }
    case Kind::reals: {
      if (!is_list_of(a, is_real_like)) return {};
      Argument::Items items;
      for (const Argument& item : a.items()) items.emplace_back(item.as_double());
      return Argument::list(std::move(items));
    }
    case Kind::strings:
      return is_list_of(a, [](const Argument& item) { return item.is_string(); }) ? Argument::list(a.items()) : Argument();
    case Kind::tensor: return a.is_tensor() ? a : Argument();
    case Kind::dtype: return a.is_dtype() ? a : Argument();
    case Kind::graph: return a.is_string() ? a : Argument();
  }
  return {};
}

Keywords bind_attributes(const Operator& op, const Keywords& kwargs) {
  Keywords result;
  for (const AttributeSpec& spec : op.schema.attributes) {
    const auto given = std::find_if(kwargs.begin(), kwargs.end(), [&](const auto& entry) { return entry.first == spec.name; });
    if (given != kwargs.end() && !given->second.is_none()) {
      Argument value = canonical(spec.kind, given->second);
      if (value.is_none()) {
        refuse(op, "attribute " + spec.name + " is a " + given->second.kind() + " where " + expected(spec.kind) + " is expected");
      }
      result.emplace_back(spec.name, std::move(value));
    } else if (spec.required) {
      refuse(op, "attribute " + spec.name + " is missing");
    } else if (!spec.default_value.is_none()) {
      result.emplace_back(spec.name, spec.default_value);
    }
  }
  return result;
}

void check_keywords(const Operator& op, const Keywords& kwargs) {
  const auto names = [](const std::string& key) { return [&key](const auto& spec) { return spec.name == key; }; };
  for (const auto& entry : kwargs) {
    const auto& [inputs, outputs, attributes] = op.schema;
    const bool known = std::any_of(inputs.begin(), inputs.end(), names(entry.first)) ||
                       std::any_of(attributes.begin(), attributes.end(), names(entry.first));
    if (!known) refuse(op, "there is no input or attribute named " + entry.first);
  }
}

template <class T>
Tensor integer_tensor(std::int64_t value, DType dtype) {
  if (!std::in_range<T>(value)) {
    throw Error(ErrorKind::invalid_graph,
                "the number " + std::to_string(value) + " does not fit beside a tensor of dtype " + to_string(dtype));
  }
  return Tensor::scalar<T>(static_cast<T>(value));
}

Tensor real_tensor(double value, DType dtype) {
  switch (dtype) {
    case DType::f16: return Tensor::scalar(Float16(static_cast<float>(value)));
    case DType::bf16: return Tensor::scalar(BFloat16(static_cast<float>(value)));
    case DType::f64: return Tensor::scalar(value);
    default: return Tensor::scalar(static_cast<float>(value));
  }
}

}  // namespace

Application bind(const Operator& op, const Arguments& args, const Keywords& kwargs) {
  check_keywords(op, kwargs);
  return {bind_inputs(op, args, kwargs), Attributes(bind_attributes(op, kwargs))};
}

Tensor literal_tensor(const Argument& literal, std::optional<DType> beside) {
  if (literal.is_tensor()) return literal.as_tensor();
  if (literal.is_string()) return Tensor::scalar(literal.as_string());
  if (!is_number(literal)) { throw Error(ErrorKind::invalid_graph, std::string("a ") + literal.kind() + " does not stand for a tensor"); }
  if (literal.is_double()) return real_tensor(literal.as_double(), beside && is_floating(*beside) ? *beside : DType::f32);
  const std::int64_t value = literal.is_bool() ? std::int64_t{literal.as_bool()} : literal.as_int();
  if (beside && is_floating(*beside)) return real_tensor(static_cast<double>(value), *beside);
  if (beside && is_integer(*beside)) {
    return visit_dtype(*beside, [&](auto type) -> Tensor {
      using T = typename decltype(type)::type;
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        return integer_tensor<T>(value, *beside);
      } else {
        __builtin_unreachable();
      }
    });
  }
  return literal.is_bool() ? Tensor::scalar(value != 0) : Tensor::scalar(value);
}

}  // namespace lazyfx
