#include "onnx_model.hpp"

#include <limits>

namespace lazyfx::onnx {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

Pair parse_pair(WireReader r) {
  Pair entry;
  while (r.next()) {
    switch (r.field()) {
      case 1: entry.first = r.text(); break;
      case 2: entry.second = r.text(); break;
      default: r.skip();
    }
  }
  return entry;
}

DimDef parse_dim(WireReader r) {
  DimDef dim;
  while (r.next()) {
    switch (r.field()) {
      case 1: dim.size = r.signed_value(); break;
      case 2: dim.name = r.text(); break;
      default: r.skip();
    }
  }
  return dim;
}

void parse_tensor_type(WireReader r, ValueDef& value) {
  while (r.next()) {
    switch (r.field()) {
      case 1: value.element_type = r.signed_value(); break;
      case 2: {
        auto& dims = value.dims.emplace();
        for (auto shape = r.message("a shape"); shape.next();) {
          if (shape.field() == 1) {
            dims.push_back(parse_dim(shape.message("a dimension")));
          } else {
            shape.skip();
          }
        }
        break;
      }
      default: r.skip();
    }
  }
}

ValueDef parse_value(WireReader r) {
  ValueDef value;
  while (r.next()) {
    switch (r.field()) {
      case 1: value.name = r.text(); break;
      case 2:
        for (auto type = r.message("a type"); type.next();) {
          if (type.field() == 1) {
            value.kind = ValueDef::Kind::tensor;
            parse_tensor_type(type.message("a tensor type"), value);
          } else {
            if (type.field() != 6) value.kind = ValueDef::Kind::other;  // 6 is the denotation, which changes nothing
            type.skip();
          }
        }
        break;
      default: r.skip();
    }
  }
  return value;
}

NodeDef parse_node(WireReader r, GraphDef& graph) {
  NodeDef node;
  std::vector<std::string_view> outputs;
  node.inputs.first = static_cast<std::uint32_t>(graph.value_names.size());
  node.attributes.first = static_cast<std::uint32_t>(graph.attributes.size());
  while (r.next()) {
    switch (r.field()) {
      case 1: graph.value_names.push_back(r.text()); break;
      case 2: outputs.push_back(r.text()); break;
      case 3: node.name = r.text(); break;
      case 4: node.op_type = r.text(); break;
      case 5: graph.attributes.push_back(r.bytes()); break;
      case 7: node.domain = r.text(); break;
      default: r.skip();
    }
  }
  if (node.op_type.empty()) r.fail("it does not say which operator it applies");
  constexpr auto limit = std::numeric_limits<std::uint32_t>::max();
  if (graph.value_names.size() + outputs.size() > limit || graph.attributes.size() > limit) r.fail("the graph has too many values");
  node.inputs.count = static_cast<std::uint32_t>(graph.value_names.size()) - node.inputs.first;
  node.attributes.count = static_cast<std::uint32_t>(graph.attributes.size()) - node.attributes.first;
  node.outputs.first = static_cast<std::uint32_t>(graph.value_names.size());
  node.outputs.count = static_cast<std::uint32_t>(outputs.size());
  graph.value_names.insert(graph.value_names.end(), outputs.begin(), outputs.end());
  return node;
}

InitializerDef parse_initializer(Bytes message, const std::byte* file) {
  InitializerDef initializer{{}, message};
  WireReader r(message, file, "an initializer");
  while (r.next()) {
    if (r.field() == 8) {
      initializer.name = r.text();
    } else {
      r.skip();
    }
  }
  if (initializer.name.empty()) r.fail("it has no name");
  return initializer;
}

GraphDef parse_graph(WireReader r, const std::byte* file) {
  GraphDef graph;
  while (r.next()) {
    switch (r.field()) {
      case 1: graph.nodes.push_back(parse_node(r.message("a node"), graph)); break;
      case 5: graph.initializers.push_back(parse_initializer(r.bytes(), file)); break;
      case 11: graph.inputs.push_back(parse_value(r.message("a graph input"))); break;
      case 12: graph.outputs.push_back(parse_value(r.message("a graph output"))); break;
      case 15:
        graph.has_sparse_initializers = true;
        r.skip();
        break;
      default: r.skip();
    }
  }
  return graph;
}

Pair parse_function_name(WireReader r) {
  Pair name;
  while (r.next()) {
    switch (r.field()) {
      case 1: name.second = r.text(); break;
      case 10: name.first = r.text(); break;
      default: r.skip();
    }
  }
  return name;
}

// Files older than the discriminator say the type by which field is there.
AttributeType implied_type(std::uint32_t field) {
  switch (field) {
    case 2: return AttributeType::real;
    case 3: return AttributeType::integer;
    case 4: return AttributeType::string;
    case 5: return AttributeType::tensor;
    case 6: return AttributeType::graph;
    case 7: return AttributeType::reals;
    case 8: return AttributeType::integers;
    case 9: return AttributeType::strings;
    case 10: return AttributeType::tensors;
    case 11: return AttributeType::graphs;
    case 14: return AttributeType::type;
    case 15: return AttributeType::types;
    case 22: return AttributeType::sparse_tensor;
    case 23: return AttributeType::sparse_tensors;
    default: return AttributeType::undefined;
  }
}

// The numbers of onnx.proto3 interleave: sparse tensors are 11 and 12, types 13 and 14.
AttributeType stated_type(std::int64_t number) {
  return number > 0 && number <= static_cast<std::int64_t>(AttributeType::types) ? AttributeType{number} : AttributeType::undefined;
}

}  // namespace

