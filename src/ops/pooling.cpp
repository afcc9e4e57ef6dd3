#include <algorithm>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"
#include "ops/window.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

Window pool_window(const Attributes& attributes) {
  const Sizes kernel = attributes.get_ints("kernel_shape");
  if (kernel.empty()) fail("attribute kernel_shape is missing");
  Window window = read_window(attributes, kernel);
  // ONNX Runtime rounds the number of steps toward zero, so that one window is left where none fits; pads that count would change its mean.
  window.may_exceed = attributes.get_int("count_include_pad", 0) == 0;
  return window;
}

const TensorType& planes(const TypeContext& c, DTypeSet allowed) {
  const TensorType& x = input(c, 0, allowed, "X");
  if (x.dims && x.dims->size() < 3) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where at least 3 are expected");
  return x;
}

std::vector<TensorType> pool_type(const TypeContext& c, DTypeSet allowed) {
  const TensorType& x = planes(c, allowed);
  const Window window = pool_window(c.attributes);
  std::optional<Dims> dims = x.dims;
  if (dims && dims->size() != window.rank() + 2) {
    fail("attribute kernel_shape has " + std::to_string(window.rank()) + " entries but X has " + std::to_string(dims->size() - 2) +
         " spatial axes");
  }
  if (dims) {
    for (std::size_t i = 0; i < window.rank(); ++i) (*dims)[i + 2] = slide(window, i, (*dims)[i + 2]);
  }
  std::vector<TensorType> types{typed(x.dtype, dims)};
  if (c.output_count > 1) types.push_back(typed(DType::i64, dims));
  return types;
}

/// The shape of the output, and the window with explicit pads.
std::pair<Shape, Window> geometry(const Shape& x, const Attributes& attributes) {
  const Window window = pool_window(attributes);
  const std::optional<TensorType> type(TensorType(DType::f32, x));
  const Shape out = pool_type(TypeContext{{&type, 1}, {}, attributes, 1}, any_dtype).front().shape();
  return {out, resolved(window, spatial(x))};
}

/// The part of one axis that a window sees: taps first, first + step, ... below `end`.
struct Span {
  std::int64_t first, end, step;
};

Span span_of(const Window& w, std::size_t i, std::int64_t position, std::int64_t size) {
  std::int64_t first = position * w.strides[i] - w.pads_begin[i];
  const std::int64_t end = std::min(size, first + w.extent(i));
  if (first < 0) first += (-first + w.dilations[i] - 1) / w.dilations[i] * w.dilations[i];
  return {first, end, w.dilations[i]};
}

/// Calls `f(offset in the plane)` for every element that the window at `position` sees.
template <class F>
void for_each_seen(const Window& w, const Sizes& sizes, std::span<const std::int64_t> position, F&& f) {
  std::vector<Span> spans;
  Sizes counts;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    spans.push_back(span_of(w, i, position[i], sizes[i]));
    counts.push_back(std::max<std::int64_t>(0, (spans[i].end - spans[i].first + spans[i].step - 1) / spans[i].step));
  }
  for_each_index(Shape(counts), [&](std::span<const std::int64_t> tap) {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) offset = offset * sizes[i] + spans[i].first + tap[i] * spans[i].step;
    f(offset);
  });
}

/// The row-major index of an element, turned into the one that storage_order 1 asks for: the first spatial axis varies fastest.
std::int64_t column_major(std::int64_t offset, const Sizes& sizes) {
  std::int64_t result = 0;
  Sizes index(sizes.size());
  for (std::size_t i = sizes.size(); i-- > 0; offset /= sizes[i]) index[i] = offset % sizes[i];
  for (std::size_t i = sizes.size(); i-- > 0;) result = result * sizes[i] + index[i];
  return result;
}

