#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "lazyfx/graph/argument.hpp"
#include "lazyfx/tensor/type.hpp"
#include "store/code_lexer.hpp"

namespace lazyfx::store {

using NodeNames = std::unordered_map<std::string, NodeId>;

/// Reads arguments and types as graph/code.hpp writes them.
class CodeArguments {
 public:
  CodeArguments(const NodeNames& names, const FindTensor& find_tensor) : names_(names), find_tensor_(find_tensor) {}
  Argument argument(CodeLexer& in) const { return argument(in, 0); }
  TensorType type(CodeLexer& in) const;
  /// "x, (1, 2), axis = 1)" with its closing bracket.
  std::pair<Arguments, Keywords> call(CodeLexer& in) const;
  NodeId node(CodeLexer& in, std::string_view name, std::size_t position) const;

 private:
  Argument argument(CodeLexer& in, unsigned depth) const;
  Argument word(CodeLexer& in, unsigned depth) const;
  Argument bracketed(CodeLexer& in, unsigned depth) const;
  Argument::Items items(CodeLexer& in, std::string_view close, unsigned depth, bool& trailing_comma) const;
  Tensor tensor(CodeLexer& in) const;

  const NodeNames& names_;
  const FindTensor& find_tensor_;
};

}  // namespace lazyfx::store
