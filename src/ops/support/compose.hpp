#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lazyfx/ops/operator.hpp"
#include "ops/support/definition.hpp"

namespace lazyfx::ops {

/// What an operator that others make up is written with: one text from which both its reference kernel and its lowering follow. The parts
/// are looked up by name, "Add" or "Squeeze@1", among the operators that ship. Shapes and dtypes of all values are known.
///
/// Example, |x|:
///
///     [](Composer& c) { return Composer::Values{c.apply("Max", {c.input(0), c.apply("Neg", {c.input(0)})})}; }
class Composer {
 public:
  /// A value of the composition; none stands for an absent optional input.
  using Value = std::uint32_t;
  using Values = std::vector<Value>;
  static constexpr Value none = 0xffffffffU;

  virtual ~Composer() = default;

  const Attributes& attributes() const { return attributes_; }
  bool has_input(std::size_t i) const { return i < inputs_.size() && inputs_[i] != none; }
  /// Input `i`; fails when it is absent.
  Value input(std::size_t i) const;
  std::size_t output_count() const { return output_count_; }

  virtual DType dtype(Value v) const = 0;
  virtual Shape shape(Value v) const = 0;
  /// The value, if it is known now: always in a run of the reference kernel, for constants in a lowering.
  virtual Tensor known(Value v) const = 0;

  virtual Value constant(Tensor value) = 0;
  /// A scalar of `dtype`.
  Value number(DType dtype, double value);
  Value ints(const std::vector<std::int64_t>& values);

  /// Announces about how many applications follow where that depends on sizes: a lowering gives up rather than unroll too many.
  virtual void expect(std::int64_t applications) = 0;
  virtual Values apply(const std::string& type, const Values& inputs, const Keywords& attributes, std::size_t outputs) = 0;
  Value apply(const std::string& type, const Values& inputs, const Keywords& attributes = {}) {
    return apply(type, inputs, attributes, 1).front();
  }

  // What compositions say most.
  Value cast(Value v, DType to);
  Value reshape(Value v, const std::vector<std::int64_t>& dims);
  /// Elements [first, last) of one axis.
  Value slice(Value v, std::int64_t axis, std::int64_t first, std::int64_t last) {
    return apply("Slice", {v, ints({first}), ints({last}), ints({axis})});
  }
  Value transpose(Value v, const std::vector<std::int64_t>& permutation) {
    return apply("Transpose", {v}, {{"perm", Argument::ints(permutation)}});
  }
  Value concat(const Values& values, std::int64_t axis) { return apply("Concat", values, {{"axis", axis}}); }
  Value squeeze(Value v, std::int64_t axis) { return apply("Squeeze", {v, ints({axis})}); }
  Value unsqueeze(Value v, std::int64_t axis) { return apply("Unsqueeze", {v, ints({axis})}); }

 protected:
  Composer(const Attributes& attributes, std::size_t output_count) : attributes_(attributes), output_count_(output_count) {}
  const Attributes& attributes_;
  Values inputs_;
  std::size_t output_count_;
};

/// Gives one value per output that is wanted.
using Composition = std::function<Composer::Values(Composer&)>;
/// A pure operator whose kernel and lowering are `composition`. It is lowered where all of its parts are, else the reference kernel runs.
Operator composed(const std::string& type, Versions versions, Schema schema, TypeRule type_rule, Composition composition);

}  // namespace lazyfx::ops
