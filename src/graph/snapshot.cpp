#include "lazyfx/graph/snapshot.hpp"

#include "graph/graph_impl.hpp"

namespace lazyfx {

Opcode NodeView::op() const noexcept { return record_->body->op; }
const std::string& NodeView::name() const noexcept { return record_->body->name; }
const std::string& NodeView::target() const noexcept { return *record_->body->target; }
const Arguments& NodeView::args() const noexcept { return record_->body->args; }
const Keywords& NodeView::kwargs() const noexcept { return record_->body->kwargs; }

const Argument* NodeView::kwarg(std::string_view key) const noexcept {
  for (const auto& entry : record_->body->kwargs) {
    if (entry.first == key) return &entry.second;
  }
  return nullptr;
}

const std::optional<TensorType>& NodeView::type() const noexcept { return record_->body->type ? *record_->body->type : detail::no_type; }
const Metadata& NodeView::meta() const noexcept { return record_->body->meta ? *record_->body->meta : detail::no_metadata; }

Snapshot::Snapshot() {
  static const auto empty = std::make_shared<const Impl>(detail::Picture{});
  impl_ = empty;
}

std::size_t Snapshot::size() const noexcept { return impl_->size; }
std::size_t Snapshot::id_limit() const noexcept { return impl_->limit; }
NodeView Snapshot::node(NodeId id) const noexcept { return {id, &impl_->row(id)}; }
Snapshot::Iterator Snapshot::begin() const noexcept { return {this, impl_->head}; }
Snapshot::Iterator Snapshot::end() const noexcept { return {this, no_node}; }

Snapshot::Iterator& Snapshot::Iterator::operator++() noexcept {
  id_ = snapshot_->impl_->row(id_).next;
  return *this;
}

}  // namespace lazyfx
