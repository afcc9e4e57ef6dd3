#pragma once

#include <cstddef>

#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/shape.hpp"

namespace lazyfx {

/// The bytes that the elements of a tensor take. Throws Error(resource) if this machine does not have them.
std::size_t bytes_for(DType dtype, const Shape& shape);
[[noreturn]] void throw_no_memory(DType dtype, const Shape& shape);

}  // namespace lazyfx
