#pragma once

#include <vector>

#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/tensor/value.hpp>

#include "listener.hpp"

/// What a request says of tensors, and what it is answered.
namespace serving {

/// Of what is being caught: 400 for what cannot be right, 503 for what may succeed later.
Response refusal();

/// Its tensors travel as bytes (Content-Type: application/octet-stream), in both directions.
bool is_raw(const Request& request);
/// Throws what cannot be read.
std::vector<lazyfx::Value> inputs_of(const lazyfx::onnx::ImportedModel& ports, const Request& request);
/// All outputs as JSON, or the first one raw, its type and shape in X-DType and X-Shape; a refusal where it cannot be written.
Response answer_of(const lazyfx::onnx::ImportedModel& ports, const lazyfx::Value& result, bool raw);

}  // namespace serving
