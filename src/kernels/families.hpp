#pragma once

#include <memory>

#include "kernels/kernel.hpp"

namespace lazyfx::kernels {

/// One maker per family of primitives. They fail as make_kernel does.
std::unique_ptr<Kernel> make_elementwise(const ScalarProgram& body, std::span<const Operand> inputs, const Operand& output);
std::unique_ptr<Kernel> make_reduce(const primitive::Reduce& reduce, const Operand& input, const Operand& output);
std::unique_ptr<Kernel> make_softmax(const primitive::Softmax& softmax, const Operand& input, const Operand& output);
std::unique_ptr<Kernel> make_pool(const primitive::Pool& pool, const Operand& input, const Operand& output);
std::unique_ptr<Kernel> make_transfer(const primitive::Transfer& transfer, std::span<const Operand> inputs, const Operand& output);
std::unique_ptr<Kernel> make_resize(const primitive::Resize& resize, const Operand& input, const Operand& output);
std::unique_ptr<Kernel> make_gather(const primitive::Gather& gather, std::span<const Operand> inputs, const Operand& output);
/// These set `applied` when the kernel applies the epilogue itself; otherwise the caller adds a pass for it.
std::unique_ptr<Kernel> make_convolution(const KernelRequest& request, bool& applied);
std::unique_ptr<Kernel> make_matmul(const KernelRequest& request, bool& applied);

/// Throws Error(invalid_argument) unless the number of operands is right.
void require_inputs(std::size_t given, std::size_t least, std::size_t most, const char* what);
/// Throws Error(unsupported): "softmax of i32".
[[noreturn]] void refuse_dtype(const char* what, DType dtype);

}  // namespace lazyfx::kernels
