#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lazyfx/ops/primitive.hpp"
#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::kernels {

class Packing;

/// How a dense value lies in memory. Blocked layouts (nChw16c) measured no faster than channels-last with oneDNN 2.6 at AVX-512 and within
/// 3 percent at AVX2, and channels-last lets every other kernel treat a value as a plain array of permuted shape; see docs/decisions/.
enum class Layout : std::uint8_t {
  row_major,
  channels_last,  ///< N C spatial... stored as N spatial... C; rank 3 to 5
};

/// Type and place of one operand. `shape` is the logical shape (N C H W whatever the layout).
struct Operand {
  DType dtype = DType::f32;
  Shape shape;
  Layout layout = Layout::row_major;

  friend bool operator==(const Operand&, const Operand&) = default;
};

/// An elementwise tail that a kernel may apply to each element it writes: `body` over register 0 = the element, registers 1.. = `operands`
/// more inputs of the kernel (each of the output's shape and layout, or broadcastable to it).
struct Epilogue {
  ScalarProgram body;
  std::vector<Operand> operands;
};

/// What a kernel is asked to compute.
struct KernelRequest {
  const Primitive& primitive;
  std::vector<Operand> inputs;
  Operand output;
  std::span<const Tensor> constants;  ///< one per input; undefined when only a run knows it. Constant inputs need not be given to run().
  const Epilogue* epilogue = nullptr;
  Packing* packing = nullptr;  ///< null: packed constants are the kernel's own
};

/// One computation, ready to run: immutable, callable from any thread at once. Holds its packed constants, perhaps together with others.
class Kernel {
 public:
  virtual ~Kernel() = default;
  /// `inputs[i]` are the operands in the layouts asked for (nullptr for constants that were packed, see packs()), then the epilogue's operands;
  /// `output` is 64-byte aligned and padded; `scratch` has scratch_bytes(), 64-byte aligned. Does not allocate.
  /// Throws Error(invalid_argument) for values that cannot be right (a gather index), nothing else.
  virtual void run(const void* const* inputs, void* output, void* scratch) const = 0;
  virtual std::size_t scratch_bytes() const { return 0; }
  /// True if constant input `i` was packed for the kernel, so that run() never reads inputs[i].
  virtual bool packs(std::size_t) const { return false; }
  /// Bytes of packed constants and tables, shared ones too.
  virtual std::size_t resident_bytes() const { return 0; }
  /// True if the output may be the same memory as input `i` (same dtype, element for element).
  virtual bool in_place(std::size_t) const { return false; }
  /// "onednn brgconv:avx512_core", "elementwise avx3 mul,add": for traces.
  virtual std::string describe() const = 0;
};

/// The layouts a primitive likes best, before operands are placed: the compiler asks, then places operands and calls make_kernel.
struct LayoutPreference {
  std::vector<Layout> inputs;  ///< per input; meaningless for inputs that follow
  Layout output = Layout::row_major;
  bool follows =
      false;  ///< works on any layout, as long as all full-shape operands and the output share it (elementwise, pooling over channels_last ...)
};
LayoutPreference preferred_layouts(const Primitive& primitive, std::span<const Operand> inputs, const Operand& output,
                                   std::span<const Tensor> constants);

/// True if a kernel for `primitive` can apply `epilogue` itself more cheaply than a pass of its own.
bool supports_epilogue(const Primitive& primitive, const Operand& output, const Epilogue& epilogue);

/// Makes the fastest kernel known for the request on this processor (bounded by LAZYFX_MAX_ISA). Thread safe.
/// Throws Error(unsupported) if there is none for these dtypes or layouts, Error(backend) if a library refuses.
std::unique_ptr<Kernel> make_kernel(const KernelRequest& request);

/// The Transfer that rewrites a value of logical `shape` from one layout into the other. Its strides speak of memory: make its kernel for
/// operands marked row_major.
Primitive layout_change(const Shape& shape, Layout from, Layout to);

/// Cheap guess of one run on one core, in nanoseconds: flops over a rate, plus bytes over a rate.
double estimate_ns(const Primitive& primitive, std::span<const Operand> inputs, const Operand& output);

/// "avx3", "avx2", "ssse3"...: what kernels are made for here, after LAZYFX_MAX_ISA.
const char* isa_name();

/// Holds the calling thread's OpenMP thread count at one while it lives; oneDNN is built on OpenMP. Cheap when it is one already.
class SingleThreadScope {
 public:
  SingleThreadScope();
  ~SingleThreadScope();
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  int previous_;
};

}  // namespace lazyfx::kernels
