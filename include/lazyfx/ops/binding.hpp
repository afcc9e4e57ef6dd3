// Stability: experimental.
#pragma once

#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/argument.hpp"
#include "lazyfx/ops/operator.hpp"

namespace lazyfx {

/// One application of an operator, taken apart: what its graph arguments mean by its schema.
struct Application {
  /// Flattened inputs: a node, a constant tensor, a literal number, or none for an absent optional input.
  std::vector<Argument> inputs;
  Attributes attributes;
};

/// Binds args and kwargs to a schema: positional arguments and keyword arguments named like inputs become inputs (lists are spread into a
/// variadic one), other keywords become attributes, defaults are filled in. A literal number is left as it is: the caller turns it into a tensor with literal_tensor once the dtype beside it is known.
/// Throws Error(invalid_graph) in one sentence: unknown keyword, missing input or attribute, wrong kind.
LAZYFX_API Application bind(const Operator& op, const Arguments& args, const Keywords& kwargs);

/// Of the dtypes of tensors beside a literal, noted in their order, the one that it takes: the first, but no boolean if there is another
/// (a condition says nothing about the numbers it chooses between).
inline void note_beside(std::optional<DType>& beside, DType dtype) noexcept {
  if (!beside || *beside == DType::boolean) beside = dtype;
}

/// The tensor that a literal argument stands for beside a tensor of dtype `beside` (PyTorch's weak scalars).
LAZYFX_API Tensor literal_tensor(const Argument& literal, std::optional<DType> beside);

}  // namespace lazyfx
