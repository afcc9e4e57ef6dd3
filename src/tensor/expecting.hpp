#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::detail {

/// Tensor::wrap for elements that were saved with this digest. The first call of digest(), which every compile makes, compares and throws
/// Error(invalid_model) naming `origin` when they differ: a mapped file need not be read before its weights are used.
Tensor wrap_expecting(std::uint64_t digest, std::string origin, DType dtype, const Shape& shape, const void* data,
                      std::shared_ptr<const void> owner);

}  // namespace lazyfx::detail
