#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"
#include "ops/window.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t groups_of(const Attributes& attributes) {
  const std::int64_t groups = attributes.get_int("group", 1);
  if (groups < 1) fail("attribute group is " + std::to_string(groups) + ", which is out of range");
  return groups;
}

/// The window, once the kernel's sizes are known from the weights or the attribute kernel_shape; nothing before that.
std::optional<Window> window_of(const TypeContext& c) {
  const auto& w = input(c, 1).dims;
  const Sizes given = c.attributes.get_ints("kernel_shape");
  if (!w) return given.empty() ? std::nullopt : std::optional(read_window(c.attributes, given));
  Sizes kernel;
  for (std::size_t i = 2; i < w->size(); ++i) {
    const Dim named = given.empty() ? Dim() : Dim(given.at(i - 2));
    const Dim size = merge((*w)[i], named, "kernel_shape and w on spatial axis " + std::to_string(i - 2));
    if (!size.known()) return std::nullopt;
    kernel.push_back(size.size);
  }
  return read_window(c.attributes, kernel);
}

/// Checks the ranks of x and w and gives that of both, if it is known.
std::optional<std::size_t> common_rank(const TypeContext& c) {
  const auto& x = input(c, 0, floats, "x").dims;
  const auto& w = input(c, 1).dims;
  require_same_dtype(c, 0, 1);
  if (has_input(c, 2)) require_same_dtype(c, 0, 2);
  const Sizes kernel = c.attributes.get_ints("kernel_shape");
  if (x && x->size() < 3) fail("input 0 (x) has " + std::to_string(x->size()) + " dimensions where at least 3 are expected");
  if (w && w->size() < 3) fail("input 1 (w) has " + std::to_string(w->size()) + " dimensions where at least 3 are expected");
  if (x && w && x->size() != w->size()) {
    fail("input 1 (w) has " + std::to_string(w->size()) + " dimensions but x has " + std::to_string(x->size()));
  }
  const std::optional<std::size_t> rank = x ? std::optional(x->size()) : w ? std::optional(w->size()) : std::nullopt;
  if (rank && !kernel.empty() && kernel.size() + 2 != *rank) {
    fail("attribute kernel_shape has " + std::to_string(kernel.size()) + " entries where " + std::to_string(*rank - 2) + " are expected");
  }
  return rank;
}

/// Fails unless the bias, if there is one, is a vector of `channels`.
void check_bias(const TypeContext& c, const Dim& channels) {
  if (!has_input(c, 2)) return;
  const auto& dims = c.inputs[2]->dims;
  if (!dims) return;
  if (dims->size() != 1) fail("input 2 (b) has " + std::to_string(dims->size()) + " dimensions where one is expected");
  merge(dims->front(), channels, "the sizes of b and of the output's channels");
}

std::vector<TensorType> conv_type(const TypeContext& c) {
  const auto rank = common_rank(c);
  const TensorType& x = *c.inputs[0];
  if (!rank) return {TensorType(x.dtype)};
  const auto& w = c.inputs[1]->dims;
  const std::int64_t groups = groups_of(c.attributes);
  Dims out = unknown_dims(*rank);
  if (x.dims) out[0] = (*x.dims)[0];
  if (w) {
    out[1] = (*w)[0];
    const Dim& per_group = (*w)[1];
    if (x.dims && per_group.known() && (*x.dims)[1].known() && multiply(per_group.size, groups) != (*x.dims)[1].size) {
      fail("input 1 (w) has " + std::to_string(per_group.size) + " channels per group in " + std::to_string(groups) + " groups but x has " +
           std::to_string((*x.dims)[1].size));
    }
    if (out[1].known() && out[1].size % groups != 0) {
      fail("input 1 (w) makes " + std::to_string(out[1].size) + " channels, which " + std::to_string(groups) + " groups do not divide");
    }
  }
  check_bias(c, out[1]);
  if (const auto window = window_of(c); window && x.dims) {
    for (std::size_t i = 0; i < window->rank(); ++i) out[i + 2] = slide(*window, i, (*x.dims)[i + 2]);
  }
  return {TensorType(x.dtype, out)};
}