template <class C>
std::vector<Tensor> max_pool(const Tensor& x, const Attributes& attributes, bool wants_indices) {
  const auto [shape, window] = geometry(x.shape(), attributes);
  const Sizes sizes = spatial(x.shape());
  const std::int64_t plane = Shape(sizes).size();
  const bool by_columns = attributes.get_int("storage_order", 0) != 0;
  const std::vector<C> values = read<C>(x);
  std::vector<C> out;
  std::vector<std::int64_t> indices;
  out.reserve(static_cast<std::size_t>(shape.size()));
  for_each_index(shape, [&](std::span<const std::int64_t> index) {
    const std::int64_t base = (index[0] * x.shape()[1] + index[1]) * plane;
    C best = std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::lowest();
    std::int64_t at = -1;
    for_each_seen(window, sizes, index.subspan(2), [&](std::int64_t offset) {
      const C value = values[static_cast<std::size_t>(base + offset)];
      if (at < 0 || value > best || (value != value && best == best)) {
        best = value;
        at = offset;
      }
    });
    out.push_back(best);
    if (wants_indices) indices.push_back(at < 0 ? -1 : base + (by_columns ? column_major(at, sizes) : at));
  });
  std::vector<Tensor> outputs{write(x.dtype(), shape, out)};
  if (wants_indices) outputs.push_back(write(DType::i64, shape, indices));
  return outputs;
}

std::vector<Tensor> max_pool_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  return visit_compute(in[0].dtype(),
                       [&](auto type) { return max_pool<typename decltype(type)::type>(in[0], attributes, output_count > 1); });
}

/// How many positions the window at `position` covers when pads count too: what ceil mode adds beyond them never does.
std::int64_t padded_count(const Window& resolved_window, const Window& given, const Sizes& sizes, std::span<const std::int64_t> position) {
  std::int64_t count = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t pads_end = given.auto_pad == Window::AutoPad::none ? given.pads_end[i] : resolved_window.pads_end[i];
    const std::int64_t first = position[i] * resolved_window.strides[i] - resolved_window.pads_begin[i];
    const std::int64_t end = std::min(sizes[i] + pads_end, first + resolved_window.extent(i));
    count *= (end - first + resolved_window.dilations[i] - 1) / resolved_window.dilations[i];
  }
  return count;
}

std::vector<Tensor> average_pool_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Tensor& x = in[0];
  const auto [shape, window] = geometry(x.shape(), attributes);
  const Window given = pool_window(attributes);
  const Sizes sizes = spatial(x.shape());
  const std::int64_t plane = Shape(sizes).size();
  const bool count_pads = attributes.get_int("count_include_pad", 0) != 0;
  const std::vector<double> values = read<double>(x);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(shape.size()));
  for_each_index(shape, [&](std::span<const std::int64_t> index) {
    const std::int64_t base = (index[0] * x.shape()[1] + index[1]) * plane;
    double sum = 0;
    std::int64_t count = 0;
    for_each_seen(window, sizes, index.subspan(2), [&](std::int64_t offset) {
      sum += values[static_cast<std::size_t>(base + offset)];
      ++count;
    });
    if (count_pads) count = padded_count(window, given, sizes, index.subspan(2));
    out.push_back(count == 0 ? 0 : sum / static_cast<double>(count));
  });
  return {write(x.dtype(), shape, out)};
}

bool emit_pool(LoweringContext& c, primitive::PoolKind kind) {
  const Shape& x = c.shape(c.input(0));
  if (!inputs_are(c, {DType::f32}) || x.rank() > 5 || x.size() == 0 || c.shape(c.output(0)).size() == 0) return false;
  const Window given = pool_window(c.attributes());
  const Window window = resolved(given, spatial(x));
  const bool ceil_adds = given.auto_pad == Window::AutoPad::none && window.pads_end != given.pads_end;
  if (kind == primitive::PoolKind::average_include_pad && ceil_adds) return false;
  for (std::size_t i = 0; i < window.rank(); ++i) {
    // Windows that lie in the padding entirely have no elements to choose from.
    if (window.pads_begin[i] >= window.extent(i) || window.pads_end[i] >= window.extent(i)) return false;
  }
  c.emit(primitive::Pool{.kind = kind,
                         .kernel = window.kernel,
                         .strides = window.strides,
                         .dilations = window.dilations,
                         .pads_begin = window.pads_begin,
                         .pads_end = window.pads_end},
         {c.input(0)}, c.output(0));
  return true;
}

