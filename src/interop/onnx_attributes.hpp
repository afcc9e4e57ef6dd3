#pragma once

#include <string>

#include "lazyfx/graph/argument.hpp"
#include "lazyfx/ops/operator.hpp"
#include "onnx_model.hpp"
#include "onnx_tensor.hpp"
#include "problems.hpp"

namespace lazyfx::onnx {

/// The attributes of `node` as keyword arguments of the kinds that `op` takes. What is wrong goes to `problems`, each sentence beginning
/// with `place`; the result is then incomplete.
Keywords convert_attributes(const GraphDef& graph, const NodeDef& node, const std::string& place, const Operator& op, const std::byte* file,
                            TensorLoader& tensors, Problems& problems);

/// What an ONNX Constant node holds. Throws Error without naming the node, or Damage.
Tensor constant_of(const GraphDef& graph, const NodeDef& node, const std::byte* file, TensorLoader& tensors);

}  // namespace lazyfx::onnx
