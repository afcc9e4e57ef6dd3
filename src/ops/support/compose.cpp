#include "ops/support/compose.hpp"

#include <algorithm>
#include <utility>

#include "lazyfx/ops/binding.hpp"
#include "lazyfx/ops/lowering.hpp"
#include "ops/shipped.hpp"
#include "ops/support/elements.hpp"

namespace lazyfx::ops {
namespace {

OperatorPtr part(const std::string& type) {
  OperatorPtr op = find_shipped("onnx::" + type);
  if (op == nullptr) throw Error(ErrorKind::invalid_argument, "a composition applies onnx::" + type + ", which does not ship");
  return op;
}

/// Attributes in the form that kernels see; which inputs are there is said by position.
Attributes complete(const Operator& op, const Composer::Values& inputs, const Keywords& attributes) {
  Arguments args;
  for (const Composer::Value v : inputs) args.push_back(v == Composer::none ? Argument() : Argument(NodeId{0}));
  return lazyfx::bind(op, args, attributes).attributes;
}

class TensorComposer final : public Composer {
 public:
  TensorComposer(std::span<const Tensor> inputs, const Attributes& attributes, std::size_t output_count)
      : Composer(attributes, output_count) {
    for (const Tensor& t : inputs) inputs_.push_back(t.defined() ? constant(t) : none);
  }
  DType dtype(Value v) const override { return values_.at(v).dtype(); }
  Shape shape(Value v) const override { return values_.at(v).shape(); }
  Tensor known(Value v) const override { return values_.at(v); }
  Value constant(Tensor value) override {
    values_.push_back(std::move(value));
    return static_cast<Value>(values_.size() - 1);
  }
  void expect(std::int64_t) override {}
  using Composer::apply;
  Values apply(const std::string& type, const Values& inputs, const Keywords& attributes, std::size_t outputs) override {
    const OperatorPtr found = part(type);
    const Operator& op = *found;
    std::vector<Tensor> tensors;
    for (const Value v : inputs) tensors.push_back(v == none ? Tensor() : values_.at(v));
    Values results;
    for (Tensor& t : run_reference(op, tensors, complete(op, inputs, attributes), outputs)) results.push_back(constant(std::move(t)));
    return results;
  }

 private:
  std::vector<Tensor> values_;
};

/// Thrown where a part has no lowering; the whole then has none.
struct NotLowered {};

/// One application within a composition, as its lowering sees it: everything but attributes and operands is the whole's.
class PartContext final : public LoweringContext {
 public:
  PartContext(LoweringContext& whole, const Attributes& attributes, std::vector<std::optional<ValueRef>> inputs,
              std::vector<ValueRef> outputs)
      : whole_(whole), attributes_(attributes), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  const Attributes& attributes() const override { return attributes_; }
  std::size_t input_count() const override { return inputs_.size(); }
  bool has_input(std::size_t i) const override { return i < inputs_.size() && inputs_[i].has_value(); }
  ValueRef input(std::size_t i) const override {
    if (!has_input(i)) fail("input " + std::to_string(i) + " is missing");
    return *inputs_[i];
  }
  std::size_t output_count() const override { return outputs_.size(); }
  ValueRef output(std::size_t i) const override { return outputs_[i]; }
  DType dtype(ValueRef v) const override { return whole_.dtype(v); }
  const Shape& shape(ValueRef v) const override { return whole_.shape(v); }
  Tensor constant_value(ValueRef v) const override { return whole_.constant_value(v); }
  ValueRef temporary(DType dtype, const Shape& shape) override { return whole_.temporary(dtype, shape); }
  ValueRef constant(Tensor value) override { return whole_.constant(std::move(value)); }
  ValueRef reshape(ValueRef v, const Shape& shape) override { return whole_.reshape(v, shape); }
  void emit(Primitive primitive, std::vector<ValueRef> inputs, ValueRef out) override {
    whole_.emit(std::move(primitive), std::move(inputs), out);
  }
  void alias(ValueRef v, ValueRef out) override { whole_.alias(v, out); }