bool lower_max_pool(LoweringContext& c) { return c.output_count() == 1 && emit_pool(c, primitive::PoolKind::max); }

bool lower_average_pool(LoweringContext& c) {
  const bool count_pads = c.attributes().get_int("count_include_pad", 0) != 0;
  return emit_pool(c, count_pads ? primitive::PoolKind::average_include_pad : primitive::PoolKind::average_exclude_pad);
}

std::vector<TensorType> global_type(const TypeContext& c) {
  const TensorType& x = planes(c, floats);
  std::optional<Dims> dims = x.dims;
  if (dims) std::fill(dims->begin() + 2, dims->end(), Dim(1));
  return {typed(x.dtype, dims)};
}

std::vector<std::size_t> spatial_axes(const Shape& shape) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 2; i < shape.rank(); ++i) axes.push_back(i);
  return axes;
}

/// Reduces each plane to one element with `f(first, count)`.
template <class F>
std::vector<Tensor> global_pool(const Tensor& x, F f) {
  const Shape shape = kept(x.shape(), spatial_axes(x.shape()));
  const std::int64_t plane = Shape(spatial(x.shape())).size();
  const std::vector<double> values = read<double>(x);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(shape.size()));
  for (std::int64_t i = 0; i < shape.size(); ++i) out.push_back(f(values.data() + i * plane, plane));
  return {write(x.dtype(), shape, out)};
}

std::vector<Tensor> global_average_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return global_pool(in[0], [](const double* values, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += values[i];
    return sum / static_cast<double>(count);
  });
}

std::vector<Tensor> global_max_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  return global_pool(in[0], [](const double* values, std::int64_t count) {
    double best = -std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < count; ++i) best = values[i] > best || values[i] != values[i] ? values[i] : best;
    return best;
  });
}

Lowering lower_global(primitive::ReduceKind kind) {
  return [kind](LoweringContext& c) {
    if (c.shape(c.input(0)).size() == 0) return false;
    emit_reduce(c, kind, c.input(0), spatial_axes(c.shape(c.input(0))), c.output(0));
    return true;
  };
}

}  // namespace

void add_pooling(OperatorRegistry& registry) {
  registry.add(onnx(
      "MaxPool", {1},
      schema({"X"}, {"Y", "Indices?"},
             {text("auto_pad", "NOTSET"), integer("ceil_mode", 0), integers("dilations"), required(integers("kernel_shape")),
              integers("pads"), integer("storage_order", 0), integers("strides")}),
      [](const TypeContext& c) { return pool_type(c, floats | DTypeSet{DType::i8, DType::u8}); }, max_pool_kernel, lower_max_pool));
  // dilations came with version 19, and change nothing when absent.
  registry.add(onnx(
      "AveragePool", {7},
      schema({"X"}, {"Y"},
             {text("auto_pad", "NOTSET"), integer("ceil_mode", 0), integer("count_include_pad", 0), integers("dilations"),
              required(integers("kernel_shape")), integers("pads"), integers("strides")}),
      [](const TypeContext& c) { return pool_type(c, floats); }, average_pool_kernel, lower_average_pool));
  registry.add(
      onnx("GlobalAveragePool", {1}, schema({"X"}, {"Y"}), global_type, global_average_kernel, lower_global(primitive::ReduceKind::mean)));
  registry.add(onnx("GlobalMaxPool", {1}, schema({"X"}, {"Y"}), global_type, global_max_kernel, lower_global(primitive::ReduceKind::max)));
}

}  // namespace lazyfx::ops