AttributeDef parse_attribute(Bytes message, const std::byte* file) {
  AttributeDef attribute;
  AttributeType implied = AttributeType::undefined;
  WireReader r(message, file, "an attribute");
  while (r.next()) {
    if (const auto type = implied_type(r.field()); type != AttributeType::undefined) implied = type;
    switch (r.field()) {
      case 1: attribute.name = r.text(); break;
      case 2: attribute.f = r.float_value(); break;
      case 3: attribute.i = r.signed_value(); break;
      case 4: attribute.s = r.text(); break;
      case 5: attribute.tensor = r.bytes(); break;
      case 7: r.each_float([&](float v) { attribute.floats.push_back(v); }); break;
      case 8: r.each_varint([&](std::uint64_t v) { attribute.ints.push_back(std::bit_cast<std::int64_t>(v)); }); break;
      case 9: attribute.strings.push_back(r.text()); break;
      case 20:
        attribute.type = stated_type(r.signed_value());
        if (attribute.type == AttributeType::undefined) r.fail("it has a type that ONNX does not define");
        break;
      case 21: attribute.reference = r.text(); break;
      default: r.skip();
    }
  }
  if (attribute.name.empty()) r.fail("it has no name");
  if (attribute.type == AttributeType::undefined) attribute.type = implied;
  return attribute;
}

TensorDef parse_tensor(Bytes message, const std::byte* file) {
  TensorDef tensor;
  WireReader r(message, file, "a tensor");
  while (r.next()) {
    switch (r.field()) {
      case 1: r.each_varint([&](std::uint64_t v) { tensor.dims.push_back(std::bit_cast<std::int64_t>(v)); }); break;
      case 2: tensor.data_type = r.signed_value(); break;
      case 3:
        tensor.is_segmented = true;
        r.skip();
        break;
      case 4:
      case 5:
      case 7:
      case 10:
      case 11: tensor.chunks.push_back({r.field(), r.elements()}); break;
      case 6: tensor.chunks.push_back({r.field(), r.bytes()}); break;
      case 8: tensor.name = r.text(); break;
      case 9: tensor.raw = r.bytes(); break;
      case 13: tensor.external.push_back(parse_pair(r.message("external data"))); break;
      case 14: tensor.is_external = r.signed_value() == 1; break;
      default: r.skip();
    }
  }
  return tensor;
}

ModelDef parse_model(Bytes file) {
  ModelDef model;
  WireReader r(file, file.data(), "the model");
  while (r.next()) {
    switch (r.field()) {
      case 1: model.ir_version = r.signed_value(); break;
      case 2: model.producer_name = r.text(); break;
      case 3: model.producer_version = r.text(); break;
      case 7:
        if (model.graph) r.fail("there are two graphs");
        model.graph = parse_graph(r.message("the graph"), file.data());
        break;
      case 8: {
        auto& [domain, version] = model.opsets.emplace_back(std::string_view{}, 0);
        for (auto opset = r.message("an operator set"); opset.next();) {
          switch (opset.field()) {
            case 1: domain = opset.text(); break;
            case 2: version = opset.signed_value(); break;
            default: opset.skip();
          }
        }
        break;
      }
      case 25: model.functions.push_back(parse_function_name(r.message("a function"))); break;
      default: r.skip();
    }
  }
  return model;
}

}  // namespace lazyfx::onnx
