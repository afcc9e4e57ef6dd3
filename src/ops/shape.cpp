#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

/// What Reshape makes of `from` for the sizes asked: 0 copies a dimension (unless it may stand for itself), -1 is what is left.
Dims reshaped(const Dims& from, const Sizes& wanted, bool zero_is_zero) {
  Dims out;
  std::optional<std::size_t> open;
  Dims left = from;  // what the open dimension has to account for, copied ones struck out
  Dim named = 1;     // product of the sizes given as numbers
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == -1) {
      if (open) fail("more than one dimension of the shape is -1");
      open = i;
      out.emplace_back();
    } else if (wanted[i] == 0 && !zero_is_zero) {
      if (i >= from.size()) fail("dimension " + std::to_string(i) + " of the shape is 0, but there is none to copy");
      out.push_back(from[i]);
      left[i] = 1;
    } else if (wanted[i] < 0) {
      fail("dimension " + std::to_string(i) + " of the shape is " + std::to_string(wanted[i]));
    } else {
      out.emplace_back(wanted[i]);
      named = multiply(named, Dim(wanted[i]));
    }
  }
  const Dim rest = product(left, 0, left.size());
  const auto mismatch = [&] {
    fail("a tensor of shape " + describe(from) + " cannot be reshaped to " + describe(Dims(wanted.begin(), wanted.end())));
  };
  if (!open) {
    if (rest.known() && rest != named) mismatch();
    return out;
  }
  if (rest.known()) {
    if (named.size == 0 ? rest.size != 0 : rest.size % named.size != 0) mismatch();
    // Nothing times anything is nothing: a zero already copied settles the size, and ONNX Runtime gives zero for the open one.
    out[*open] = named.size == 0 ? Dim(0) : Dim(rest.size / named.size);
    return out;
  }
  // One unknown dimension among known ones that cancel out is itself what is left.
  Dim known = 1;
  const Dim* unknown = nullptr;
  for (const Dim& d : left) {
    if (d.known()) {
      known = multiply(known, d);
    } else if (unknown != nullptr) {
      return out;
    } else {
      unknown = &d;
    }
  }
  if (unknown != nullptr && known == named) out[*open] = *unknown;
  return out;
}

bool zero_is_zero(const Attributes& attributes) { return attributes.get_int("allowzero", 0) != 0; }

std::vector<TensorType> reshape_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& shape = input(c, 1, index_dtypes, "shape");
  if (const auto wanted = constant_ints(c, 1)) {
    if (x.dims) return {TensorType(x.dtype, reshaped(*x.dims, *wanted, zero_is_zero(c.attributes)))};
    Dims dims;
    for (const std::int64_t d : *wanted) dims.push_back(d > 0 ? Dim(d) : Dim());
    return {TensorType(x.dtype, dims)};
  }
  if (shape.dims && shape.dims->size() != 1)
    fail("input 1 (shape) has " + std::to_string(shape.dims->size()) + " dimensions where one is expected");
  const bool rank_known = shape.dims && shape.dims->front().known();
  if (rank_known && shape.dims->front().size > static_cast<std::int64_t>(Shape::max_rank)) fail("the shape has too many dimensions");
  return {typed(x.dtype, rank_known ? std::optional(unknown_dims(static_cast<std::size_t>(shape.dims->front().size))) : std::nullopt)};
}

Dims dims_of(const Tensor& t) { return Dims(t.shape().begin(), t.shape().end()); }

/// The elements of `x` in order under new dims, all known.
std::vector<Tensor> under(const Tensor& x, const Dims& dims) { return {x.reshape(TensorType(x.dtype(), dims).shape())}; }

std::vector<Tensor> reshape_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return under(in[0], reshaped(dims_of(in[0]), ints_of(in[1], "input 1 (shape)"), zero_is_zero(attributes)));
}

Dims flattened(const Dims& dims, const Attributes& attributes) {
  const std::int64_t axis = attributes.get_int("axis", 1);
  const auto rank = static_cast<std::int64_t>(dims.size());
  if (axis < -rank || axis > rank) fail("axis " + std::to_string(axis) + " is outside of rank " + std::to_string(rank));
  const auto split = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  return {product(dims, 0, split), product(dims, split, dims.size())};
}

