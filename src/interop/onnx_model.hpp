#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire.hpp"

namespace lazyfx::onnx {

// The messages of onnx.proto3 as far as an import reads them, as views into the file's bytes. What is nested deeper than needed stays
// encoded until somebody asks: a file of many tiny messages then costs little more than its own size.
// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3

/// A part of one of GraphDef's arrays.
struct Range {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

struct TensorDef {
  struct Chunk {
    std::uint32_t field;  ///< float_data = 4, int32_data = 5, string_data = 6, int64_data = 7, double_data = 10, uint64_data = 11
    Bytes encoded;
  };
  std::string_view name;
  std::vector<std::int64_t> dims;
  std::int64_t data_type = 0;
  std::optional<Bytes> raw;
  std::vector<Chunk> chunks;
  std::vector<std::pair<std::string_view, std::string_view>> external;
  bool is_external = false;
  bool is_segmented = false;
};

enum class AttributeType : std::int64_t {
  undefined,
  real,
  integer,
  string,
  tensor,
  graph,
  reals,
  integers,
  strings,
  tensors,
  graphs,
  sparse_tensor,
  sparse_tensors,
  type,
  types,
};

struct AttributeDef {
  std::string_view name, reference;
  AttributeType type = AttributeType::undefined;
  float f = 0;
  std::int64_t i = 0;
  std::string_view s;
  std::optional<Bytes> tensor, graph;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::vector<std::string_view> strings;
};

struct NodeDef {
  std::string_view name, op_type, domain;
  Range inputs, outputs;  ///< of GraphDef::value_names
  Range captures;         ///< of GraphDef::value_names: what the node's own graphs read of this one
  Range attributes;       ///< of GraphDef::attributes
};

struct DimDef {
  std::optional<std::int64_t> size;
  std::string_view name;
};

struct ValueDef {
  std::string_view name;
  enum class Kind : std::uint8_t { none, tensor, sequence, optional, other } kind = Kind::none;
  std::int64_t element_type = 0;
  std::optional<std::vector<DimDef>> dims;
};

struct InitializerDef {
  std::string_view name;
  Bytes message;
};

struct GraphDef {
  std::vector<std::string_view> value_names;
  std::vector<Bytes> attributes;
  std::vector<NodeDef> nodes;
  std::vector<InitializerDef> initializers;
  std::vector<ValueDef> inputs, outputs;
  bool has_sparse_initializers = false;
  /// The graphs that attributes hold, by place in `attributes`. Closed: what one reads of the graphs around it is among its inputs, last.
  std::map<std::uint32_t, std::shared_ptr<const GraphDef>> nested;
};

struct ModelDef {
  std::optional<std::int64_t> ir_version;
  std::vector<std::pair<std::string_view, std::int64_t>> opsets;  ///< domain, version
  std::string_view producer_name, producer_version;
  std::optional<GraphDef> graph;
  std::vector<std::pair<std::string_view, std::string_view>> functions;  ///< domain, name
};

// Each throws Damage. `file` is the start of the bytes that offsets count from.
ModelDef parse_model(Bytes file);
TensorDef parse_tensor(Bytes message, const std::byte* file);
AttributeDef parse_attribute(Bytes message, const std::byte* file);

/// A SequenceProto of tensors, or what an OptionalProto holds: one tensor, such a sequence, or nothing.
struct ContentsDef {
  std::optional<Bytes> tensor;
  bool is_sequence = false;
  std::vector<Bytes> items;
};
ContentsDef parse_sequence(Bytes message, const std::byte* file);
ContentsDef parse_optional(Bytes message, const std::byte* file);

}  // namespace lazyfx::onnx
