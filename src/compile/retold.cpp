#include "compile/retold.hpp"

#include <new>

namespace lazyfx::compile {

Retold::Retold(const Failure& failure, const Source& compiled) noexcept : failure_(failure), compiled_(compiled) {
  const auto error = std::dynamic_pointer_cast<const CompileError>(failure.error());
  if (!error || !error->submodule().empty() || ErrorPlace::get(*error) == nullptr) return;
  try {
    find(compiled, ErrorPlace::get(*error));
  } catch (const std::bad_alloc&) { node_.reset(); }
}

bool Retold::find(const Source& source, const void* at) {
  for (const NodeView node : source.graph) {
    if (&node.name() != at) continue;
    node_ = node.id();
    return true;
  }
  if (!source.subgraphs) return false;
  for (const auto& [path, subgraph] : *source.subgraphs) {
    path_.push_back(path);
    if (find(subgraph, at)) return true;
    path_.pop_back();
  }
  return false;
}

Failure Retold::to(const Source& other) const noexcept {
  if (!node_ || other.graph.is_same(compiled_.graph)) return failure_;
  const Source* source = &other;
  for (const auto& path : path_) source = &source->subgraphs->find(path)->second;
  const NodeView node = source->graph.node(*node_);
  const auto error = std::static_pointer_cast<const CompileError>(failure_.error());
  // Of equal content the code has equal lines, but for the one that names the class.
  const bool names_class = !other.class_name.empty(), named_class = !compiled_.class_name.empty();
  const bool is_outermost = path_.empty() && error->line() != 0;
  const std::size_t line = is_outermost ? error->line() + (names_class ? 1 : 0) - (named_class ? 1 : 0) : error->line();
  if (error->node() == node.name() && error->line() == line) return failure_;
  try {
    return Failure(std::make_shared<const CompileError>(ErrorPlace::retold(*error, node, line)));
  } catch (const std::bad_alloc&) { return failure_; }
}

}  // namespace lazyfx::compile
