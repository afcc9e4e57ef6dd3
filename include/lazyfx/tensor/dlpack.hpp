// Stability: stable.
#pragma once

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/tensor.hpp"

/// DLPack's own struct (https://dmlc.github.io/dlpack/latest/), only named here, so that this header and any dlpack.h can be
/// included together, in either order. Who has no dlpack.h finds a definition in lazyfx/tensor/dlpack_abi.hpp.
extern "C" struct DLManagedTensor;

namespace lazyfx {

/// Lends the elements of `tensor` to another library without copying, strides included. The result keeps them alive until
/// its `deleter` is called, once, by whoever ends up with it, on any thread. The elements stay shared with `tensor` and are
/// not to be written. Throws Error(invalid_argument) for an undefined tensor, Error(unsupported) for strings.
[[nodiscard]] LAZYFX_API DLManagedTensor* to_dlpack(const Tensor& tensor);

/// Takes over a tensor of another library without copying. Ownership passes with the call, also when it throws: `deleter` is
/// called once, on the thread that drops the last tensor or view of it, or before an error is thrown. Nobody may write to the
/// elements meanwhile; bytes of booleans are 0 or 1.
/// Throws Error(unsupported) for memory that is not on the CPU, vectors (lanes other than 1) and element types without a
/// DType; Error(invalid_argument) for a null or misaligned pointer, and for dimensions or strides that Shape and
/// Tensor::wrap refuse.
LAZYFX_API Tensor from_dlpack(DLManagedTensor* managed);

}  // namespace lazyfx
