#pragma once

#include <filesystem>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::cli {

/// Reads a NumPy array file, either order of elements, little-endian. Throws Error(invalid_model) that names the file; reads no more
/// than the file holds before it believes what the header says.
/// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
Tensor read_npy(const std::filesystem::path& file);

/// Writes version 1.0. bf16, which NumPy lacks, is written as f32; strings as UCS-4. Throws Error(invalid_argument) that names the file.
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace lazyfx::cli
