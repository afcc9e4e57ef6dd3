#include "ops/support/definition.hpp"

#include <utility>

namespace lazyfx::ops {
namespace {

using Kind = AttributeSpec::Kind;

AttributeSpec attribute(const char* name, Kind kind, Argument fallback = {}) { return {name, kind, std::move(fallback), false}; }

std::vector<Parameter> parameters(std::initializer_list<const char*> names) {
  std::vector<Parameter> result;
  for (std::string name : names) {
    auto arity = Parameter::Arity::single;
    if (name.ends_with("...")) {
      arity = Parameter::Arity::variadic;
      name.resize(name.size() - 3);
    } else if (name.ends_with('*')) {
      arity = Parameter::Arity::rest;
      name.pop_back();
    } else if (name.ends_with('?')) {
      arity = Parameter::Arity::optional;
      name.pop_back();
    }
    result.push_back({std::move(name), arity});
  }
  return result;
}

/// The kernel, preceded by its type rule on what it is given, so that it may count on everything that the rule refuses.
ReferenceKernel checked(TypeRule rule, ReferenceKernel kernel) {
  return [rule = std::move(rule), kernel = std::move(kernel)](std::span<const Tensor> inputs, const Attributes& attributes,
                                                              std::size_t output_count) {
    std::vector<std::optional<TensorType>> types;
    for (const Tensor& t : inputs) types.push_back(t.defined() ? std::optional(TensorType(t.dtype(), t.shape())) : std::nullopt);
    rule(TypeContext{types, inputs, attributes, output_count});
    return kernel(inputs, attributes, output_count);
  };
}

}  // namespace

Schema schema(std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
              std::vector<AttributeSpec> attributes) {
  return {parameters(inputs), parameters(outputs), std::move(attributes)};
}

AttributeSpec integer(const char* name) { return attribute(name, Kind::integer); }
AttributeSpec integer(const char* name, std::int64_t fallback) { return attribute(name, Kind::integer, fallback); }
AttributeSpec integers(const char* name) { return attribute(name, Kind::integers); }
AttributeSpec real(const char* name) { return attribute(name, Kind::real); }
AttributeSpec real(const char* name, double fallback) {
  return attribute(name, Kind::real, static_cast<double>(static_cast<float>(fallback)));
}
AttributeSpec reals(const char* name) { return attribute(name, Kind::reals); }
AttributeSpec text(const char* name) { return attribute(name, Kind::string); }
AttributeSpec text(const char* name, const char* fallback) { return attribute(name, Kind::string, fallback); }
AttributeSpec texts(const char* name) { return attribute(name, Kind::strings); }
AttributeSpec tensor(const char* name) { return attribute(name, Kind::tensor); }
AttributeSpec graph(const char* name) { return required(attribute(name, Kind::graph)); }
AttributeSpec dtype(const char* name) { return attribute(name, Kind::dtype); }

AttributeSpec required(AttributeSpec spec) {
  spec.required = true;
  return spec;
}

Operator onnx(const std::string& type, Versions versions, Schema schema, TypeRule type_rule, ReferenceKernel reference, Lowering lowering) {
  return {.name = "onnx::" + type,
          .since_version = versions.since,
          .until_version = versions.until,
          .effect = Effect::pure,
          .schema = std::move(schema),
          .type_rule = type_rule,
          .reference = checked(std::move(type_rule), std::move(reference)),
          .lowering = std::move(lowering)};
}

Operator onnx_on_values(const std::string& type, Versions versions, Schema schema, ValueKernel kernel) {
  return {.name = "onnx::" + type,
          .since_version = versions.since,
          .until_version = versions.until,
          .effect = Effect::pure,
          .schema = std::move(schema),
          .type_rule = [](const TypeContext&) -> std::vector<TensorType> {
            unsupported("the types of its results are not known before a run");
          },
          .reference = {},
          .lowering = {},
          .on_values = std::move(kernel)};
}

void fail(const std::string& message) { throw Error(ErrorKind::invalid_graph, message); }
void unsupported(const std::string& message) { throw Error(ErrorKind::unsupported, message); }

}  // namespace lazyfx::ops