 private:
  LoweringContext& whole_;
  const Attributes& attributes_;
  std::vector<std::optional<ValueRef>> inputs_;
  std::vector<ValueRef> outputs_;
};

class LoweringComposer final : public Composer {
  // Unrolled further, planning costs more than the reference kernel.
  static constexpr std::int64_t most_applications = 4096;

 public:
  explicit LoweringComposer(LoweringContext& context) : Composer(context.attributes(), context.output_count()), context_(context) {
    for (std::size_t i = 0; i < context.input_count(); ++i) inputs_.push_back(context.has_input(i) ? add(context.input(i)) : none);
  }
  DType dtype(Value v) const override { return context_.dtype(values_.at(v)); }
  Shape shape(Value v) const override { return context_.shape(values_.at(v)); }
  Tensor known(Value v) const override { return context_.constant_value(values_.at(v)); }
  Value constant(Tensor value) override { return add(context_.constant(value.contiguous())); }
  void expect(std::int64_t applications) override {
    if (applications > most_applications) throw NotLowered{};
  }
  using Composer::apply;
  Values apply(const std::string& type, const Values& inputs, const Keywords& attributes, std::size_t outputs) override {
    const OperatorPtr found = part(type);
    const Operator& op = *found;
    const Attributes bound = complete(op, inputs, attributes);
    std::vector<std::optional<TensorType>> types(inputs.size());
    std::vector<Tensor> constants(inputs.size());
    std::vector<std::optional<ValueRef>> operands(inputs.size());
    bool all_known = true;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == none) continue;
      operands[i] = values_.at(inputs[i]);
      types[i] = TensorType(dtype(inputs[i]), shape(inputs[i]));
      constants[i] = known(inputs[i]);
      all_known = all_known && constants[i].defined();
    }
    Values results;
    if (all_known && op.effect == Effect::pure) {
      for (Tensor& t : run_reference(op, constants, bound, outputs)) results.push_back(constant(std::move(t)));
      return results;
    }
    std::vector<ValueRef> made;
    for (const TensorType& t : op.type_rule(TypeContext{types, constants, bound, outputs})) {
      if (!t.is_static() || t.dtype == DType::string) throw NotLowered{};
      made.push_back(context_.temporary(t.dtype, t.shape()));
    }
    PartContext context(context_, bound, std::move(operands), made);
    if (!op.lowering || op.effect != Effect::pure || !op.lowering(context)) throw NotLowered{};
    for (const ValueRef v : made) results.push_back(add(v));
    return results;
  }
  ValueRef ref(Value v) const { return values_.at(v); }

 private:
  Value add(ValueRef v) {
    values_.push_back(v);
    return static_cast<Value>(values_.size() - 1);
  }
  LoweringContext& context_;
  std::vector<ValueRef> values_;
};

}  // namespace

Composer::Value Composer::input(std::size_t i) const {
  if (!has_input(i)) fail("input " + std::to_string(i) + " is missing");
  return inputs_[i];
}

Composer::Value Composer::number(DType dtype, double value) { return constant(write(dtype, Shape{}, std::vector{value})); }

Composer::Value Composer::ints(const std::vector<std::int64_t>& values) { return constant(ints_tensor(values)); }

Composer::Value Composer::cast(Value v, DType to) { return dtype(v) == to ? v : apply("Cast", {v}, {{"to", to}}); }

Composer::Value Composer::reshape(Value v, const std::vector<std::int64_t>& dims) {
  return apply("Reshape", {v, ints(dims)}, {{"allowzero", 1}});
}

Operator composed(const std::string& type, Versions versions, Schema schema, TypeRule type_rule, Composition composition) {
  const ReferenceKernel kernel = [composition](std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
    TensorComposer composer(in, attributes, output_count);
    std::vector<Tensor> results;
    for (const Composer::Value v : composition(composer)) results.push_back(composer.known(v));
    return results;
  };
  const Lowering lowering = [composition](LoweringContext& c) {
    LoweringComposer composer(c);
    try {
      const Composer::Values results = composition(composer);
      for (std::size_t i = 0; i < results.size(); ++i) c.alias(composer.ref(results[i]), c.output(i));
    } catch (const NotLowered&) { return false; }
    return true;
  };
  return onnx(type, versions, std::move(schema), std::move(type_rule), kernel, lowering);
}

}  // namespace lazyfx::ops
