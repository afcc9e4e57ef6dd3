#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

enum class Mode : std::uint8_t { constant, reflect, edge };

Mode mode_of(const Attributes& attributes) {
  const std::string mode = attributes.get_string("mode", "constant");
  if (mode == "constant") return Mode::constant;
  if (mode == "reflect") return Mode::reflect;
  if (mode == "edge") return Mode::edge;
  fail("attribute mode is \"" + mode + "\", which is none of constant, reflect, edge");
}

// Beyond every size that memory could hold, and small enough to add.
constexpr std::int64_t limit = std::int64_t{1} << 60;

/// What is added (or, if negative, cut off) before and after one axis.
struct Margin {
  std::int64_t begin, end;
};

std::vector<Margin> margins_of(const Sizes& pads, std::size_t rank) {
  if (pads.size() != 2 * rank) fail("there are " + std::to_string(pads.size()) + " pads for " + std::to_string(rank) + " dimensions");
  std::vector<Margin> margins;
  for (const std::int64_t p : pads) {
    if (p <= -limit || p >= limit) fail("a pad is " + std::to_string(p) + ", which is out of range");
  }
  for (std::size_t i = 0; i < rank; ++i) margins.push_back({pads[i], pads[i + rank]});
  return margins;
}

std::int64_t padded(std::int64_t size, Margin m, Mode mode) {
  const std::int64_t result = add(add(size, m.begin), m.end);
  if (result < 0)
    fail("pads of " + std::to_string(m.begin) + " and " + std::to_string(m.end) + " cut more than an axis of " + std::to_string(size));
  if (mode != Mode::constant && size == 0 && result != 0) fail("an axis without elements cannot be padded with its own");
  return result;
}

Shape padded(const Shape& shape, const std::vector<Margin>& margins, Mode mode) {
  Sizes dims;
  for (std::size_t i = 0; i < shape.rank(); ++i) dims.push_back(padded(shape[i], margins[i], mode));
  return Shape(dims);
}

std::vector<TensorType> pad_type(const TypeContext& c, bool from_inputs) {
  const TensorType& x = input(c, 0);
  const Mode mode = mode_of(c.attributes);
  if (from_inputs && has_input(c, 2)) require_same_dtype(c, 0, 2);
  const auto pads = from_inputs ? constant_ints(c, 1) : std::optional(c.attributes.get_ints("pads"));
  if (!x.dims) return {x};
  if (!pads) return {TensorType(x.dtype, unknown_dims(x.dims->size()))};
  const auto margins = margins_of(*pads, x.dims->size());
  Dims out;
  for (std::size_t i = 0; i < margins.size(); ++i) {
    const Dim& d = (*x.dims)[i];
    const bool stays = margins[i].begin == 0 && margins[i].end == 0;
    out.push_back(stays ? d : d.known() ? Dim(padded(d.size, margins[i], mode)) : Dim());
  }
  return {TensorType(x.dtype, out)};
}

/// The part of axis `i` that survives cutting: `count` elements from `from` in the input, at `to` in the output.
struct Overlap {
  std::int64_t from, to, count;
};

Overlap overlap(std::int64_t size, Margin m) {
  const std::int64_t from = std::clamp<std::int64_t>(-m.begin, 0, size);
  const std::int64_t end = std::clamp<std::int64_t>(m.end < 0 ? size + m.end : size, from, size);
  return {from, std::max<std::int64_t>(m.begin, 0), end - from};
}

/// Which input element stands at each place of a padded axis.
Sizes sources(std::int64_t size, Margin m, Mode mode) {
  Sizes indices;
  const std::int64_t period = std::max<std::int64_t>(1, 2 * (size - 1));
  for (std::int64_t i = 0; i < padded(size, m, mode); ++i) {
    std::int64_t at = i - m.begin;
    if (mode == Mode::edge) {
      at = std::clamp<std::int64_t>(at, 0, size - 1);
    } else {
      at = (at % period + period) % period;
      if (at >= size) at = period - at;
    }
    indices.push_back(at);
  }
  return indices;
}

Tensor padded_with(const Tensor& x, const std::vector<Margin>& margins, const Tensor& fill) {
  const Shape shape = padded(x.shape(), margins, Mode::constant);
  Tensor out = fill.defined() ? fill.reshape(Shape{}).expand(shape).clone() : Tensor::zeros(x.dtype(), shape);
  const auto strides = shape.row_major_strides();
  Tensor kept_part = x;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    const Overlap o = overlap(x.shape()[i], margins[i]);
    kept_part = kept_part.slice(i, o.from, o.count);
    offset += o.to * strides[i];
  }
  if (kept_part.size() != 0) copy_into(out, offset, {strides.data(), x.rank()}, kept_part);
  return out;
}

