// Stability: stable, but for lowering (experimental).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/ops/attributes.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/type.hpp"

namespace lazyfx {

class LoweringContext;

/// What an application does besides making its results. Passes fold, merge and drop only what is pure; `random` is dropped when unused
/// but never merged or folded; `mutating` and `io` stay where they are.
enum class Effect : std::uint8_t { pure, random, mutating, io };

/// One formal input or output.
struct Parameter {
  enum class Arity : std::uint8_t { single, optional, variadic };  // variadic: last, any number from one up
  std::string name;
  Arity arity = Arity::single;
};

/// One attribute: its name, what it takes (as torch.fx keyword argument kinds), and its default (none: required if `required`, else absent).
struct AttributeSpec {
  enum class Kind : std::uint8_t { integer, real, string, integers, reals, strings, tensor, dtype, graph };
  std::string name;
  Kind kind = Kind::integer;
  Argument default_value;
  bool required = false;
};

struct Schema {
  std::vector<Parameter> inputs;
  std::vector<Parameter> outputs;
  std::vector<AttributeSpec> attributes;
};

/// What a type rule sees. Inputs that are absent are nullopt; `constants` holds the tensor of each input whose value is known before the
/// call (undefined otherwise), so that Reshape and its like can follow it.
struct TypeContext {
  std::span<const std::optional<TensorType>> inputs;
  std::span<const Tensor> constants;
  const Attributes& attributes;
  std::size_t output_count = 1;
};

/// One type per output; a type without dims where the shape depends on values not known. Throws Error(invalid_graph) in one sentence
/// when the inputs cannot be right; the caller adds operator and node.
using TypeRule = std::function<std::vector<TensorType>(const TypeContext&)>;

/// Plain and obviously right. Absent inputs are undefined tensors; inputs may be strided. Returns one tensor per output.
/// Called from several threads at once. Exceptions reach whoever awaits the run, with operator and node named.
using ReferenceKernel = std::function<std::vector<Tensor>(std::span<const Tensor> inputs, const Attributes& attributes, std::size_t output_count)>;

/// Says the application in primitives (see lowering.hpp); false if this application has no such form, and the reference kernel runs.
using Lowering = std::function<bool(LoweringContext&)>;

/// One operator, defined once: what call_function targets. Immutable; shared by registries and executables of any thread.
struct Operator {
  std::string name;  ///< "onnx::Conv", "my::op"; a meaning once shipped under a name never changes: a later one gets a suffix, "onnx::Softmax@1"
  int since_version = 1;                  ///< first opset of its domain with this meaning
  int until_version = 0;                  ///< last one; 0: still current
  Effect effect = Effect::pure;
  Schema schema;
  TypeRule type_rule;
  ReferenceKernel reference;
  Lowering lowering;                      ///< may be empty
};

using OperatorPtr = std::shared_ptr<const Operator>;

/// Runs the reference kernel after checking counts, adding the operator's name to what it throws (std::exception and anything else:
/// Error(user_code) unless it already is an Error).
LAZYFX_API std::vector<Tensor> run_reference(const Operator& op, std::span<const Tensor> inputs, const Attributes& attributes,
                                             std::size_t output_count);

}  // namespace lazyfx
