#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/graph/snapshot.hpp"

// What the tests of graph/ say in one word.
namespace vocabulary {

using namespace lazyfx;
using Words = std::vector<std::string>;

inline Words names(const std::vector<Node>& nodes) {
  Words out;
  for (const Node node : nodes) out.push_back(node.name());
  return out;
}
inline Words names(const Graph& graph) {
  Words out;
  for (const Node node : graph.nodes()) out.push_back(node.name());
  return out;
}
inline Words names(const Snapshot& snapshot) {
  Words out;
  for (const NodeView node : snapshot) out.push_back(node.name());
  return out;
}

/// The message of the error of that kind which `f` throws; any other outcome fails the test.
template <class F>
std::string error_of(ErrorKind kind, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.kind() != kind) throw std::logic_error("an error of another kind: " + std::string(error.what()));
    return error.what();
  }
  throw std::logic_error("nothing was thrown");
}
inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What a graph of my::add, my::mul and my::neg over integers returns: an interpreter of ten lines.
inline std::int64_t evaluate(const Snapshot& snapshot, std::map<std::string, std::int64_t> inputs) {
  std::map<NodeId, std::int64_t> values;
  const auto value = [&](const Argument& a) { return a.is_node() ? values.at(a.as_node()) : a.as_int(); };
  for (const NodeView node : snapshot) {
    if (node.op() == Opcode::output) return value(node.args().at(0));
    std::int64_t& result = values[node.id()];
    if (node.op() == Opcode::placeholder) {
      const auto given = inputs.find(node.target());
      result = given != inputs.end() ? given->second : value(node.args().at(0));
    } else if (node.op() == Opcode::get_attr) {
      result = 0;
    } else if (node.target() == "my::neg") {
      result = -value(node.args().at(0));
    } else {
      const std::int64_t left = value(node.args().at(0));
      const Argument* keyword = node.kwarg("other");
      const std::int64_t right = value(keyword ? *keyword : node.args().at(1));
      result = node.target() == "my::mul" ? left * right : left + right;
    }
  }
  throw std::logic_error("no output");
}

}  // namespace vocabulary
