#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "compile/program.hpp"
#include "compile/signature.hpp"
#include "compile/stop.hpp"
#include "kernels/kernel.hpp"
#include "lazyfx/ops/primitive.hpp"

namespace lazyfx::compile {

/// A program under one signature, said in primitives: every type known. What the passes between lowering and kernels work on.
/// Owned by one thread.
struct TypedGraph {
  using Index = std::uint32_t;
  static constexpr Index none = 0xffffffffU;

  struct Value {
    DType dtype = DType::f32;
    Shape shape;
    Tensor constant;             ///< defined: known now, row-major
    Tensor stored;               ///< defined: the bytes of a constant in `layout`, where that is not row-major
    Index alias_of = none;       ///< the row-major elements of another value under another shape
    std::int32_t input = -1;     ///< index among the call's inputs
    kernels::Layout layout = kernels::Layout::row_major;
  };
  /// An operator that has no primitives: its reference kernel, on tensors.
  struct Reference {
    OperatorPtr op;
    Attributes attributes;
  };
  struct Step {
    std::variant<Primitive, Reference> work;
    std::vector<Index> inputs;   ///< none for an absent input (Reference only)
    std::vector<Index> outputs;  ///< one for a primitive
    std::uint32_t node = 0;      ///< value number of the program's node, for messages
    std::optional<ScalarProgram> epilogue;  ///< over the first output's element; its operands follow `inputs`
    std::vector<Index> epilogue_inputs;
    bool keep = false;           ///< has an effect: stays though unused
    bool changes_layout = false; ///< its strides speak of memory, so its kernel is made for row-major operands

    const Primitive* primitive() const { return std::get_if<Primitive>(&work); }
    Primitive* primitive() { return std::get_if<Primitive>(&work); }
  };

  std::deque<Value> values;    ///< a deque: lowerings hold references to shapes while they add values
  std::vector<Step> steps;
  std::vector<Index> inputs;   ///< in the order of the call
  std::vector<Index> outputs;  ///< leaves of the result, in order of appearance

  /// Follows aliases to the value that has the memory.
  Index root(Index v) const {
    while (values[v].alias_of != none) v = values[v].alias_of;
    return v;
  }
  bool is_constant(Index v) const { return values[root(v)].constant.defined(); }
  Index add_value(DType dtype, const Shape& shape) {
    values.push_back({dtype, shape, {}, {}, none, -1, kernels::Layout::row_major});
    return static_cast<Index>(values.size() - 1);
  }
  Index add_constant(Tensor tensor) {
    const Index v = add_value(tensor.dtype(), tensor.shape());
    values[v].constant = std::move(tensor);
    return v;
  }
};

/// Thrown where a shape depends on a value that only a run makes: the program is then divided.
struct DependsOnValues {};

/// Types every node for one signature, folds what is constant, and lowers to primitives. Throws CompileError, DependsOnValues, Stopped.
TypedGraph lower(const Program& program, const Signature& signature, const StopToken& stop);

/// What is known of a step before a run.
enum class StepTyping : std::uint8_t {
  fixed,  ///< its result
  known,  ///< the type of its result
  host,   ///< that only the host can do it
  later,  ///< nothing, before the host has done others
};
/// Of every step of a program that lower() refuses for this signature. Throws CompileError, Stopped.
std::vector<StepTyping> type_steps(const Program& program, const Signature& signature, const StopToken& stop);

/// How many steps read each value (through aliases), plus one per appearance in the result.
std::vector<std::uint32_t> count_uses(const TypedGraph& graph);

/// Drops steps whose results nobody reads.
void eliminate_dead_steps(TypedGraph& graph);
/// Multiplications and additions by constants per output channel move into a convolution's weights and bias.
void fold_into_weights(TypedGraph& graph);
/// Elementwise chains become one program; what a kernel can apply while it writes becomes its epilogue.
void fuse_elementwise(TypedGraph& graph);
/// Chooses a layout per value and inserts the changes between those that differ.
void assign_layouts(TypedGraph& graph);

}  // namespace lazyfx::compile
