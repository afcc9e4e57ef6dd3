#include "ops/support/lower.hpp"

#include <algorithm>
#include <utility>

#include "ops/support/elements.hpp"

namespace lazyfx::ops {
namespace {

bool gives_boolean(ScalarOp op) {
  switch (op) {
    case ScalarOp::logical_not:
    case ScalarOp::is_nan:
    case ScalarOp::logical_and:
    case ScalarOp::logical_or:
    case ScalarOp::logical_xor:
    case ScalarOp::equal:
    case ScalarOp::less:
    case ScalarOp::less_equal:
    case ScalarOp::greater:
    case ScalarOp::greater_equal: return true;
    default: return false;
  }
}

DType result_of(ScalarOp op, DType operand) { return gives_boolean(op) ? DType::boolean : operand; }

}  // namespace

Body::Body(std::vector<DType> inputs) { program_.inputs = std::move(inputs); }

Scalar Body::constant(DType dtype, double value) {
  ScalarProgram::Constant wanted{dtype, value, is_floating(dtype) ? 0 : static_cast<std::int64_t>(value)};
  if (!is_floating(dtype)) wanted.real = 0;
  auto& constants = program_.constants;
  const auto found = std::find(constants.begin(), constants.end(), wanted);
  const auto index = static_cast<std::uint32_t>(found - constants.begin());
  if (found == constants.end()) constants.push_back(wanted);
  return {this, constant_base + index, dtype};
}

Scalar Body::apply(ScalarOp op, DType dtype, Scalar a, Scalar b, Scalar c) {
  steps_.push_back({op, dtype, a.id, b.id, c.id});
  return {this, instruction_base + static_cast<std::uint32_t>(steps_.size() - 1), dtype};
}

ScalarProgram Body::finish(Scalar result) {
  const bool is_last = !steps_.empty() && result.id == instruction_base + steps_.size() - 1;
  if (!is_last) apply(ScalarOp::copy, result.dtype, result, {}, {});
  const auto constants = static_cast<std::uint32_t>(program_.inputs.size());
  const auto instructions = constants + static_cast<std::uint32_t>(program_.constants.size());
  const auto position = [&](std::uint32_t id) {
    if (id >= instruction_base) return static_cast<std::uint16_t>(id - instruction_base + instructions);
    if (id >= constant_base) return static_cast<std::uint16_t>(id - constant_base + constants);
    return static_cast<std::uint16_t>(id);
  };
  for (const Step& s : steps_) program_.code.push_back({s.op, s.dtype, position(s.a), position(s.b), position(s.c)});
  return std::move(program_);
}

Scalar apply(ScalarOp op, Scalar a) { return a.body->apply(op, result_of(op, a.dtype), a, {}, {}); }
Scalar apply(ScalarOp op, Scalar a, Scalar b) { return a.body->apply(op, result_of(op, a.dtype), a, b, {}); }
Scalar apply(ScalarOp op, Scalar a, double b) { return apply(op, a, a.body->constant(a.dtype, b)); }
Scalar cast(Scalar a, DType dtype) { return a.dtype == dtype ? a : a.body->apply(ScalarOp::cast, dtype, a, {}, {}); }

Scalar select(Scalar condition, Scalar a, Scalar b) { return a.body->apply(ScalarOp::select, a.dtype, condition, a, b); }
Scalar select(Scalar condition, Scalar a, double b) { return select(condition, a, a.body->constant(a.dtype, b)); }
Scalar select(Scalar condition, double a, Scalar b) { return select(condition, b.body->constant(b.dtype, a), b); }

Scalar clip(Scalar x, double low, double high) {
  return x.body->apply(ScalarOp::clip, x.dtype, x, x.body->constant(x.dtype, low), x.body->constant(x.dtype, high));
}

Scalar multiply_add(Scalar a, Scalar b, Scalar c) { return a.body->apply(ScalarOp::multiply_add, a.dtype, a, b, c); }
Scalar multiply_add(Scalar a, double b, double c) { return multiply_add(a, a.body->constant(a.dtype, b), a.body->constant(a.dtype, c)); }

bool inputs_are(LoweringContext& c, DTypeSet allowed) {
  for (std::size_t i = 0; i < c.input_count(); ++i) {
    if (c.has_input(i) && !allowed.contains(c.dtype(c.input(i)))) return false;
  }
  return true;
}

Lowering lower_unary(ScalarOp op, DTypeSet allowed) {
  return [op, allowed](LoweringContext& c) {
    if (!inputs_are(c, allowed)) return false;
    emit_elementwise(c, {c.input(0)}, c.output(0), [op](Body& b) { return apply(op, b.input(0)); });
    return true;
  };
}

Lowering lower_binary(ScalarOp op, DTypeSet allowed) {
  return [op, allowed](LoweringContext& c) {
    if (!inputs_are(c, allowed)) return false;
    emit_elementwise(c, {c.input(0), c.input(1)}, c.output(0), [op](Body& b) { return apply(op, b.input(0), b.input(1)); });
    return true;
  };
}

Lowering lower_alias() {
  return [](LoweringContext& c) {
    c.alias(c.input(0), c.output(0));
    return true;
  };
}

Lowering lower_unary_of(Scalar (*formula)(Scalar, const Attributes&)) {
  return [formula](LoweringContext& c) {
    if (!inputs_are(c, floats)) return false;
    emit_elementwise(c, {c.input(0)}, c.output(0), [&](Body& b) { return formula(b.input(0), c.attributes()); });
    return true;
  };
}

void emit_view(LoweringContext& c, ValueRef from, std::int64_t offset, const std::vector<std::int64_t>& strides, ValueRef out) {
  const Shape& shape = c.shape(out);
  const auto row_major = shape.row_major_strides();
  bool in_order = offset == 0 && shape.size() == c.shape(from).size();
  for (std::size_t i = 0; i < shape.rank(); ++i) in_order = in_order && (shape[i] <= 1 || strides[i] == row_major[i]);
  if (in_order) {
    c.alias(from, out);
    return;
  }
  primitive::Transfer::Region region;
  region.extent.assign(shape.begin(), shape.end());
  region.in_strides = strides;
  region.out_strides.assign(row_major.begin(), row_major.begin() + static_cast<std::ptrdiff_t>(shape.rank()));
  region.in_offset = offset;
  primitive::Transfer transfer;
  transfer.regions.push_back(std::move(region));
  c.emit(std::move(transfer), {from}, out);
}

void emit_reduce(LoweringContext& c, primitive::ReduceKind kind, ValueRef x, std::vector<std::size_t> axes, ValueRef out) {
  c.emit(primitive::Reduce{kind, std::move(axes)}, {x}, out);
}

ScalarProgram::Constant scalar_constant(const Tensor& value) {
  ScalarProgram::Constant constant{value.dtype(), 0, 0};
  if (is_floating(value.dtype())) {
    constant.real = real_of(value, "the constant");
  } else {
    constant.integer = static_cast<std::int64_t>(
        is_unsigned_integer(value.dtype()) ? read<std::uint64_t>(value).at(0) : static_cast<std::uint64_t>(int_of(value, "the constant")));
  }
  return constant;
}

Shape kept(const Shape& shape, std::span<const std::size_t> axes) {
  std::vector<std::int64_t> dims(shape.begin(), shape.end());
  for (const std::size_t axis : axes) dims[axis] = 1;
  return Shape(dims);
}

Shape channel_shape(std::int64_t channels, std::size_t rank) {
  std::vector<std::int64_t> dims(rank > 2 ? rank - 1 : 1, 1);
  dims[0] = channels;
  return Shape(dims);
}

}  // namespace lazyfx::ops
