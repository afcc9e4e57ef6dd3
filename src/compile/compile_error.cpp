#include "lazyfx/compile/compile_error.hpp"

#include "what.hpp"

namespace lazyfx {
namespace {
std::string describe(const std::string& op, const std::string& node, const std::string& pass, std::size_t line,
                     const std::string& message) {
  std::string text = "compile failed";
  if (!node.empty()) text += " at %" + node;
  if (!op.empty()) text += " (" + op + ")";
  if (line != 0) text += " on line " + std::to_string(line);
  if (!pass.empty()) text += " in pass " + pass;
  return text + ": " + message;
}
}  // namespace

CompileError::CompileError(ErrorKind kind, std::string op, std::string node, std::string pass, std::size_t line, const std::string& message)
    : Error(kind, describe(op, node, pass, line, message)),
      op_(std::move(op)),
      node_(std::move(node)),
      pass_(std::move(pass)),
      line_(line) {}

CompileError::CompileError(const CompileError& error, std::string submodule)
    : Error(error.kind(), "in submodule '" + submodule + "': " + what_of(error)),
      op_(error.op_),
      node_(error.node_),
      pass_(error.pass_),
      submodule_(std::move(submodule)),
      line_(error.line_) {}

}  // namespace lazyfx
