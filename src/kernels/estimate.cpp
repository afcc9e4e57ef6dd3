#include <algorithm>
#include <type_traits>

#include "kernels/isa.hpp"
#include "kernels/kernel.hpp"

namespace lazyfx::kernels {
namespace {

// Order-of-magnitude rates of one core, for deciding where to run something, not for predicting it.
double flops_per_ns() {
  switch (isa()) {
    case Isa::avx512: return 120;
    case Isa::avx2: return 60;
    case Isa::sse4: return 15;
  }
  return 15;
}
constexpr double bytes_per_ns = 8;

double cost_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::log:
    case ScalarOp::tanh:
    case ScalarOp::sigmoid:
    case ScalarOp::erf:
    case ScalarOp::softplus: return 20;
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tan:
    case ScalarOp::asin:
    case ScalarOp::acos:
    case ScalarOp::atan:
    case ScalarOp::sinh:
    case ScalarOp::cosh:
    case ScalarOp::asinh:
    case ScalarOp::acosh:
    case ScalarOp::atanh:
    case ScalarOp::pow: return 60;
    case ScalarOp::div:
    case ScalarOp::sqrt:
    case ScalarOp::reciprocal:
    case ScalarOp::fmod:
    case ScalarOp::floor_mod: return 8;
    default: return 2;
  }
}

double flops_of(const Primitive& primitive, std::span<const Operand> inputs, const Operand& output) {
  const auto out = static_cast<double>(output.shape.size());
  return std::visit(
      [&](const auto& p) -> double {
        using P = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<P, primitive::Elementwise>) {
          double each = 0;
          for (const auto& instruction : p.body.code) each += cost_of(instruction.op);
          return each * out;
        } else if constexpr (std::is_same_v<P, primitive::Matmul>) {
          const Shape& a = inputs[0].shape;
          return a.rank() < 2 ? 0 : 2.0 * out * static_cast<double>(a[a.rank() - (p.transpose_a ? 2 : 1)]);
        } else if constexpr (std::is_same_v<P, primitive::Convolution>) {
          const Shape& w = inputs[1].shape;
          if (w.rank() == 0 || w[0] == 0) return 0;
          const double taps = static_cast<double>(w.size()) / static_cast<double>(w[0]);
          return 2.0 * taps * (p.transposed ? static_cast<double>(inputs[0].shape.size()) : out);
        } else if constexpr (std::is_same_v<P, primitive::Pool>) {
          double taps = 1;
          for (const auto k : p.kernel) taps *= static_cast<double>(k);
          return taps * out;
        } else if constexpr (std::is_same_v<P, primitive::Softmax>) {
          return 30 * out;
        } else if constexpr (std::is_same_v<P, primitive::Reduce>) {
          return inputs.empty() ? 0 : 2.0 * static_cast<double>(inputs[0].shape.size());
        } else if constexpr (std::is_same_v<P, primitive::Resize>) {
          return 10 * out;
        } else {
          return 0;
        }
      },
      primitive);
}

}  // namespace

double estimate_ns(const Primitive& primitive, std::span<const Operand> inputs, const Operand& output) {
  constexpr double per_call = 50;
  double bytes = static_cast<double>(output.shape.size()) * static_cast<double>(size_of(output.dtype));
  for (const Operand& operand : inputs) bytes += static_cast<double>(operand.shape.size()) * static_cast<double>(size_of(operand.dtype));
  return per_call + flops_of(primitive, inputs, output) / flops_per_ns() + bytes / bytes_per_ns;
}

}  // namespace lazyfx::kernels
