#include "lazyfx/ops/primitive.hpp"

#include <array>
#include <limits>
#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

struct ScalarOpInfo {
  const char* name;
  std::size_t operands;
};

// In the order of the enumeration.
constexpr std::array infos{
    ScalarOpInfo{"copy", 1},        ScalarOpInfo{"neg", 1},           ScalarOpInfo{"abs", 1},        ScalarOpInfo{"sign", 1},
    ScalarOpInfo{"exp", 1},         ScalarOpInfo{"log", 1},           ScalarOpInfo{"sqrt", 1},       ScalarOpInfo{"reciprocal", 1},
    ScalarOpInfo{"floor", 1},       ScalarOpInfo{"ceil", 1},          ScalarOpInfo{"round_even", 1}, ScalarOpInfo{"tanh", 1},
    ScalarOpInfo{"sigmoid", 1},     ScalarOpInfo{"erf", 1},           ScalarOpInfo{"softplus", 1},   ScalarOpInfo{"softsign", 1},
    ScalarOpInfo{"sin", 1},         ScalarOpInfo{"cos", 1},           ScalarOpInfo{"tan", 1},        ScalarOpInfo{"asin", 1},
    ScalarOpInfo{"acos", 1},        ScalarOpInfo{"atan", 1},          ScalarOpInfo{"sinh", 1},       ScalarOpInfo{"cosh", 1},
    ScalarOpInfo{"asinh", 1},       ScalarOpInfo{"acosh", 1},         ScalarOpInfo{"atanh", 1},      ScalarOpInfo{"logical_not", 1},
    ScalarOpInfo{"is_nan", 1},      ScalarOpInfo{"bit_not", 1},       ScalarOpInfo{"cast", 1},       ScalarOpInfo{"add", 2},
    ScalarOpInfo{"sub", 2},         ScalarOpInfo{"mul", 2},           ScalarOpInfo{"div", 2},        ScalarOpInfo{"min", 2},
    ScalarOpInfo{"max", 2},         ScalarOpInfo{"pow", 2},           ScalarOpInfo{"fmod", 2},       ScalarOpInfo{"floor_mod", 2},
    ScalarOpInfo{"prelu", 2},       ScalarOpInfo{"logical_and", 2},   ScalarOpInfo{"logical_or", 2}, ScalarOpInfo{"logical_xor", 2},
    ScalarOpInfo{"bit_and", 2},     ScalarOpInfo{"bit_or", 2},        ScalarOpInfo{"bit_xor", 2},    ScalarOpInfo{"shift_left", 2},
    ScalarOpInfo{"shift_right", 2}, ScalarOpInfo{"equal", 2},         ScalarOpInfo{"less", 2},       ScalarOpInfo{"less_equal", 2},
    ScalarOpInfo{"greater", 2},     ScalarOpInfo{"greater_equal", 2}, ScalarOpInfo{"select", 3},     ScalarOpInfo{"multiply_add", 3},
    ScalarOpInfo{"clip", 3},
};
static_assert(infos.size() == static_cast<std::size_t>(ScalarOp::clip) + 1);

std::uint16_t register_number(std::size_t n) {
  if (n > std::numeric_limits<std::uint16_t>::max()) {
    throw Error(ErrorKind::resource, "a scalar program needs more than 65536 registers");
  }
  return static_cast<std::uint16_t>(n);
}

template <class T>
T saturate(double value) {
  using Limits = std::numeric_limits<T>;
  if (!(value > static_cast<double>(Limits::min()))) return value != value ? T{0} : Limits::min();
  return value >= static_cast<double>(Limits::max()) ? Limits::max() : static_cast<T>(value);
}

}  // namespace

const char* to_string(ScalarOp op) noexcept { return infos[static_cast<std::size_t>(op)].name; }
std::size_t operand_count(ScalarOp op) noexcept { return infos[static_cast<std::size_t>(op)].operands; }

std::uint16_t ScalarProgram::add_constant(DType dtype, double value) {
  // Instructions name registers by number, so a constant that came after one would renumber it.
  if (!code.empty()) throw Error(ErrorKind::invalid_argument, "constants of a scalar program come before its instructions");
  const std::uint16_t number = register_number(inputs.size() + constants.size());
  Constant constant;
  constant.dtype = dtype;
  if (is_floating(dtype)) {
    constant.real = value;
  } else if (dtype == DType::boolean) {
    constant.integer = value != 0 ? 1 : 0;
  } else if (dtype == DType::u64) {
    constant.integer = static_cast<std::int64_t>(saturate<std::uint64_t>(value));
  } else {
    constant.integer = saturate<std::int64_t>(value);
  }
  constants.push_back(constant);
  return number;
}

std::uint16_t ScalarProgram::add(ScalarOp op, DType dtype, std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  const std::uint16_t number = register_number(inputs.size() + constants.size() + code.size());
  code.push_back({op, dtype, a, b, c});
  return number;
}

DType ScalarProgram::dtype_of_register(std::uint16_t r) const {
  std::size_t i = r;
  if (i < inputs.size()) return inputs[i];
  i -= inputs.size();
  if (i < constants.size()) return constants[i].dtype;
  i -= constants.size();
  if (i < code.size()) return code[i].dtype;
  throw Error(ErrorKind::invalid_argument, "register " + std::to_string(r) + " of a scalar program is not defined");
}

const char* name_of(const Primitive& primitive) noexcept {
  constexpr std::array names{"elementwise", "reduce", "softmax", "matmul", "convolution", "pool", "transfer", "resize", "gather"};
  static_assert(names.size() == std::variant_size_v<Primitive>);
  return primitive.valueless_by_exception() ? "none" : names[primitive.index()];
}

}  // namespace lazyfx
