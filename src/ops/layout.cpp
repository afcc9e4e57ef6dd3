#include <algorithm>
#include <numeric>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;
using Axes = std::vector<std::size_t>;

// Transpose

Axes permutation_of(const Attributes& attributes, std::size_t rank) {
  Axes permutation(rank);
  const Sizes given = attributes.get_ints("perm");
  if (!attributes.has("perm")) {
    std::iota(permutation.rbegin(), permutation.rend(), std::size_t{0});
    return permutation;
  }
  if (given.size() != rank)
    fail("attribute perm has " + std::to_string(given.size()) + " entries for " + std::to_string(rank) + " dimensions");
  axes_in(given, rank);  // refuses what is no permutation
  for (std::size_t i = 0; i < rank; ++i) permutation[i] = axis_in(given[i], rank);
  return permutation;
}

std::vector<TensorType> transpose_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  if (!x.dims)
    return {typed(x.dtype, c.attributes.has("perm") ? std::optional(unknown_dims(c.attributes.get_ints("perm").size())) : std::nullopt)};
  Dims out;
  for (const std::size_t axis : permutation_of(c.attributes, x.dims->size())) out.push_back((*x.dims)[axis]);
  return {TensorType(x.dtype, out)};
}

std::vector<Tensor> transpose_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return {in[0].transpose(permutation_of(attributes, in[0].rank())).contiguous()};
}

bool lower_transpose(LoweringContext& c) {
  if (!inputs_are(c, fixed_size)) return false;
  const Shape& shape = c.shape(c.input(0));
  const auto strides = shape.row_major_strides();
  Sizes permuted;
  for (const std::size_t axis : permutation_of(c.attributes(), shape.rank())) permuted.push_back(strides[axis]);
  emit_view(c, c.input(0), 0, permuted, c.output(0));
  return true;
}

// Expand

Dims dims_from(const Sizes& sizes) {
  Dims dims;
  for (const std::int64_t s : sizes) {
    if (s < 0) fail("the shape holds " + std::to_string(s));
    dims.emplace_back(s);
  }
  return dims;
}

std::vector<TensorType> expand_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  input(c, 1, index_dtypes, "shape");
  if (const auto shape = constant_ints(c, 1)) return {typed(x.dtype, broadcast_dims(x.dims, dims_from(*shape)))};
  return {TensorType(x.dtype)};
}

std::vector<Tensor> expand_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const auto shape = broadcast(in[0].shape(), Shape(ints_of(in[1], "input 1 (shape)")));
  if (!shape)
    fail("shapes " + to_string(in[0].shape()) + " and " + to_string(Shape(ints_of(in[1], "input 1 (shape)"))) + " do not broadcast");
  return {in[0].expand(*shape).contiguous()};
}

bool lower_expand(LoweringContext& c) {
  if (!fixed_size.contains(c.dtype(c.input(0)))) return false;
  const Shape& from = c.shape(c.input(0));
  const Shape& to = c.shape(c.output(0));
  const auto strides = from.row_major_strides();
  Sizes stretched(to.rank());
  const std::size_t added = to.rank() - from.rank();
  for (std::size_t i = 0; i < from.rank(); ++i) stretched[added + i] = from[i] == to[added + i] ? strides[i] : 0;
  emit_view(c, c.input(0), 0, stretched, c.output(0));
  return true;
}

// Tile

std::vector<TensorType> tile_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  input(c, 1, index_dtypes, "repeats");
  if (!x.dims) return {x};
  const auto repeats = constant_ints(c, 1);
  if (!repeats) return {TensorType(x.dtype, unknown_dims(x.dims->size()))};
  if (repeats->size() != x.dims->size()) {
    fail("input 1 (repeats) has " + std::to_string(repeats->size()) + " entries for " + std::to_string(x.dims->size()) + " dimensions");
  }
  Dims out;
  for (std::size_t i = 0; i < repeats->size(); ++i) {
    if ((*repeats)[i] < 0) fail("input 1 (repeats) holds " + std::to_string((*repeats)[i]));
    out.push_back(multiply((*x.dims)[i], Dim((*repeats)[i])));
  }
  return {TensorType(x.dtype, out)};
}

std::vector<Tensor> tile_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const Tensor& x = in[0];
  const Sizes repeats = ints_of(in[1], "input 1 (repeats)");
  if (repeats.size() != x.rank())
    fail("input 1 (repeats) has " + std::to_string(repeats.size()) + " entries for " + std::to_string(x.rank()) + " dimensions");
  std::vector<std::int64_t> dims;
  for (std::size_t i = 0; i < x.rank(); ++i) dims.push_back(multiply(x.shape()[i], repeats[i]));
  Tensor out = Tensor::empty(x.dtype(), Shape(dims));
  if (out.size() == 0) return {out};
  const auto strides = out.shape().row_major_strides();
  for_each_index(Shape(repeats), [&](std::span<const std::int64_t> copy) {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < x.rank(); ++i) offset += copy[i] * x.shape()[i] * strides[i];
    copy_into(out, offset, {strides.data(), x.rank()}, x);
  });
  return {out};
}

