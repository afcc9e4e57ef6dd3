#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"
#include "ops/window.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

// GridSample: each output element reads X at the place that the grid names for it.

enum class Mode : std::uint8_t { nearest, linear, cubic };
enum class Padding : std::uint8_t { zeros, border, reflection };

Mode mode_of(const Attributes& attributes) {
  const std::string mode = attributes.get_string("mode", "bilinear");
  if (mode == "nearest") return Mode::nearest;
  if (mode == "bilinear" || mode == "linear") return Mode::linear;
  if (mode == "bicubic" || mode == "cubic") return Mode::cubic;
  fail("attribute mode is \"" + mode + "\", which is none of nearest, bilinear, bicubic");
}

Padding padding_of(const Attributes& attributes) {
  const std::string mode = attributes.get_string("padding_mode", "zeros");
  if (mode == "zeros") return Padding::zeros;
  if (mode == "border") return Padding::border;
  if (mode == "reflection") return Padding::reflection;
  fail("attribute padding_mode is \"" + mode + "\", which is none of zeros, border, reflection");
}

std::vector<TensorType> grid_sample_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  const TensorType& grid = input(c, 1, floats, "grid");
  mode_of(c.attributes);
  padding_of(c.attributes);
  Dims out = unknown_dims(4);
  if (x.dims) {
    if (x.dims->size() != 4) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where 4 are expected");
    out[0] = (*x.dims)[0];
    out[1] = (*x.dims)[1];
  }
  if (grid.dims) {
    if (grid.dims->size() != 4 || ((*grid.dims)[3].known() && (*grid.dims)[3].size != 2)) {
      fail("input 1 (grid) has shape " + describe(*grid.dims) + " where batch x height x width x 2 is expected");
    }
    out[0] = merge(out[0], (*grid.dims)[0], "the batches of X and grid");
    out[2] = (*grid.dims)[1];
    out[3] = (*grid.dims)[2];
  }
  return {TensorType(x.dtype, out)};
}

/// -1..1 to an element's place: the ends are the centres of the first and last element, or their outer edges.
double place(double v, std::int64_t size, bool align) {
  const auto n = static_cast<double>(size);
  return align ? (v + 1) / 2 * (n - 1) : ((v + 1) * n - 1) / 2;
}

/// Folds `v` back into [low, high] at both ends.
double reflected(double v, double low, double high) {
  const double range = high - low;
  if (!(range > 0) || !std::isfinite(v)) return low;
  const double distance = std::fmod(std::fabs(v - low), 2 * range);
  return low + (distance > range ? 2 * range - distance : distance);
}

struct Plane {
  const double* values;
  std::int64_t height, width;
  Padding padding;
  bool align;

  double bounded(double v, std::int64_t size) const {
    const auto last = static_cast<double>(size - 1);
    if (padding == Padding::border) return std::clamp(v, 0.0, last);
    if (padding == Padding::reflection) return std::clamp(reflected(v, align ? 0 : -0.5, align ? last : last + 0.5), 0.0, last);
    return v;
  }
  double at(double row, double column) const {
    row = bounded(row, height);
    column = bounded(column, width);
    if (!(row >= 0 && row < static_cast<double>(height) && column >= 0 && column < static_cast<double>(width))) return 0;
    return values[static_cast<std::int64_t>(row) * width + static_cast<std::int64_t>(column)];
  }
};

/// The weights of the four elements around a place `t` past the second, Keys' cubic with a = -0.75.
void cubic_weights(double t, double weights[4]) {
  constexpr double a = -0.75;
  const auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  weights[0] = far(t + 1);
  weights[1] = near(t);
  weights[2] = near(1 - t);
  weights[3] = far(2 - t);
}

double sample(const Plane& plane, Mode mode, double row, double column) {
  if (!std::isfinite(row) || !std::isfinite(column)) return plane.padding == Padding::zeros ? 0 : plane.at(0, 0);
  if (mode == Mode::nearest) return plane.at(std::nearbyint(row), std::nearbyint(column));
  const double top = std::floor(row), left = std::floor(column);
  const double dy = row - top, dx = column - left;
  if (mode == Mode::linear) {
    return (1 - dy) * ((1 - dx) * plane.at(top, left) + dx * plane.at(top, left + 1)) +
           dy * ((1 - dx) * plane.at(top + 1, left) + dx * plane.at(top + 1, left + 1));
  }
  double wy[4], wx[4], sum = 0;
  cubic_weights(dy, wy);
  cubic_weights(dx, wx);
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) sum += wy[i] * wx[j] * plane.at(top - 1 + i, left - 1 + j);
  }
  return sum;
}