std::vector<TensorType> conv_transpose_type(const TypeContext& c) {
  const auto rank = common_rank(c);
  const TensorType& x = *c.inputs[0];
  if (!rank) return {TensorType(x.dtype)};
  const auto& w = c.inputs[1]->dims;
  Dims out = unknown_dims(*rank);
  if (x.dims) out[0] = (*x.dims)[0];
  if (w) {
    const Dim channels = x.dims ? merge((*x.dims)[1], (*w)[0], "the channels of x and the first dimension of w") : (*w)[0];
    const std::int64_t groups = groups_of(c.attributes);
    if (channels.known() && channels.size % groups != 0) {
      fail("x has " + std::to_string(channels.size) + " channels, which " + std::to_string(groups) + " groups do not divide");
    }
    out[1] = multiply((*w)[1], Dim(groups));
  }
  check_bias(c, out[1]);
  const std::size_t n = *rank - 2;
  Sizes chosen = c.attributes.get_ints("output_shape");
  if (chosen.size() == *rank) chosen.erase(chosen.begin(), chosen.begin() + 2);
  if (!chosen.empty() && chosen.size() != n) {
    fail("attribute output_shape has " + std::to_string(chosen.size()) + " entries where " + std::to_string(n) + " are expected");
  }
  const Sizes padding = c.attributes.get_ints("output_padding");
  if (!padding.empty() && padding.size() != n) {
    fail("attribute output_padding has " + std::to_string(padding.size()) + " entries where " + std::to_string(n) + " are expected");
  }
  for (const std::int64_t p : padding) {
    if (p < 0 || p >= (std::int64_t{1} << 31)) fail("attribute output_padding holds " + std::to_string(p) + ", which is out of range");
  }
  const auto window = window_of(c);
  for (std::size_t i = 0; i < n; ++i) {
    if (!chosen.empty()) {
      if (chosen[i] < 0) fail("attribute output_shape holds " + std::to_string(chosen[i]) + ", which is out of range");
      out[i + 2] = chosen[i];
    } else if (window && x.dims) {
      out[i + 2] = slide_transposed(*window, i, (*x.dims)[i + 2], padding.empty() ? 0 : padding[i]);
    }
  }
  return {TensorType(x.dtype, out)};
}

TensorType type_of(const Tensor& t) { return {t.dtype(), t.shape()}; }

/// The output shape of an application whose inputs are at hand, by the type rule, so that both always agree.
template <class Rule>
Shape output_shape(Rule rule, std::span<const Tensor> in, const Attributes& attributes) {
  std::vector<std::optional<TensorType>> types;
  for (const Tensor& t : in) types.push_back(t.defined() ? std::optional(type_of(t)) : std::nullopt);
  return rule(TypeContext{types, in, attributes, 1}).front().shape();
}

/// The pads of a transposed convolution, explicit.
Window transposed_window(const Attributes& attributes, const Shape& x, const Shape& w, const Shape& out) {
  Sizes padding = attributes.get_ints("output_padding");
  padding.resize(x.rank() - 2);
  return resolved_transposed(read_window(attributes, spatial(w)), spatial(x), spatial(out), padding, attributes.has("output_shape"));
}

/// Positions of a kernel or of a plane, one index vector each.
std::vector<Sizes> indices_below(const Sizes& sizes) {
  std::vector<Sizes> all;
  for_each_index(Shape(sizes), [&](std::span<const std::int64_t> index) { all.emplace_back(index.begin(), index.end()); });
  return all;
}

/// Where position `at` and tap `tap` meet on the wider side of the window (the input of a convolution, the output of a transposed one):
/// its offset in a plane of `sizes`, or -1 in the padding.
std::int64_t meeting_point(const Window& w, const Sizes& sizes, const Sizes& at, const Sizes& tap) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t coordinate = at[i] * w.strides[i] + tap[i] * w.dilations[i] - w.pads_begin[i];
    if (coordinate < 0 || coordinate >= sizes[i]) return -1;
    offset = offset * sizes[i] + coordinate;
  }
  return offset;
}

