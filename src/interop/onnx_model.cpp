#include "onnx_model.hpp"

#include <limits>
#include <unordered_set>

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
            switch (type.field()) {
              case 4: value.kind = ValueDef::Kind::sequence; break;
              case 6: break;  // the denotation, which changes nothing
              case 9: value.kind = ValueDef::Kind::optional; break;
              default: value.kind = ValueDef::Kind::other;
            }
            type.skip();
          }
        }
        break;
      default: r.skip();
    }
  }
  return value;
}

// Deeper than any model nests graphs, and far from what the stack holds.
constexpr int deepest = 32;

GraphDef parse_graph(WireReader r, const std::byte* file, int depth);

/// The graph that an attribute holds, if it does.
std::optional<Bytes> graph_of(Bytes attribute, const std::byte* file) {
  std::optional<Bytes> graph;
  for (WireReader r(attribute, file, "an attribute"); r.next();) {
    if (r.field() == 6)
      graph = r.bytes();
    else
      r.skip();
  }
  return graph;
}

/// Every name that the nodes of `graph`, or its outputs, read, and nothing in it makes, in order of appearance. Graphs within it are closed.
std::vector<std::string_view> free_names(const GraphDef& graph) {
  std::unordered_set<std::string_view> known;
  for (const auto& initializer : graph.initializers) known.insert(initializer.name);
  for (const auto& input : graph.inputs) known.insert(input.name);
  for (const auto& node : graph.nodes) {
    for (auto o = node.outputs.first; o < node.outputs.first + node.outputs.count; ++o) known.insert(graph.value_names[o]);
  }
  std::vector<std::string_view> free;
  const auto read = [&](std::string_view name) {
    if (!name.empty() && known.insert(name).second) free.push_back(name);
  };
  for (const auto& node : graph.nodes) {
    for (const Range range : {node.inputs, node.captures}) {
      for (auto i = range.first; i < range.first + range.count; ++i) read(graph.value_names[i]);
    }
  }
  for (const auto& output : graph.outputs) read(output.name);
  return free;
}

/// Parses the graphs that a node's attributes hold. All of them take what any reads of the graph around them, behind their own inputs.
void parse_nested(GraphDef& graph, NodeDef& node, const std::byte* file, int depth) {
  constexpr std::size_t most_bodies = 16;  // no operator takes more than two
  std::vector<std::shared_ptr<GraphDef>> bodies;
  std::vector<std::string_view> captured;
  std::unordered_set<std::string_view> seen;
  for (auto a = node.attributes.first; a < node.attributes.first + node.attributes.count; ++a) {
    const auto bytes = graph_of(graph.attributes[a], file);
    if (!bytes) continue;
    WireReader reader(*bytes, file, "a graph");
    if (bodies.size() == most_bodies) reader.fail("the node has more than " + std::to_string(most_bodies) + " of them");
    if (depth == deepest) reader.fail("graphs are nested more than " + std::to_string(deepest) + " deep");
    bodies.push_back(std::make_shared<GraphDef>(parse_graph(reader, file, depth + 1)));
    graph.nested.emplace(a, bodies.back());
    for (const auto name : free_names(*bodies.back())) {
      if (seen.insert(name).second) captured.push_back(name);
    }
  }
  for (const auto& body : bodies) {
    for (const auto name : captured) body->inputs.push_back({name, ValueDef::Kind::none, 0, {}});
  }
  node.captures = {static_cast<std::uint32_t>(graph.value_names.size()), static_cast<std::uint32_t>(captured.size())};
  graph.value_names.insert(graph.value_names.end(), captured.begin(), captured.end());
}

NodeDef parse_node(WireReader r, GraphDef& graph, const std::byte* file, int depth) {
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
  parse_nested(graph, node, file, depth);
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

GraphDef parse_graph(WireReader r, const std::byte* file, int depth) {
  GraphDef graph;
  while (r.next()) {
    switch (r.field()) {
      case 1: graph.nodes.push_back(parse_node(r.message("a node"), graph, file, depth)); break;
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
      case 6: attribute.graph = r.bytes(); break;
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

ContentsDef parse_sequence(Bytes message, const std::byte* file) {
  ContentsDef contents{{}, true, {}};
  WireReader r(message, file, "a sequence");
  while (r.next()) {
    switch (r.field()) {
      case 3: contents.items.push_back(r.bytes()); break;
      case 4:
      case 5:
      case 6:
      case 7: r.fail("it holds something else than tensors");
      default: r.skip();
    }
  }
  return contents;
}

ContentsDef parse_optional(Bytes message, const std::byte* file) {
  ContentsDef contents;
  WireReader r(message, file, "an optional");
  while (r.next()) {
    switch (r.field()) {
      case 3: contents.tensor = r.bytes(); break;
      case 5: contents = parse_sequence(r.bytes(), file); break;
      case 4:
      case 6:
      case 7: r.fail("it holds neither a tensor nor a sequence");
      default: r.skip();
    }
  }
  return contents;
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
        model.graph = parse_graph(r.message("the graph"), file.data(), 0);
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
