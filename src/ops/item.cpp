#include "ops/item.hpp"

#include <span>
#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx::ops {

Value item_of(const Value& whole, const Value& index, bool of_operator) {
  if (whole.is_dict()) return whole[index.as_string()];
  const bool has_items = whole.is_list() || whole.is_tuple();
  if (!has_items && !of_operator) {
    const std::string kind = whole.kind();
    throw Error(ErrorKind::invalid_graph, "items are taken of lists, tuples and dicts, not of a value of kind " + kind);
  }
  const std::span<const Value> items = has_items ? std::span<const Value>(whole.items()) : std::span<const Value>(&whole, 1);
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t i = index.as_int();
  if (i < 0 && of_operator && !whole.is_list()) {
    throw Error(ErrorKind::invalid_argument,
                "the outputs of an operator are counted from 0, not from their end: there is no item " + std::to_string(i));
  }
  if (i < -size || i >= size) {
    throw Error(ErrorKind::invalid_argument, "getitem: there is no item " + std::to_string(i) + " among " + std::to_string(size));
  }
  return items[static_cast<std::size_t>(i < 0 ? i + size : i)];
}

bool may_give_list(const Operator& op) noexcept {
  return op.on_values && op.schema.outputs.size() == 1 && !op.schema.outputs.back().is_many();
}

}  // namespace lazyfx::ops
