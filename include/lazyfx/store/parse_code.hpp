// Stability: stable; follows the forms of graph/code.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lazyfx/error.hpp"
#include "lazyfx/export.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/module/module.hpp"

namespace lazyfx {

/// What is wrong with a text of code, and where: one-based, columns in bytes.
class LAZYFX_API CodeError : public Error {
 public:
  CodeError(std::size_t line, std::size_t column, const std::string& what);
  std::size_t line() const noexcept { return line_; }
  std::size_t column() const noexcept { return column_; }

 private:
  std::size_t line_, column_;
};

struct ParsedCode {
  std::shared_ptr<Graph> graph;
  std::string class_name;  ///< empty when the text has none
  std::shared_ptr<Container> root;  ///< what a module of the graph is made with: holds the Subgraphs at their paths, and nothing else
};

/// Finds a tensor by the digest that stands for its elements in the text; undefined when there is none.
using FindTensor = std::function<Tensor(std::uint64_t digest)>;

/// Reads what render_code wrote (see graph/code.hpp) back to the same graph: opcodes, names, targets, arguments bit for bit, types, metadata,
/// and order, and likewise for each subgraph. All kinds of metadata that there are can stand in a text, as they can in an archive.
/// Ids are given out anew in the order of the text, which only archives keep; what the text does not show (sizes of dimensions that also have
/// a name, placeholders between other nodes, the output's name, tensors and modules that are members of `self`) is not restored. Blank lines
/// and lines that begin with # are skipped; after a node, # begins its metadata.
/// The caller owns all of it. Any thread; linear in the text, with nesting limited to Argument::max_depth for arguments, Value::max_depth for
/// metadata and 1000 names for the path of a subgraph. Throws CodeError for any other text.
LAZYFX_API ParsedCode parse_code(std::string_view text, const FindTensor& find_tensor = {});

}  // namespace lazyfx
