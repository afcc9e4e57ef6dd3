#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/kernel.hpp"

namespace lazyfx::kernels {

/// An epilogue as a sequence of operations, each applied to the result of the one before.
struct Tail {
  enum class Op : std::uint8_t {
    relu,    ///< x < 0 ? alpha * x : x
    clip,    ///< min(max(x, alpha), beta)
    linear,  ///< alpha * x + beta
    abs,
    sqrt,
    exp,
    tanh,
    sigmoid,
    square,
    swish,       ///< x * sigmoid(alpha * x)
    hard_swish,  ///< x * clip(x / 6 + 0.5, 0, 1)
    gelu,        ///< x * (1 + erf(x / sqrt(2))) / 2
    elu,         ///< x < 0 ? alpha * (exp(x) - 1) : x
    add,
    sub,
    mul,  ///< with an operand y: x + alpha * y, x - y, x * y
  };
  struct Step {
    Op op;
    float alpha = 0, beta = 0;
    std::size_t operand = 0;  ///< of the epilogue, for add, sub and mul

    bool binary() const noexcept { return op >= Op::add; }
  };
  std::vector<Step> steps;
};

/// Recognises chains of f32 activations, scalings and combinations with operands, each applied to what came before it: relu, clip,
/// sigmoid, tanh, swish, hard swish, GELU, ELU and so on. Nothing if the program is anything else.
std::optional<Tail> match_tail(const ScalarProgram& body);

/// True if an activation stands in it twice with different numbers. oneDNN (2.6.3, at every instruction set) applies the first's numbers to
/// both: Clip(0, 6) and later Clip(-1, 1), or LeakyRelu and later Relu, give wrong values.
bool repeats_with_other_numbers(const Tail& tail);

/// How an operand lies next to an output that a library writes.
enum class TailPlace : std::uint8_t { like_output, per_channel, single };
/// Nothing if the operand is none of these: of the output's shape and layout, one number per channel (axis 1), or one number.
std::optional<TailPlace> place_of(const Operand& operand, const Operand& output);

}  // namespace lazyfx::kernels
