#pragma once

#include <map>
#include <string>
#include <vector>

#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/tensor/shape.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx::cli {

/// Shapes that the user gave, by input name. Throws UsageError for what is not NAME=1x3x224x224; a scalar is NAME=scalar.
std::map<std::string, Shape> parse_shapes(const std::vector<std::string>& assignments);

/// Files that the user gave, by input name. Throws UsageError for what is not NAME=FILE and for a name given twice.
std::map<std::string, std::string> parse_files(const std::vector<std::string>& assignments);

/// One tensor per model input, in order. Files are read; other inputs get a fixed pseudo-random pattern, under the given shape or the
/// model's own with open dimensions chosen: those named like one already known take its size, others 1 in front (a batch), 224 in the last
/// two of four (an image), else 16 (a sequence). Throws Error(invalid_argument) for names that the model lacks and shapes that do not fit.
std::vector<Value> make_inputs(const onnx::ImportedModel& model, const std::map<std::string, std::string>& files,
                               const std::map<std::string, Shape>& shapes);

/// The pattern: the same elements for the same dtype and shape, always.
Tensor pattern(DType dtype, const Shape& shape);

/// Reads a .npy or .pb file by its ending. Throws Error(invalid_model) that names the file.
Tensor read_tensor(const std::string& file);

}  // namespace lazyfx::cli
