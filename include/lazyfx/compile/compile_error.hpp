// Stability: stable.
#pragma once

#include <memory>
#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/export.hpp"

namespace lazyfx {
namespace compile {
struct ErrorPlace;
}

/// Why a compile failed and where. Made once, shared read-only by every waiter, thrown on the thread that awaits.
/// `pass` is the step of the compile ("bind", "infer", "lower", "kernels"); `line` is the one-based line of the generated code, 0 if none.
/// Node and line are those of the module at submodule(), seen from the one that was called; where modules of equal content share a compile,
/// everyone hears of nodes of its own.
class LAZYFX_API CompileError : public Error {
 public:
  CompileError(ErrorKind kind, std::string op, std::string node, std::string pass, std::size_t line, const std::string& message);
  /// `error` as whoever calls the module at the dotted path `submodule` sees it.
  CompileError(const CompileError& error, std::string submodule);
  const std::string& op() const noexcept { return op_; }  ///< operator, "onnx::Conv"; empty if the fault is no node's
  const std::string& node() const noexcept { return node_; }  ///< node name
  const std::string& pass() const noexcept { return pass_; }
  std::size_t line() const noexcept { return line_; }
  const std::string& submodule() const noexcept { return submodule_; }  ///< dotted path; empty: the module that was called itself

 private:
  friend struct compile::ErrorPlace;
  std::string op_, node_, pass_, submodule_;
  std::size_t line_;
  const void* at_ = nullptr;  ///< the node in the graph that was compiled; only ever compared
};

}  // namespace lazyfx
