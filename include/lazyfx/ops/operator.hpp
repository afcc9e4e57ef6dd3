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
#include "lazyfx/tensor/value.hpp"

namespace lazyfx {

class LoweringContext;

/// What an application does besides making its results. Passes fold, merge and drop only what is pure; `random` is dropped when unused
/// but never merged or folded; `mutating` and `io` stay where they are.
enum class Effect : std::uint8_t { pure, random, mutating, io };

/// One formal input or output.
struct Parameter {
  enum class Arity : std::uint8_t { single, optional, variadic, rest };  // the last one may be variadic: from one up, or rest: from none up
  std::string name;
  Arity arity = Arity::single;

  /// True for one that stands for any number of values.
  bool is_many() const noexcept { return arity == Arity::variadic || arity == Arity::rest; }
};

/// One attribute: its name, what it takes (as torch.fx keyword argument kinds; a graph by the path of the Subgraph that holds it), and its
/// default (none: required if `required`, else absent).
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

/// Which dtypes a type rule takes of each input, as it tells when it is asked (dtypes_taken): bit `d` for DType `d`; inputs that it does not
/// look at are absent.
using DTypesAsked = std::vector<std::pair<std::size_t, std::uint32_t>>;

/// What a type rule sees. Inputs that are absent are nullopt; `constants` holds the tensor of each input whose value is known before the
/// call (undefined otherwise), so that Reshape and its like can follow it.
struct TypeContext {
  std::span<const std::optional<TensorType>> inputs;
  std::span<const Tensor> constants;
  const Attributes& attributes;
  std::size_t output_count = 1;
  DTypesAsked* asked = nullptr;  ///< set: rules note here what they take, and dtypes do not matter
};

/// One type per output; a type without dims where the shape depends on values not known. Throws Error(invalid_graph) in one sentence
/// when the inputs cannot be right; the caller adds operator and node.
using TypeRule = std::function<std::vector<TensorType>(const TypeContext&)>;

/// Plain and obviously right. Absent inputs are undefined tensors; inputs may be strided. Returns one tensor per output.
/// Called from several threads at once. Exceptions reach whoever awaits the run, with operator and node named.
using ReferenceKernel =
    std::function<std::vector<Tensor>(std::span<const Tensor> inputs, const Attributes& attributes, std::size_t output_count)>;

/// A graph that an operator runs: a Subgraph, compiled with the graph that applies the operator. Takes the graph's inputs in order; gives what
/// its output node returns. Throws what running it throws.
using GraphCall = std::function<Value(std::span<const Value>)>;

/// What a ValueKernel sees of one application.
struct ValueContext {
  std::span<const Value> inputs;  ///< none for an absent one
  const Attributes& attributes;
  std::span<const GraphCall> graphs;  ///< of the schema's graph attributes, in its order
  std::size_t output_count = 1;
};

/// The kernel of an operator some of whose values are no tensors (sequences are lists, an empty optional is none), or that runs graphs.
/// Returns one value per output that is wanted. Called from several threads at once, like ReferenceKernel.
using ValueKernel = std::function<std::vector<Value>(const ValueContext&)>;

/// Says the application in primitives (see lowering.hpp); false if this application has no such form, and the reference kernel runs.
using Lowering = std::function<bool(LoweringContext&)>;

/// One operator, defined once: what call_function targets. Immutable; shared by registries and executables of any thread.
struct Operator {
  std::string
      name;  ///< "onnx::Conv", "my::op"; a meaning once shipped under a name never changes: a later one gets a suffix, "onnx::Softmax@1"
  int since_version = 1;  ///< first opset of its domain with this meaning
  int until_version = 0;  ///< last one; 0: still current
  Effect effect = Effect::pure;
  Schema schema;
  TypeRule type_rule;
  ReferenceKernel reference;
  Lowering lowering;  ///< may be empty
  /// Instead of a reference kernel; or beside one, for inputs that are no tensors. Empty for most.
  ValueKernel on_values = {};
};

using OperatorPtr = std::shared_ptr<const Operator>;

/// Runs the reference kernel after checking counts, adding the operator's name to what it throws (std::exception and anything else:
/// Error(user_code) unless it already is an Error).
LAZYFX_API std::vector<Tensor> run_reference(const Operator& op, std::span<const Tensor> inputs, const Attributes& attributes,
                                             std::size_t output_count);

/// The same for the value kernel.
LAZYFX_API std::vector<Value> run_on_values(const Operator& op, const ValueContext& context);

/// True when `op` is to run its value kernel on `inputs`: it has no other, or one of them is no tensor.
LAZYFX_API bool takes_values(const Operator& op, std::span<const Value> inputs) noexcept;

/// The dtypes that `op` takes of its input `i`, in the order of DType: all of them where its type rule says nothing of it.
LAZYFX_API std::vector<DType> dtypes_taken(const Operator& op, std::size_t i);

}  // namespace lazyfx
