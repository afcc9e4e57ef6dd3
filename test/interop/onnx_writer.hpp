#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Writes ONNX files the way a test needs them, broken ones included: one function per message of onnx.proto3, each giving its bytes.
namespace onnx_writer {

using Message = std::string;

inline Message varint(std::uint64_t value) {
  Message out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
inline Message number(unsigned field, std::int64_t value) { return varint(field << 3) + varint(static_cast<std::uint64_t>(value)); }
inline Message bytes(unsigned field, std::string_view value) { return varint(field << 3 | 2) + varint(value.size()) + Message(value); }
inline Message real(unsigned field, float value) {
  Message out = varint(field << 3 | 5);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  return out.append(raw, sizeof raw);
}
inline Message packed(unsigned field, std::initializer_list<std::int64_t> values) {
  Message all;
  for (const auto v : values) all += varint(static_cast<std::uint64_t>(v));
  return bytes(field, all);
}
template <class T>
Message raw_of(const std::vector<T>& values) {
  return Message(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

enum Type : std::int64_t { f32 = 1, u8 = 2, i8 = 3, i32 = 6, i64 = 7, string = 8, boolean = 9, f16 = 10, f64 = 11, complex64 = 14 };

/// A tensor's dims and element type; add the elements with bytes(9, raw_of(...)), packed(...) or bytes(6, "text").
inline Message tensor(std::string_view name, Type type, std::initializer_list<std::int64_t> dims, const Message& elements) {
  Message out;
  for (const auto d : dims) out += number(1, d);
  return out + number(2, type) + (name.empty() ? Message() : bytes(8, name)) + elements;
}
inline Message floats(std::string_view name, std::initializer_list<std::int64_t> dims, const std::vector<float>& values) {
  return tensor(name, f32, dims, bytes(9, raw_of(values)));
}

inline Message ints_attribute(std::string_view name, std::initializer_list<std::int64_t> values) {
  Message out = bytes(1, name);
  for (const auto v : values) out += number(8, v);
  return out + number(20, 7);
}
inline Message int_attribute(std::string_view name, std::int64_t v) { return bytes(1, name) + number(3, v) + number(20, 2); }
inline Message float_attribute(std::string_view name, float v) { return bytes(1, name) + real(2, v) + number(20, 1); }
inline Message text_attribute(std::string_view name, std::string_view v) { return bytes(1, name) + bytes(4, v) + number(20, 3); }
inline Message tensor_attribute(std::string_view name, const Message& v) { return bytes(1, name) + bytes(5, v) + number(20, 4); }

inline Message graph_attribute(std::string_view name, const Message& graph) { return bytes(1, name) + bytes(6, graph) + number(20, 5); }

using Names = std::vector<std::string>;
inline Message node(std::string_view op, const Names& inputs, const Names& outputs, const std::vector<Message>& attributes = {},
                    std::string_view name = {}, std::string_view domain = {}) {
  Message out;
  for (const auto& i : inputs) out += bytes(1, i);
  for (const auto& o : outputs) out += bytes(2, o);
  if (!name.empty()) out += bytes(3, name);
  out += bytes(4, op);
  for (const auto& a : attributes) out += bytes(5, a);
  if (!domain.empty()) out += bytes(7, domain);
  return out;
}

/// A dimension is a number, or a name in quotes.
struct Dim {
  Dim(int size) : message(number(1, size)) {}                     // NOLINT(google-explicit-constructor)
  Dim(std::int64_t size) : message(number(1, size)) {}            // NOLINT(google-explicit-constructor)
  Dim(const char* name) : message(bytes(2, name)) {}              // NOLINT(google-explicit-constructor)
  Message message;
};
inline Message value(std::string_view name, Type type, const std::vector<Dim>& dims) {
  Message shape;
  for (const auto& d : dims) shape += bytes(1, d.message);
  return bytes(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, shape)));
}

/// The parts of a graph, in the order in which they are written.
struct Graph {
  std::vector<Message> nodes, initializers, inputs, outputs;
  Message extra;
  Message encode() const {
    Message out;
    for (const auto& m : nodes) out += bytes(1, m);
    out += bytes(2, "g");
    for (const auto& m : initializers) out += bytes(5, m);
    for (const auto& m : inputs) out += bytes(11, m);
    for (const auto& m : outputs) out += bytes(12, m);
    return out + extra;
  }
};

inline Message opset(std::int64_t version, std::string_view domain = {}) {
  return bytes(8, (domain.empty() ? Message() : bytes(1, domain)) + number(2, version));
}
inline Message model(const Graph& graph, std::int64_t version = 13, std::int64_t ir_version = 8) {
  return number(1, ir_version) + bytes(2, "writer") + bytes(3, "1.0") + bytes(7, graph.encode()) + opset(version);
}

/// y = Relu(Gemm(x, w, b)): two in, three out, a named batch dimension.
inline Graph dense() {
  return {.nodes = {node("Gemm", {"x", "fc.weight", "fc.bias"}, {"h"}, {int_attribute("transB", 1)}, "fc"), node("Relu", {"h"}, {"y"})},
          .initializers = {floats("fc.weight", {3, 2}, {1, 2, 3, 4, 5, 6}), floats("fc.bias", {3}, {0.5F, -100, 1})},
          .inputs = {value("x", f32, {"N", 2})},
          .outputs = {value("y", f32, {"N", 3})},
          .extra = {}};
}

}  // namespace onnx_writer
