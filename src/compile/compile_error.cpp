#include "lazyfx/compile/compile_error.hpp"

#include <algorithm>

#include "compile/retold.hpp"
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

void compile::ErrorPlace::set(CompileError& error, const NodeView& node) { error.at_ = &node.name(); }
const void* compile::ErrorPlace::get(const CompileError& error) { return error.at_; }

CompileError compile::ErrorPlace::retold(const CompileError& error, const NodeView& node, std::size_t line) {
  const auto& e = error;
  const std::string said = e.what();
  const std::size_t before = describe(e.op_, e.node_, e.pass_, e.line_, "").size();
  CompileError told(e.kind(), e.op_, node.name(), e.pass_, line, said.substr(std::min(before, said.size())));
  set(told, node);
  return told;
}

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
      line_(error.line_),
      at_(error.at_) {}

}  // namespace lazyfx
