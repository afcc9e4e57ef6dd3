#pragma once

#include <string>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::cli {

/// Why `actual` is not `expected`, in one phrase; empty when it is. Floating elements may differ by absolute + relative * |expected|,
/// NaN equals NaN and an infinity itself; everything else must be equal.
std::string difference(const Tensor& actual, const Tensor& expected, double relative, double absolute);

}  // namespace lazyfx::cli
