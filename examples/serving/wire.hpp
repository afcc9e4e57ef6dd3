#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/tensor/value.hpp>

/// How tensors travel: as JSON {"x": {"shape": [2, 3], "data": [...]}}, or raw, in row-major order. What cannot be read or written throws
/// lazyfx::Error with a sentence for the client.
namespace serving {

/// The values of a model's inputs, by name. Costs what the text is long, and memory for its tensors: a name that the model has not, or a list
/// too many, is refused where it begins.
std::vector<lazyfx::Value> inputs_of_json(const lazyfx::onnx::ImportedModel& ports, const std::string& text);
/// Of a model's only input, in the shape that it declares; one dimension may be left to the number of bytes.
std::vector<lazyfx::Value> inputs_of_bytes(const lazyfx::onnx::ImportedModel& ports, const std::string& bytes);

/// The outputs by name, the parts of one that is a tuple by their number. Elements that are not finite are null, since JSON has no word for them.
std::string json_of(const lazyfx::onnx::ImportedModel& ports, const lazyfx::Value& result);
lazyfx::Tensor first_tensor(const lazyfx::Value& result);
std::string bytes_of(const lazyfx::Tensor& tensor);
/// Of all tensors in it.
std::size_t byte_size(const lazyfx::Value& result);

}  // namespace serving