Tensor padded_with_own(Tensor x, const std::vector<Margin>& margins, Mode mode) {
  Tensor::empty(x.dtype(), padded(x.shape(), margins, mode));  // refuses what cannot be held before lists of its indices are made
  for (std::size_t axis = 0; axis < margins.size(); ++axis) {
    if (margins[axis].begin == 0 && margins[axis].end == 0) continue;
    x = take(x, axis, sources(x.shape()[axis], margins[axis], mode));
  }
  return x.contiguous();
}

Tensor pad(const Tensor& x, const Sizes& pads, Mode mode, const Tensor& fill) {
  const auto margins = margins_of(pads, x.rank());
  return mode == Mode::constant ? padded_with(x, margins, fill) : padded_with_own(x, margins, mode);
}

std::vector<Tensor> pad_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Tensor fill = argument(in, 2);
  if (fill.defined() && fill.size() != 1)
    fail("input 2 (constant_value) has shape " + to_string(fill.shape()) + " where a scalar is expected");
  return {pad(in[0], ints_of(in[1], "input 1 (pads)"), mode_of(attributes), fill)};
}

Tensor fill_attribute(DType dtype, const Attributes& attributes) {
  return write(dtype, Shape{}, std::vector<double>{attributes.get_float("value", 0)});
}

std::vector<Tensor> pad2_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return {pad(in[0], attributes.get_ints("pads"), mode_of(attributes), fill_attribute(in[0].dtype(), attributes))};
}

void emit_constant_pad(LoweringContext& c, const std::vector<Margin>& margins, const Tensor& fill) {
  const Shape from = c.shape(c.input(0));
  const auto in_strides = from.row_major_strides();
  const auto out_strides = c.shape(c.output(0)).row_major_strides();
  primitive::Transfer transfer;
  primitive::Transfer::Region region;
  for (std::size_t i = 0; i < from.rank(); ++i) {
    const Overlap o = overlap(from[i], margins[i]);
    region.extent.push_back(o.count);
    region.in_strides.push_back(in_strides[i]);
    region.out_strides.push_back(out_strides[i]);
    region.in_offset += o.from * in_strides[i];
    region.out_offset += o.to * out_strides[i];
  }
  transfer.regions.push_back(std::move(region));
  transfer.has_fill = true;
  transfer.fill = scalar_constant(fill);
  c.emit(std::move(transfer), {c.input(0)}, c.output(0));
}

/// Padding with own elements gathers along one axis after the other.
void emit_own_pad(LoweringContext& c, const std::vector<Margin>& margins, Mode mode) {
  ValueRef x = c.input(0);
  for (std::size_t axis = 0; axis < margins.size(); ++axis) {
    if (margins[axis].begin == 0 && margins[axis].end == 0) continue;
    const Shape from = c.shape(x);
    const Sizes indices = sources(from[axis], margins[axis], mode);
    Sizes dims(from.begin(), from.end());
    dims[axis] = static_cast<std::int64_t>(indices.size());
    const ValueRef next = c.temporary(c.dtype(x), Shape(dims));
    c.emit(primitive::Gather{axis}, {x, c.constant(ints_tensor(indices))}, next);
    x = next;
  }
  c.alias(x, c.output(0));
}

bool lower(LoweringContext& c, const Sizes& pads, const Tensor& fill) {
  const Shape from = c.shape(c.input(0));
  if (!fixed_size.contains(c.dtype(c.input(0))) || from.size() == 0 || c.shape(c.output(0)).size() == 0) return false;
  const Mode mode = mode_of(c.attributes());
  const auto margins = margins_of(pads, from.rank());
  if (mode == Mode::constant) {
    emit_constant_pad(c, margins, fill);
  } else if (c.shape(c.output(0)).size() > std::int64_t{1} << 40) {
    return false;  // more indices than a constant should hold
  } else {
    emit_own_pad(c, margins, mode);
  }
  return true;
}

bool lower_pad(LoweringContext& c) {
  const Tensor pads = c.constant_value(c.input(1));
  const Tensor fill = c.has_input(2) ? c.constant_value(c.input(2)) : Tensor::zeros(c.dtype(c.input(0)), Shape{});
  return pads.defined() && fill.defined() && lower(c, ints_of(pads, "input 1 (pads)"), fill);
}

bool lower_pad2(LoweringContext& c) {
  const DType dtype = c.dtype(c.input(0));
  return dtype != DType::string && lower(c, c.attributes().get_ints("pads"), fill_attribute(dtype, c.attributes()));
}

}  // namespace

void add_pad(OperatorRegistry& registry) {
  registry.add(onnx(
      "Pad", {11, 17}, schema({"data", "pads", "constant_value?"}, {"output"}, {text("mode", "constant")}),
      [](const TypeContext& c) { return pad_type(c, true); }, pad_kernel, lower_pad));
  registry.add(onnx(
      "Pad@2", {2, 10}, schema({"data"}, {"output"}, {text("mode", "constant"), required(integers("pads")), real("value", 0)}),
      [](const TypeContext& c) {
        input(c, 0, floats, "data");
        return pad_type(c, false);
      },
      pad2_kernel, lower_pad2));
}

}  // namespace lazyfx::ops
