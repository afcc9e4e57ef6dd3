#include "onnx_attributes.hpp"

#include <algorithm>
#include <vector>

#include "lazyfx/error.hpp"
#include "problems.hpp"

namespace lazyfx::onnx {
namespace {

using Kind = AttributeSpec::Kind;

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::invalid_model, why); }

const char* describe(AttributeType type) {
  switch (type) {
    case AttributeType::undefined: return "nothing";
    case AttributeType::real: return "a number";
    case AttributeType::integer: return "an integer";
    case AttributeType::string: return "a string";
    case AttributeType::tensor: return "a tensor";
    case AttributeType::graph: return "a graph";
    case AttributeType::reals: return "a list of numbers";
    case AttributeType::integers: return "a list of integers";
    case AttributeType::strings: return "a list of strings";
    case AttributeType::tensors: return "a list of tensors";
    case AttributeType::graphs: return "a list of graphs";
    case AttributeType::sparse_tensor: return "a sparse tensor";
    case AttributeType::sparse_tensors: return "a list of sparse tensors";
    case AttributeType::type: return "a type";
    case AttributeType::types: return "a list of types";
  }
  return "nothing";
}

AttributeType taken(Kind kind) {
  switch (kind) {
    case Kind::integer:
    case Kind::dtype: return AttributeType::integer;
    case Kind::real: return AttributeType::real;
    case Kind::string: return AttributeType::string;
    case Kind::integers: return AttributeType::integers;
    case Kind::reals: return AttributeType::reals;
    case Kind::strings: return AttributeType::strings;
    case Kind::tensor: return AttributeType::tensor;
    case Kind::graph: return AttributeType::graph;
  }
  return AttributeType::undefined;
}

Argument convert(const AttributeDef& attribute, Kind kind, const std::byte* file, TensorLoader& tensors) {
  if (!attribute.reference.empty()) refuse("refers to an attribute of a function, but stands in no function");
  if (attribute.type != taken(kind))
    refuse(std::string("is ") + describe(attribute.type) + " where the operator takes " + describe(taken(kind)));
  switch (kind) {
    case Kind::integer: return attribute.i;
    case Kind::real: return double{attribute.f};
    case Kind::string: return std::string(attribute.s);
    case Kind::dtype: return dtype_of_number(attribute.i);
    case Kind::integers: return Argument::ints(attribute.ints);
    case Kind::reals: {
      Argument::Items items;
      for (const float v : attribute.floats) items.emplace_back(double{v});
      return Argument::list(std::move(items));
    }
    case Kind::strings: {
      Argument::Items items;
      for (const auto v : attribute.strings) items.emplace_back(std::string(v));
      return Argument::list(std::move(items));
    }
    case Kind::tensor:
      if (!attribute.tensor) refuse("is a tensor that is missing");
      return tensors.load(parse_tensor(*attribute.tensor, file));
    case Kind::graph: break;
  }
  refuse("is a graph");
}

template <class T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::from<T>(values, Shape{static_cast<std::int64_t>(values.size())});
}

}  // namespace

Keywords convert_attributes(const GraphDef& graph, const NodeDef& node, const std::string& place, const Operator& op, const std::byte* file,
                            TensorLoader& tensors, Problems& problems) {
  Keywords keywords;
  for (auto i = node.attributes.first; i < node.attributes.first + node.attributes.count; ++i) {
    const AttributeDef attribute = parse_attribute(graph.attributes[i], file);
    // Types say what a value is of; here values say it themselves. Graphs are the importer's own to convert.
    if (attribute.type == AttributeType::type || attribute.type == AttributeType::graph) continue;
    const auto which = [&] { return place + ": attribute " + in_quotes(attribute.name) + " "; };
    const auto& specs = op.schema.attributes;
    const auto spec = std::find_if(specs.begin(), specs.end(), [&](const AttributeSpec& s) { return s.name == attribute.name; });
    if (spec == specs.end()) {
      problems.add(ErrorKind::invalid_model, which() + "is not one that " + op.name + " takes");
      continue;
    }
    if (std::any_of(keywords.begin(), keywords.end(), [&](const auto& entry) { return entry.first == attribute.name; })) {
      problems.add(ErrorKind::invalid_model, which() + "is given twice");
      continue;
    }
    try {
      keywords.emplace_back(spec->name, convert(attribute, spec->kind, file, tensors));
    } catch (const Error& error) { problems.add(error.kind(), which() + error.what()); }
  }
  for (const AttributeSpec& spec : op.schema.attributes) {
    if (spec.required && spec.kind != Kind::graph &&
        std::none_of(keywords.begin(), keywords.end(), [&](const auto& entry) { return entry.first == spec.name; })) {
      problems.add(ErrorKind::invalid_model, place + " lacks attribute " + in_quotes(spec.name));
    }
  }
  return keywords;
}

Tensor constant_of(const GraphDef& graph, const NodeDef& node, const std::byte* file, TensorLoader& tensors) {
  if (node.attributes.count != 1) refuse("it holds " + std::to_string(node.attributes.count) + " values where a constant is one");
  const AttributeDef value = parse_attribute(graph.attributes[node.attributes.first], file);
  const auto is = [&](std::string_view name, AttributeType type) { return value.name == name && value.type == type; };
  if (is("value", AttributeType::tensor) && value.tensor) return tensors.load(parse_tensor(*value.tensor, file));
  if (is("value_float", AttributeType::real)) return Tensor::scalar<float>(value.f);
  if (is("value_int", AttributeType::integer)) return Tensor::scalar<std::int64_t>(value.i);
  if (is("value_string", AttributeType::string)) return Tensor::scalar<std::string>(std::string(value.s));
  if (is("value_floats", AttributeType::reals)) return vector_of(value.floats);
  if (is("value_ints", AttributeType::integers)) return vector_of(value.ints);
  if (is("value_strings", AttributeType::strings)) return vector_of(std::vector<std::string>(value.strings.begin(), value.strings.end()));
  if (is("sparse_value", AttributeType::sparse_tensor)) throw Error(ErrorKind::unsupported, "sparse tensors are not supported");
  refuse("attribute " + in_quotes(value.name) + " is " + describe(value.type) + ", which is no constant");
}

}  // namespace lazyfx::onnx
