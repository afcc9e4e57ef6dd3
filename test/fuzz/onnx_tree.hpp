#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// An ONNX file as a tree of protobuf fields that can be changed anywhere and is written with lengths that are right again: what a mutator of
/// bytes nearly never manages. It knows of onnx.proto3 only what it takes to tell messages, texts and lists of numbers apart.
namespace onnx_tree {

enum class Kind : std::uint8_t {
  number,
  fixed32,
  fixed64,
  text,
  numbers,  // what is not a message; numbers: a packed list of varints
  model,
  graph,
  node,
  attribute,
  tensor,
  sparse_tensor,
  value,
  type,
  tensor_type,
  sequence_type,
  shape,
  dim,
  opset,
  entry,
  function
};
constexpr bool is_message(Kind kind) noexcept { return kind >= Kind::model; }

struct Field {
  std::uint32_t name = 0;  ///< the field's number
  Kind kind = Kind::number;
  std::uint64_t number = 0;  ///< of number, fixed32, fixed64
  std::string text;  ///< of text
  std::vector<std::uint64_t> numbers;  ///< of numbers
  std::vector<Field> fields;  ///< of messages
};

/// What the bytes of field `name` in a message are.
inline Kind kind_of(Kind message, std::uint32_t name) noexcept {
  struct Row {
    Kind message;
    std::uint32_t name;
    Kind kind;
  };
  static constexpr Row rows[] = {{Kind::model, 7, Kind::graph},          {Kind::model, 8, Kind::opset},
                                 {Kind::model, 14, Kind::entry},         {Kind::model, 25, Kind::function},
                                 {Kind::graph, 1, Kind::node},           {Kind::graph, 5, Kind::tensor},
                                 {Kind::graph, 11, Kind::value},         {Kind::graph, 12, Kind::value},
                                 {Kind::graph, 13, Kind::value},         {Kind::graph, 15, Kind::sparse_tensor},
                                 {Kind::node, 5, Kind::attribute},       {Kind::attribute, 5, Kind::tensor},
                                 {Kind::attribute, 6, Kind::graph},      {Kind::attribute, 8, Kind::numbers},
                                 {Kind::attribute, 10, Kind::tensor},    {Kind::attribute, 11, Kind::graph},
                                 {Kind::attribute, 14, Kind::type},      {Kind::attribute, 22, Kind::sparse_tensor},
                                 {Kind::tensor, 1, Kind::numbers},       {Kind::tensor, 5, Kind::numbers},
                                 {Kind::tensor, 7, Kind::numbers},       {Kind::tensor, 11, Kind::numbers},
                                 {Kind::tensor, 13, Kind::entry},        {Kind::sparse_tensor, 1, Kind::tensor},
                                 {Kind::sparse_tensor, 2, Kind::tensor}, {Kind::sparse_tensor, 3, Kind::numbers},
                                 {Kind::value, 2, Kind::type},           {Kind::type, 1, Kind::tensor_type},
                                 {Kind::type, 4, Kind::sequence_type},   {Kind::type, 8, Kind::tensor_type},
                                 {Kind::type, 9, Kind::sequence_type},   {Kind::tensor_type, 2, Kind::shape},
                                 {Kind::sequence_type, 1, Kind::type},   {Kind::shape, 1, Kind::dim},
                                 {Kind::function, 7, Kind::node},        {Kind::function, 9, Kind::opset},
                                 {Kind::function, 11, Kind::attribute}};
  for (const Row& row : rows) {
    if (row.message == message && row.name == name) return row.kind;
  }
  return Kind::text;
}

class Parser {
 public:
  explicit Parser(std::string_view bytes) : rest_(bytes) {}

  /// False when the bytes are not fields of a message of this kind. What looks like a message and is none stays a text.
  bool fields(Kind message, std::vector<Field>& out, int depth = 0) {
    constexpr int deepest = 400;
    if (depth > deepest) return false;
    while (!rest_.empty()) {
      std::uint64_t tag = 0, size = 0;
      Field field;
      if (!varint(tag) || tag >> 3 == 0 || tag >> 3 > 1000) return false;
      field.name = static_cast<std::uint32_t>(tag >> 3);
      switch (tag & 7) {
        case 0:
          if (!varint(field.number)) return false;
          break;
        case 1:
        case 5:
          field.kind = (tag & 7) == 1 ? Kind::fixed64 : Kind::fixed32;
          if (!fixed(field.kind == Kind::fixed64 ? 8 : 4, field.number)) return false;
          break;
        case 2: {
          if (!varint(size) || size > rest_.size()) return false;
          const std::string_view bytes = rest_.substr(0, size);
          rest_.remove_prefix(size);
          read(bytes, kind_of(message, field.name), field, depth);
          break;
        }
        default: return false;
      }
      out.push_back(std::move(field));
    }
    return true;
  }

 private:
  static void read(std::string_view bytes, Kind kind, Field& field, int depth) {
    Parser inner(bytes);
    field.kind = kind;
    if (kind == Kind::numbers) {
      std::uint64_t number = 0;
      while (!inner.rest_.empty() && inner.varint(number)) field.numbers.push_back(number);
      if (inner.rest_.empty()) return;
    } else if (is_message(kind) && inner.fields(kind, field.fields, depth + 1)) {
      return;
    }
    field.kind = Kind::text;
    field.text = bytes;
    field.fields.clear();
    field.numbers.clear();
  }
  bool varint(std::uint64_t& value) {
    value = 0;
    for (unsigned i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      value |= std::uint64_t{byte & 0x7fU} << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  bool fixed(std::size_t size, std::uint64_t& value) {
    if (rest_.size() < size) return false;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

inline std::optional<Field> parse(std::string_view bytes) {
  Field model;
  model.kind = Kind::model;
  if (!Parser(bytes).fields(Kind::model, model.fields)) return std::nullopt;
  return model;
}

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

/// The fields of a message.
inline std::string encode(const Field& message) {
  std::string out;
  for (const Field& field : message.fields) {
    const auto tag = [&](unsigned type) { put_varint(out, std::uint64_t{field.name} << 3 | type); };
    const auto bytes = [&](std::string_view content) {
      tag(2);
      put_varint(out, content.size());
      out += content;
    };
    switch (field.kind) {
      case Kind::number:
        tag(0);
        put_varint(out, field.number);
        break;
      case Kind::fixed32:
      case Kind::fixed64: {
        const bool wide = field.kind == Kind::fixed64;
        tag(wide ? 1 : 5);
        for (unsigned i = 0; i < (wide ? 8U : 4U); ++i) out += static_cast<char>(field.number >> (8 * i) & 0xff);
        break;
      }
      case Kind::text: bytes(field.text); break;
      case Kind::numbers: {
        std::string packed;
        for (const std::uint64_t number : field.numbers) put_varint(packed, number);
        bytes(packed);
        break;
      }
      default: bytes(encode(field));
    }
  }
  return out;
}

}  // namespace onnx_tree