/// Visits the positions of a plane of `sizes` in blocks, so that matrices of `rows` by a block stay small.
template <class F>
void for_each_block(const Sizes& sizes, std::int64_t rows, F&& f) {
  const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>((1 << 22) / std::max<std::int64_t>(rows, 1), 1, 1024));
  std::vector<Sizes> block;
  std::int64_t first = 0;
  for_each_index(Shape(sizes), [&](std::span<const std::int64_t> index) {
    block.emplace_back(index.begin(), index.end());
    if (block.size() < most) return;
    f(first, block);
    first += static_cast<std::int64_t>(block.size());
    block.clear();
  });
  if (!block.empty()) f(first, block);
}

/// Dimensions of one convolution or transposed one, as matrix sizes.
struct Geometry {
  std::int64_t batch, groups, in_channels, out_channels;  // channels per group
  Sizes in, out;
  std::int64_t in_plane, out_plane;
  std::vector<Sizes> taps;

  std::int64_t tap_count() const { return static_cast<std::int64_t>(taps.size()); }
};

Geometry geometry(const Shape& x, const Shape& out, std::int64_t groups, const Window& window) {
  Geometry g{x[0], groups, x[1] / groups, out[1] / groups, spatial(x), spatial(out), 1, 1, indices_below(window.kernel)};
  g.in_plane = Shape(g.in).size();
  g.out_plane = Shape(g.out).size();
  return g;
}

std::vector<double> biased(const Shape& out, const Tensor& bias) {
  if (!bias.defined()) return std::vector<double>(static_cast<std::size_t>(out.size()));
  return read<double>(bias.reshape(channel_shape(out[1], out.rank())), out);
}

std::vector<Tensor> conv_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape shape = output_shape(conv_type, in, attributes);
  if (in[1].size() == 0 || shape.size() == 0) return {write(in[0].dtype(), shape, biased(shape, argument(in, 2)))};
  const Window window = resolved(read_window(attributes, spatial(in[1].shape())), spatial(in[0].shape()));
  const Geometry g = geometry(in[0].shape(), shape, groups_of(attributes), window);
  const std::vector<double> x = read<double>(in[0]);
  const std::vector<double> w = read<double>(in[1]);
  std::vector<double> out = biased(shape, argument(in, 2));
  const std::int64_t depth = g.in_channels * g.tap_count();
  for (std::int64_t ng = 0; ng < g.batch * g.groups; ++ng) {
    const double* planes = x.data() + ng * g.in_channels * g.in_plane;
    const double* weights = w.data() + ng % g.groups * g.out_channels * depth;
    double* results = out.data() + ng * g.out_channels * g.out_plane;
    for_each_block(g.out, depth, [&](std::int64_t first, const std::vector<Sizes>& block) {
      const auto width = static_cast<std::int64_t>(block.size());
      std::vector<double> columns(static_cast<std::size_t>(depth * width));
      for (std::int64_t t = 0; t < g.tap_count(); ++t) {
        for (std::int64_t j = 0; j < width; ++j) {
          const std::int64_t from = meeting_point(window, g.in, block[static_cast<std::size_t>(j)], g.taps[static_cast<std::size_t>(t)]);
          if (from < 0) continue;
          for (std::int64_t c = 0; c < g.in_channels; ++c) {
            columns[static_cast<std::size_t>((c * g.tap_count() + t) * width + j)] = planes[c * g.in_plane + from];
          }
        }
      }
      std::vector<double> products(static_cast<std::size_t>(g.out_channels * width));
      multiply_add(weights, columns.data(), products.data(), g.out_channels, depth, width);
      for (std::int64_t m = 0; m < g.out_channels; ++m) {
        for (std::int64_t j = 0; j < width; ++j) results[m * g.out_plane + first + j] += products[static_cast<std::size_t>(m * width + j)];
      }
    });
  }
  return {write(in[0].dtype(), shape, out)};
}