std::vector<TensorType> flatten_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  return {TensorType(x.dtype, x.dims ? flattened(*x.dims, c.attributes) : unknown_dims(2))};
}

std::vector<Tensor> flatten_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return under(in[0], flattened(dims_of(in[0]), attributes));
}

// Squeeze and Unsqueeze take their axes from an attribute until version 12 and from an input since.

using Edit = Dims (*)(const Dims& dims, const Sizes& axes);

Dims squeezed(const Dims& dims, const Sizes& axes) {
  const auto removed = axes_in(axes, dims.size());
  Dims out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (axes.empty() ? dims[i] == Dim(1) : std::binary_search(removed.begin(), removed.end(), i)) {
      if (dims[i].known() && dims[i].size != 1) fail("axis " + std::to_string(i) + " to squeeze has size " + std::to_string(dims[i].size));
    } else {
      out.push_back(dims[i]);
    }
  }
  return out;
}

Dims unsqueezed(const Dims& dims, const Sizes& axes) {
  const auto added = axes_in(axes, dims.size() + axes.size());
  Dims out;
  auto next = dims.begin();
  for (std::size_t i = 0; i < dims.size() + axes.size(); ++i) {
    out.push_back(std::binary_search(added.begin(), added.end(), i) ? Dim(1) : *next++);
  }
  return out;
}

/// Squeezing without axes removes what is 1, so the rank is open as long as one dimension is.
bool settles(Edit edit, const Dims& dims, const Sizes& axes) {
  return edit != squeezed || !axes.empty() || std::all_of(dims.begin(), dims.end(), [](const Dim& d) { return d.known(); });
}

Operator axes_edit(const std::string& type, Versions versions, Edit edit, bool from_input) {
  const bool optional = edit == squeezed;
  const auto axes_input = optional ? "axes?" : "axes";
  const AttributeSpec axes_attribute = optional ? integers("axes") : required(integers("axes"));
  Schema s = from_input ? schema({"data", axes_input}, {"result"}) : schema({"data"}, {"result"}, {axes_attribute});
  const TypeRule rule = [=](const TypeContext& c) -> std::vector<TensorType> {
    const TensorType& x = input(c, 0);
    const bool given = from_input && has_input(c, 1);
    const auto axes = given ? constant_ints(c, 1) : std::optional(c.attributes.get_ints("axes"));
    if (!axes || !x.dims || !settles(edit, *x.dims, *axes)) return {TensorType(x.dtype)};
    return {TensorType(x.dtype, edit(*x.dims, *axes))};
  };
  const ReferenceKernel kernel = [=](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
    const bool given = from_input && argument(in, 1).defined();
    return under(in[0], edit(dims_of(in[0]), given ? ints_of(in[1], "input 1 (axes)") : attributes.get_ints("axes")));
  };
  return onnx(type, versions, std::move(s), rule, kernel, lower_alias());
}

/// The part of the dims of `rank` axes that Shape gives, since version 15 with start and end.
std::pair<std::size_t, std::size_t> shape_range(const Attributes& attributes, std::size_t rank) {
  const auto n = static_cast<std::int64_t>(rank);
  const auto place = [n](std::int64_t at) { return static_cast<std::size_t>(std::clamp<std::int64_t>(at < 0 ? at + n : at, 0, n)); };
  const std::size_t first = place(attributes.get_int("start", 0));
  return {first, std::max(first, place(attributes.get_int("end", n)))};
}

std::vector<TensorType> shape_type(const TypeContext& c) {
  const auto& dims = input(c, 0).dims;
  if (!dims) return {TensorType(DType::i64, {Dim()})};
  const auto [first, last] = shape_range(c.attributes, dims->size());
  return {TensorType(DType::i64, {Dim(static_cast<std::int64_t>(last - first))})};
}

Tensor shape_of(const Shape& shape, const Attributes& attributes) {
  const auto [first, last] = shape_range(attributes, shape.rank());
  return ints_tensor(Sizes(shape.begin() + first, shape.begin() + last));
}

Tensor size_of_shape(const Shape& shape, const Attributes&) { return Tensor::scalar(shape.size()); }

