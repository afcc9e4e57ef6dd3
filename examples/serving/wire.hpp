#pragma once

#include <string>
#include <vector>

#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/tensor/value.hpp>

/// How tensors travel: as JSON {"x": {"shape": [2, 3], "data": [...]}}, of float32, float64, int32 or int64; or raw, float32 in row-major
/// order. What cannot be read throws lazyfx::Error with a sentence for the client.
namespace serving {

/// The values of a model's inputs, by name.
std::vector<lazyfx::Value> inputs_of_json(const lazyfx::onnx::ImportedModel& ports, const std::string& text);
/// Of a model's only input, in the shape that it declares; one dimension may be left to the number of bytes.
std::vector<lazyfx::Value> inputs_of_bytes(const lazyfx::onnx::ImportedModel& ports, const std::string& bytes);

/// The outputs by name. A model that was replaced since `ports` were looked at may have others: those go by their number. Elements that are
/// not finite are null, since JSON has no word for them.
std::string json_of(const lazyfx::onnx::ImportedModel& ports, const lazyfx::Value& result);
lazyfx::Tensor first_tensor(const lazyfx::Value& result);
std::string bytes_of(const lazyfx::Tensor& tensor);

}  // namespace serving
