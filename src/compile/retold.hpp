#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compile/failure.hpp"
#include "compile/source.hpp"

namespace lazyfx::compile {

/// Where in the graph that was compiled an error lies, beside what it says for people.
struct ErrorPlace {
  static void set(CompileError& error, const NodeView& node);
  static const void* get(const CompileError& error);
  /// The same error about an equal node of another graph. REQUIRES: it is no submodule's.
  static CompileError retold(const CompileError& error, const NodeView& node, std::size_t line);
};

/// Why one source did not compile, told in the names of others of equal content. Holds the source by reference.
class Retold {
 public:
  /// Linear in the source if the failure is about a node.
  Retold(const Failure& failure, const Source& compiled) noexcept;
  /// `other` has equal content. Where there is no memory for it, as it was.
  Failure to(const Source& other) const noexcept;

 private:
  bool find(const Source& source, const void* at);

  const Failure& failure_;
  const Source& compiled_;
  std::vector<std::string> path_;  ///< of the subgraph, from the outermost
  std::optional<NodeId> node_;     ///< none: it is about no node
};

}  // namespace lazyfx::compile