/// Tiling is a copy from a shape with the repeats between the dims, over which the input does not move.
bool lower_tile(LoweringContext& c) {
  const Shape& from = c.shape(c.input(0));
  const Shape& to = c.shape(c.output(0));
  if (!fixed_size.contains(c.dtype(c.input(0))) || from.size() == 0) return false;
  const auto strides = from.row_major_strides();
  Sizes dims;
  Sizes steps;
  for (std::size_t i = 0; i < from.rank(); ++i) {
    if (to[i] != from[i]) {
      dims.push_back(to[i] / from[i]);
      steps.push_back(0);
    }
    dims.push_back(from[i]);
    steps.push_back(strides[i]);
  }
  if (dims.size() > Shape::max_rank) return false;
  const ValueRef seen = c.temporary(c.dtype(c.input(0)), Shape(dims));
  emit_view(c, c.input(0), 0, steps, seen);
  c.alias(seen, c.output(0));
  return true;
}

// DepthToSpace and SpaceToDepth: a reshape to six dims, a permutation, a reshape back.

struct Shuffle {
  Shape split;
  Axes permutation;
};

std::int64_t block_size(const Attributes& attributes) {
  const std::int64_t b = attributes.get_int("blocksize");
  if (b < 1 || b > (1 << 20)) fail("attribute blocksize is " + std::to_string(b) + ", which is out of range");
  return b;
}

Shuffle depth_to_space(const Shape& x, const Attributes& attributes) {
  const std::int64_t b = block_size(attributes);
  const std::string mode = attributes.get_string("mode", "DCR");
  if (mode == "CRD") return {Shape{x[0], x[1] / (b * b), b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}};
  if (mode != "DCR") fail("attribute mode is \"" + mode + "\", which is neither DCR nor CRD");
  return {Shape{x[0], b, b, x[1] / (b * b), x[2], x[3]}, {0, 3, 4, 1, 5, 2}};
}

Shuffle space_to_depth(const Shape& x, const Attributes& attributes) {
  const std::int64_t b = block_size(attributes);
  return {Shape{x[0], x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4}};
}

Dim divided(const Dim& d, std::int64_t by, const char* what) {
  if (!d.known()) return {};
  if (d.size % by != 0)
    fail(std::string("the ") + what + " of the input, " + std::to_string(d.size) + ", is not a multiple of " + std::to_string(by));
  return d.size / by;
}

std::vector<TensorType> shuffle_type(const TypeContext& c, bool to_space) {
  const TensorType& x = input(c, 0);
  const std::int64_t b = block_size(c.attributes);
  if (!x.dims) return {TensorType(x.dtype, unknown_dims(4))};
  if (x.dims->size() != 4) fail("input 0 has " + std::to_string(x.dims->size()) + " dimensions where 4 are expected");
  const Dims& d = *x.dims;
  if (to_space) return {TensorType(x.dtype, Dims{d[0], divided(d[1], b * b, "channels"), multiply(d[2], Dim(b)), multiply(d[3], Dim(b))})};
  return {TensorType(x.dtype, Dims{d[0], multiply(d[1], Dim(b * b)), divided(d[2], b, "height"), divided(d[3], b, "width")})};
}

using ShuffleOf = Shuffle (*)(const Shape&, const Attributes&);

Operator shuffle(const char* type, int since, Schema s, ShuffleOf shuffle_of, bool to_space) {
  const TypeRule rule = [to_space](const TypeContext& c) { return shuffle_type(c, to_space); };
  return onnx(
      type, {since}, std::move(s), rule,
      [=](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
        const std::optional<TensorType> x(TensorType(in[0].dtype(), in[0].shape()));
        const Shape out = rule(TypeContext{{&x, 1}, {}, attributes, 1}).front().shape();
        const Shuffle s6 = shuffle_of(in[0].shape(), attributes);
        return std::vector{in[0].reshape(s6.split).transpose(s6.permutation).reshape(out)};
      },
      [=](LoweringContext& c) {
        if (!inputs_are(c, fixed_size)) return false;
        const Shuffle s6 = shuffle_of(c.shape(c.input(0)), c.attributes());
        const auto strides = s6.split.row_major_strides();
        Sizes dims;
        Sizes steps;
        for (const std::size_t axis : s6.permutation) {
          dims.push_back(s6.split[axis]);
          steps.push_back(strides[axis]);
        }
        const ValueRef seen = c.temporary(c.dtype(c.input(0)), Shape(dims));
        emit_view(c, c.input(0), 0, steps, seen);
        c.alias(seen, c.output(0));
        return true;
      });
}

}  // namespace

void add_layout(OperatorRegistry& registry) {
  registry.add(
      onnx("Transpose", {1}, schema({"data"}, {"transposed"}, {integers("perm")}), transpose_type, transpose_kernel, lower_transpose));
  registry.add(onnx("Expand", {8}, schema({"input", "shape"}, {"output"}), expand_type, expand_kernel, lower_expand));
  registry.add(onnx("Tile", {6}, schema({"input", "repeats"}, {"output"}), tile_type, tile_kernel, lower_tile));
  // mode came with version 11; the default is what was meant before.
  registry.add(shuffle("DepthToSpace", 1, schema({"input"}, {"output"}, {required(integer("blocksize")), text("mode", "DCR")}),
                       depth_to_space, true));
  registry.add(shuffle("SpaceToDepth", 1, schema({"input"}, {"output"}, {required(integer("blocksize"))}), space_to_depth, false));
}

}  // namespace lazyfx::ops