std::vector<Tensor> conv_transpose_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape shape = output_shape(conv_transpose_type, in, attributes);
  if (in[1].size() == 0 || shape.size() == 0) return {write(in[0].dtype(), shape, biased(shape, argument(in, 2)))};
  const Window window = transposed_window(attributes, in[0].shape(), in[1].shape(), shape);
  const Geometry g = geometry(in[0].shape(), shape, groups_of(attributes), window);
  const std::vector<double> x = read<double>(in[0]);
  // Group by group: rows are output channels and taps, columns are input channels.
  const std::int64_t rows = g.out_channels * g.tap_count();
  const std::vector<double> w =
      read<double>(in[1].reshape(Shape{g.groups, g.in_channels, rows}).transpose(std::vector<std::size_t>{0, 2, 1}));
  std::vector<double> out = biased(shape, argument(in, 2));
  for (std::int64_t ng = 0; ng < g.batch * g.groups; ++ng) {
    const double* planes = x.data() + ng * g.in_channels * g.in_plane;
    const double* weights = w.data() + ng % g.groups * rows * g.in_channels;
    double* results = out.data() + ng * g.out_channels * g.out_plane;
    for_each_block(g.in, rows, [&](std::int64_t first, const std::vector<Sizes>& block) {
      const auto width = static_cast<std::int64_t>(block.size());
      std::vector<double> values(static_cast<std::size_t>(g.in_channels * width));
      for (std::int64_t c = 0; c < g.in_channels; ++c) {
        std::copy_n(planes + c * g.in_plane + first, width, values.begin() + static_cast<std::ptrdiff_t>(c * width));
      }
      std::vector<double> products(static_cast<std::size_t>(rows * width));
      multiply_add(weights, values.data(), products.data(), rows, g.in_channels, width);
      for (std::int64_t t = 0; t < g.tap_count(); ++t) {
        for (std::int64_t j = 0; j < width; ++j) {
          const std::int64_t to = meeting_point(window, g.out, block[static_cast<std::size_t>(j)], g.taps[static_cast<std::size_t>(t)]);
          if (to < 0) continue;
          for (std::int64_t m = 0; m < g.out_channels; ++m) {
            results[m * g.out_plane + to] += products[static_cast<std::size_t>((m * g.tap_count() + t) * width + j)];
          }
        }
      }
    });
  }
  return {write(in[0].dtype(), shape, out)};
}

bool emit_convolution(LoweringContext& c, const Window& window, bool transposed) {
  std::vector<ValueRef> inputs{c.input(0), c.input(1)};
  if (c.has_input(2)) inputs.push_back(c.input(2));
  c.emit(primitive::Convolution{.strides = window.strides,
                                .dilations = window.dilations,
                                .pads_begin = window.pads_begin,
                                .pads_end = window.pads_end,
                                .groups = groups_of(c.attributes()),
                                .transposed = transposed},
         std::move(inputs), c.output(0));
  return true;
}

bool has_kernel(LoweringContext& c) {
  const std::size_t rank = c.shape(c.input(0)).rank();
  return inputs_are(c, {DType::f32}) && rank >= 3 && rank <= 5 && c.shape(c.output(0)).size() != 0 && c.shape(c.input(0)).size() != 0;
}

bool lower_conv(LoweringContext& c) {
  if (!has_kernel(c)) return false;
  return emit_convolution(c, resolved(read_window(c.attributes(), spatial(c.shape(c.input(1)))), spatial(c.shape(c.input(0)))), false);
}

bool lower_conv_transpose(LoweringContext& c) {
  if (!has_kernel(c)) return false;
  return emit_convolution(c, transposed_window(c.attributes(), c.shape(c.input(0)), c.shape(c.input(1)), c.shape(c.output(0))), true);
}

std::vector<AttributeSpec> convolution_attributes() {
  return {text("auto_pad", "NOTSET"), integers("dilations"), integer("group", 1),
          integers("kernel_shape"),   integers("pads"),      integers("strides")};
}

}  // namespace

void add_convolution(OperatorRegistry& registry) {
  registry.add(onnx("Conv", {1}, schema({"X", "W", "B?"}, {"Y"}, convolution_attributes()), conv_type, conv_kernel, lower_conv));
  auto attributes = convolution_attributes();
  attributes.push_back(integers("output_padding"));
  attributes.push_back(integers("output_shape"));
  registry.add(onnx("ConvTranspose", {1}, schema({"X", "W", "B?"}, {"Y"}, attributes), conv_transpose_type, conv_transpose_kernel,
                    lower_conv_transpose));
}

}  // namespace lazyfx::ops