std::vector<Tensor> grid_sample_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& x = in[0].shape();
  const Shape& grid = in[1].shape();
  const Mode mode = mode_of(attributes);
  const Padding padding = padding_of(attributes);
  const bool align = attributes.get_int("align_corners", 0) != 0;
  const std::vector<double> values = read<double>(in[0]);
  const std::vector<double> places = read<double>(in[1]);
  const Shape result{x[0], x[1], grid[1], grid[2]};
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(result.size()));
  for_each_index(result, [&](std::span<const std::int64_t> index) {
    const Plane plane{values.data() + (index[0] * x[1] + index[1]) * x[2] * x[3], x[2], x[3], padding, align};
    const double* named = places.data() + ((index[0] * grid[1] + index[2]) * grid[2] + index[3]) * 2;
    double column = place(named[0], x[3], align), row = place(named[1], x[2], align);
    // Between elements, the place itself is bounded; the cubic bounds each element that it reads.
    if (mode == Mode::linear && padding != Padding::zeros) {
      column = plane.bounded(column, x[3]);
      row = plane.bounded(row, x[2]);
    }
    out.push_back(x[2] == 0 || x[3] == 0 ? 0 : sample(plane, mode, row, column));
  });
  return {write(in[0].dtype(), result, out)};
}

// MaxUnpool puts each element back where MaxPool found it.

Window unpool_window(const Attributes& attributes) {
  const Sizes kernel = attributes.get_ints("kernel_shape");
  if (kernel.empty()) fail("attribute kernel_shape is missing");
  return read_window(attributes, kernel);
}

/// The shape that a pool with this window has made X from.
Dims unpooled(const Dims& x, const Window& window) {
  if (x.size() != window.rank() + 2)
    fail("attribute kernel_shape has " + std::to_string(window.rank()) + " entries for an input of " + std::to_string(x.size()) +
         " dimensions");
  Dims out = x;
  for (std::size_t i = 0; i < window.rank(); ++i) out[i + 2] = slide_transposed(window, i, x[i + 2], 0);
  return out;
}

std::vector<TensorType> max_unpool_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  const TensorType& indices = input(c, 1, {DType::i64}, "I");
  const Window window = unpool_window(c.attributes);
  if (x.dims && indices.dims) {
    if (x.dims->size() != indices.dims->size()) fail("inputs 0 (X) and 1 (I) have different ranks");
    for (std::size_t i = 0; i < x.dims->size(); ++i) merge((*x.dims)[i], (*indices.dims)[i], "the sizes of X and I");
  }
  if (has_input(c, 2)) {
    if (const auto shape = constant_ints(c, 2)) {
      if (x.dims && shape->size() != x.dims->size())
        fail("input 2 (output_shape) has " + std::to_string(shape->size()) + " entries for " + std::to_string(x.dims->size()) +
             " dimensions");
      return {TensorType(x.dtype, Shape(*shape))};
    }
    return {typed(x.dtype, x.dims ? std::optional(unknown_dims(x.dims->size())) : std::nullopt)};
  }
  return {typed(x.dtype, x.dims ? std::optional(unpooled(*x.dims, window)) : std::nullopt)};
}

/// Where `index` of the shape that follows from the window lies in the one asked for.
std::vector<Tensor> max_unpool_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Dims dims(in[0].shape().begin(), in[0].shape().end());
  Sizes natural;
  for (const Dim& d : unpooled(dims, unpool_window(attributes))) natural.push_back(d.size);
  const Shape from(natural);
  const Shape to = argument(in, 2).defined() ? Shape(ints_of(in[2], "input 2 (output_shape)")) : from;
  const Tensor x = in[0].contiguous();
  const Sizes indices = read<std::int64_t>(in[1]);
  Tensor out = Tensor::zeros(x.dtype(), to);
  const auto from_strides = from.row_major_strides();
  const auto to_strides = to.row_major_strides();
  visit_dtype(x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto values = x.values<T>();
    const auto results = out.mutable_values<T>();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] < 0 || indices[i] >= from.size())
        throw Error(ErrorKind::invalid_argument, "index " + std::to_string(indices[i]) + " is outside of " + to_string(from));
      std::int64_t offset = 0;
      for (std::size_t axis = 0; axis < from.rank(); ++axis) {
        const std::int64_t at = indices[i] / from_strides[axis] % from[axis];
        if (at >= to[axis])
          throw Error(ErrorKind::invalid_argument, "index " + std::to_string(indices[i]) + " is outside of " + to_string(to));
        offset += at * to_strides[axis];
      }
      results[static_cast<std::size_t>(offset)] = values[i];
    }
  });
  return {out};
}

}  // namespace

void add_sampling(OperatorRegistry& registry) {
  // Version 20 calls the modes linear and cubic.
  registry.add(onnx("GridSample", {16},
                    schema({"X", "grid"}, {"Y"}, {integer("align_corners", 0), text("mode", "bilinear"), text("padding_mode", "zeros")}),
                    grid_sample_type, grid_sample_kernel));
  registry.add(
      onnx("MaxUnpool", {9},
           schema({"X", "I", "output_shape?"}, {"output"}, {required(integers("kernel_shape")), integers("pads"), integers("strides")}),
           max_unpool_type, max_unpool_kernel));
}

}  // namespace lazyfx::ops
