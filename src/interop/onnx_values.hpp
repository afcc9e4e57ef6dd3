#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "onnx_model.hpp"
#include "problems.hpp"

namespace lazyfx::onnx {

/// Who makes which named value of a graph: the names resolved once, so that everything after works with numbers.
struct ValueTable {
  enum class Kind : std::uint8_t { initializer, input, node_output };
  struct Maker {
    Kind kind;
    std::uint32_t index;  ///< of the initializer, graph input or node
  };
  static constexpr std::uint32_t absent = 0xffffffffU;  ///< an optional input or output that is left out
  static constexpr std::uint32_t unknown = 0xfffffffeU;  ///< a name that nothing makes; reported already

  std::vector<Maker> makers;                 ///< by value
  std::vector<std::uint32_t> values;         ///< parallel to GraphDef::value_names
  std::vector<std::uint32_t> graph_outputs;  ///< parallel to GraphDef::outputs
  std::vector<std::uint32_t> initializers;   ///< value of each initializer
  std::vector<std::uint32_t> inputs;         ///< value of each graph input; `absent` for one that is an initializer

  std::span<const std::uint32_t> of(Range range) const { return std::span(values).subspan(range.first, range.count); }
};

/// Adds to `problems` each name made twice and each name used that nothing makes.
ValueTable resolve_values(const GraphDef& graph, Problems& problems);

/// Indices of nodes in an order in which every value is made before it is read: the file's own where it will do. Cycles are added to
/// `problems` (then the order is not complete).
std::vector<std::uint32_t> order_nodes(const GraphDef& graph, const ValueTable& values, Problems& problems);

/// "node 'conv1' (Conv)"; nodes without a name go by their place in the file.
std::string place_of(const GraphDef& graph, std::size_t node);

}  // namespace lazyfx::onnx
