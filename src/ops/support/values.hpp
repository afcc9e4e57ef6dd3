#pragma once

#include <cstdint>
#include <vector>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::ops {

/// What operators on sequences and loops are written with. Strings are taken too.

/// The tensors one behind the other on `axis`. Throws Error(invalid_graph) when they do not fit. REQUIRES: not empty.
Tensor joined(const std::vector<Tensor>& parts, std::size_t axis);
/// The same elements without an axis that has one.
Tensor without_axis(const Tensor& t, std::size_t axis);
/// The first axis made `size` long, with zeros (or empty strings) behind.
Tensor filled(const Tensor& t, std::int64_t size);

}  // namespace lazyfx::ops
