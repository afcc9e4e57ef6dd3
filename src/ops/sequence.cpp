#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"
#include "ops/support/values.hpp"

namespace lazyfx::ops {
namespace {

using Values = std::vector<Value>;

// Sequences are lists of tensors. An optional is its element, or none.

/// Where a position counted from either end lies; with `end` one behind the last element is allowed.
std::size_t position(const Value& given, std::size_t size, bool end) {
  const std::int64_t at = int_of(given.as_tensor(), "the position");
  const auto n = static_cast<std::int64_t>(size);
  if (at < -n || at > n - (end ? 0 : 1))
    throw Error(ErrorKind::invalid_argument, "position " + std::to_string(at) + " is outside of a sequence of " + std::to_string(n));
  return static_cast<std::size_t>(at < 0 ? at + n : at);
}

bool given(const ValueContext& c, std::size_t i) { return i < c.inputs.size() && !c.inputs[i].is_none(); }

Values sequence_at(const ValueContext& c) {
  const auto& items = c.inputs[0].items();
  return {items[position(c.inputs[1], items.size(), false)]};
}

Values sequence_insert(const ValueContext& c) {
  Values items = c.inputs[0].items();
  const Value& added = c.inputs[1];
  static_cast<void>(added.as_tensor());
  if (!items.empty() && items[0].as_tensor().dtype() != added.as_tensor().dtype()) {
    fail(std::string("a tensor of ") + to_string(added.as_tensor().dtype()) + " does not fit into a sequence of " +
         to_string(items[0].as_tensor().dtype()));
  }
  const std::size_t at = given(c, 2) ? position(c.inputs[2], items.size(), true) : items.size();
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), added);
  return {Value::list(std::move(items))};
}

Values sequence_erase(const ValueContext& c) {
  Values items = c.inputs[0].items();
  if (items.empty()) throw Error(ErrorKind::invalid_argument, "there is nothing to erase from an empty sequence");
  const std::size_t at = given(c, 1) ? position(c.inputs[1], items.size(), false) : items.size() - 1;
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return {Value::list(std::move(items))};
}

/// The sizes of the parts: one each (then without the axis unless kept), all of one size but perhaps the last, or as listed.
Values split_to_sequence(const ValueContext& c) {
  const Tensor& x = c.inputs[0].as_tensor();
  const std::size_t axis = axis_in(c.attributes.get_int("axis", 0), x.rank());
  const std::int64_t size = x.shape()[axis];
  constexpr std::int64_t longest = 1 << 24;
  if (size > longest) unsupported("an axis of " + std::to_string(size) + " is too long to be split into a sequence");
  std::vector<std::int64_t> parts;
  const bool single = !given(c, 1);
  if (single) {
    parts.assign(static_cast<std::size_t>(size), 1);
  } else if (c.inputs[1].as_tensor().rank() == 0) {
    const std::int64_t part = int_of(c.inputs[1].as_tensor(), "input 1 (split)");
    if (part < 1) fail("input 1 (split) is " + std::to_string(part));
    for (std::int64_t left = size; left > 0; left -= part) parts.push_back(std::min(part, left));
  } else {
    parts = ints_of(c.inputs[1].as_tensor(), "input 1 (split)");
  }
  Values items;
  std::int64_t start = 0;
  for (const std::int64_t part : parts) {
    if (part < 0 || part > size - start) fail("the parts add up to more than the axis of " + std::to_string(size));
    const Tensor item = x.slice(axis, start, part).contiguous();
    items.emplace_back(single && c.attributes.get_int("keepdims", 1) == 0 ? without_axis(item, axis) : item);
    start += part;
  }
  if (start != size) fail("the parts add up to " + std::to_string(start) + " of an axis of " + std::to_string(size));
  return {Value::list(std::move(items))};
}

Values concat_from_sequence(const ValueContext& c) {
  const auto& items = c.inputs[0].items();
  if (items.empty()) throw Error(ErrorKind::invalid_argument, "an empty sequence has nothing to concatenate");
  const bool stacks = c.attributes.get_int("new_axis", 0) != 0;
  const std::size_t rank = items[0].as_tensor().rank();
  const std::size_t axis = axis_in(c.attributes.get_int("axis"), rank + (stacks ? 1 : 0));
  std::vector<Tensor> parts;
  for (const Value& v : items) {
    const Tensor& t = v.as_tensor();
    std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
    if (stacks && axis <= dims.size()) dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    parts.push_back(t.reshape(Shape(dims)));
  }
  return {joined(parts, axis)};
}

Values optional_get(const ValueContext& c) {
  if (c.inputs[0].is_none()) throw Error(ErrorKind::invalid_argument, "the optional is empty");
  return {c.inputs[0]};
}

}  // namespace

void add_sequence(OperatorRegistry& registry) {
  const auto add = [&](const char* type, Versions versions, Schema s, ValueKernel kernel) {
    registry.add(onnx_on_values(type, versions, std::move(s), std::move(kernel)));
  };
  add("SequenceEmpty", {11}, schema({}, {"output"}, {dtype("dtype")}), [](const ValueContext&) { return Values{Value::list({})}; });
  add("SequenceConstruct", {11}, schema({"inputs..."}, {"output_sequence"}),
      [](const ValueContext& c) { return Values{Value::list(Values(c.inputs.begin(), c.inputs.end()))}; });
  add("SequenceLength", {11}, schema({"input_sequence"}, {"length"}),
      [](const ValueContext& c) { return Values{Tensor::scalar(static_cast<std::int64_t>(c.inputs[0].items().size()))}; });
  add("SequenceAt", {11}, schema({"input_sequence", "position"}, {"tensor"}), sequence_at);
  add("SequenceInsert", {11}, schema({"input_sequence", "tensor", "position?"}, {"output_sequence"}), sequence_insert);
  add("SequenceErase", {11}, schema({"input_sequence", "position?"}, {"output_sequence"}), sequence_erase);
  add("SplitToSequence", {11}, schema({"input", "split?"}, {"output_sequence"}, {integer("axis", 0), integer("keepdims", 1)}),
      split_to_sequence);
  add("ConcatFromSequence", {11}, schema({"input_sequence"}, {"concat_result"}, {required(integer("axis")), integer("new_axis", 0)}),
      concat_from_sequence);
  add("Optional", {15}, schema({"input?"}, {"output"}), [](const ValueContext& c) { return Values{given(c, 0) ? c.inputs[0] : Value()}; });
  add("OptionalGetElement", {15}, schema({"input"}, {"output"}), optional_get);
  add("OptionalHasElement", {15}, schema({"input?"}, {"output"}),
      [](const ValueContext& c) { return Values{Tensor::scalar(given(c, 0))}; });
}

}  // namespace lazyfx::ops
