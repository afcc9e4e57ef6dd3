#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "lazyfx/graph/argument.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/tensor/type.hpp"
#include "store/code_lexer.hpp"

namespace lazyfx::store {

using NodeNames = std::unordered_map<std::string, NodeId>;

/// Reads arguments, types and metadata as graph/code.hpp writes them.
class CodeArguments {
 public:
  CodeArguments(const NodeNames& names, const FindTensor& find_tensor) : names_(names), find_tensor_(find_tensor) {}
  Argument argument(CodeLexer& in) const;
  TensorType type(CodeLexer& in) const;
  /// "x, (1, 2), axis = 1)" with its closing bracket.
  std::pair<Arguments, Keywords> call(CodeLexer& in) const;
  /// {"key": value}
  Metadata metadata(CodeLexer& in) const;
  NodeId node(CodeLexer& in, std::string_view name, std::size_t position) const;

 private:
  // Arguments and values are read alike: Kind is either.
  template <class Kind> Kind read(CodeLexer& in, unsigned depth) const;
  template <class Kind> Kind bracketed(CodeLexer& in, unsigned depth) const;
  template <class Kind> typename Kind::Items items(CodeLexer& in, std::string_view close, unsigned depth, bool& trailing_comma) const;
  template <class Kind> Kind word(CodeLexer& in) const;
  Argument slice(CodeLexer& in, unsigned depth) const;
  Tensor tensor(CodeLexer& in) const;

  const NodeNames& names_;
  const FindTensor& find_tensor_;
};

}  // namespace lazyfx::store
