#pragma once

#include "lazyfx/ops/operator.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx::ops {

/// What getitem(whole, index) picks of a list or tuple (a negative index counts from its end) or of a dict. `of_operator`: an operator gave
/// `whole`. Unless that is a list, which is one value, it stands for the tuple of the operator's outputs; those are counted from 0 only, since no
/// more are made than are asked for. Throws Error(invalid_graph) for what has no items, and
/// Error(invalid_argument) for an item that there is not.
Value item_of(const Value& whole, const Value& index, bool of_operator);

/// True for an operator with one output that may be a list: then getitem takes its items, and asks for no further outputs.
bool may_give_list(const Operator& op) noexcept;

}  // namespace lazyfx::ops