/// An operator whose result follows from the shape of its input.
Operator from_shape(const char* type, Schema s, TypeRule rule, Tensor (*result)(const Shape&, const Attributes&)) {
  return onnx(
      type, {1}, std::move(s), std::move(rule),
      [result](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
        return std::vector{result(in[0].shape(), attributes)};
      },
      [result](LoweringContext& c) {
        c.alias(c.constant(result(c.shape(c.input(0)), c.attributes())), c.output(0));
        return true;
      });
}

std::vector<Tensor> identity_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) { return {in[0]}; }

// Dropout does nothing but in training, which is offered only where nothing is dropped. The mask says what was kept: everything.

void require_nothing_dropped(const Tensor& ratio, bool known, const Tensor& mode) {
  if (!mode.defined() || int_of(mode, "input 2 (training_mode)") == 0) return;
  if (known && (!ratio.defined() || real_of(ratio, "input 1 (ratio)") != 0))
    unsupported("training is not offered where elements are dropped, only inference");
}

std::vector<TensorType> dropout_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "data");
  require_nothing_dropped(constant(c, 1), !has_input(c, 1) || constant(c, 1).defined(), constant(c, 2));
  std::vector<TensorType> types{x};
  if (c.output_count > 1) types.push_back(typed(DType::boolean, x.dims));
  return types;
}

Tensor all_true(const Shape& shape) { return Tensor::scalar(true).expand(shape).contiguous(); }

std::vector<Tensor> dropout_kernel(std::span<const Tensor> in, const Attributes&, std::size_t output_count) {
  require_nothing_dropped(argument(in, 1), true, argument(in, 2));
  std::vector<Tensor> outputs{in[0]};
  if (output_count > 1) outputs.push_back(all_true(in[0].shape()));
  return outputs;
}

bool lower_dropout(LoweringContext& c) {
  if (c.has_input(2) && !c.constant_value(c.input(2)).defined()) return false;
  if (c.has_input(1) && !c.constant_value(c.input(1)).defined()) return false;
  c.alias(c.input(0), c.output(0));
  if (c.output_count() > 1) c.alias(c.constant(all_true(c.shape(c.input(0)))), c.output(1));
  return true;
}

}  // namespace

void add_shape(OperatorRegistry& registry) {
  // allowzero came with version 14, and start and end of Shape with 15; absent they change nothing.
  registry.add(onnx("Reshape", {5}, schema({"data", "shape"}, {"reshaped"}, {integer("allowzero", 0)}), reshape_type, reshape_kernel,
                    lower_alias()));
  registry.add(onnx("Flatten", {1}, schema({"input"}, {"output"}, {integer("axis", 1)}), flatten_type, flatten_kernel, lower_alias()));
  registry.add(axes_edit("Squeeze", {13}, squeezed, true));
  registry.add(axes_edit("Squeeze@1", {1, 12}, squeezed, false));
  registry.add(axes_edit("Unsqueeze", {13}, unsqueezed, true));
  registry.add(axes_edit("Unsqueeze@1", {1, 12}, unsqueezed, false));
  registry.add(from_shape("Shape", schema({"data"}, {"shape"}, {integer("start", 0), integer("end")}), shape_type, shape_of));
  registry.add(from_shape(
      "Size", schema({"data"}, {"size"}),
      [](const TypeContext& c) {
        input(c, 0);
        return std::vector{TensorType(DType::i64, Dims{})};
      },
      size_of_shape));
  Operator identity = onnx("Identity", {1}, schema({"input"}, {"output"}), same_as_input(any_dtype), identity_kernel, lower_alias());
  identity.on_values = [](const ValueContext& c) { return std::vector<Value>{c.inputs[0]}; };
  registry.add(std::move(identity));
  registry.add(onnx("Dropout", {12}, schema({"data", "ratio?", "training_mode?"}, {"output", "mask?"}, {integer("seed")}), dropout_type,
                    dropout_kernel, lower_dropout));
  registry.add(
      onnx("Dropout@7", {7, 11}, schema({"data"}, {"output", "mask?"}, {real("ratio", 0.5)}), dropout_type, dropout_kernel, lower_dropout));
}

}  // namespace lazyfx::ops
