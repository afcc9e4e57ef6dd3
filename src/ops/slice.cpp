#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

/// What a slice asks for, from attributes (until version 9) or inputs.
struct Request {
  Sizes starts, ends, axes, steps;
};

/// Elements start, start + step, ... of one axis, `count` of them.
struct Range {
  std::int64_t start = 0, count = 0, step = 1;
};

Range range_on(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (step == 0) fail("a step is 0");
  const std::int64_t least = step > 0 ? 0 : -1;      // where clamping ends: going down stops before the first element
  const std::int64_t most = step > 0 ? size : size - 1;
  const auto place = [&](std::int64_t at, std::int64_t low) { return std::clamp(at < 0 ? at + size : at, low, most); };
  const std::int64_t first = place(start, step > 0 ? 0 : (size == 0 ? -1 : 0));
  const std::int64_t last = place(end, least);
  const std::int64_t distance = step > 0 ? last - first : first - last;
  if (distance <= 0) return {0, 0, 1};
  // The smallest number has no opposite, but any step beyond the distance takes one element.
  const std::int64_t stride = step == std::numeric_limits<std::int64_t>::min() ? std::numeric_limits<std::int64_t>::max()
                              : step < 0                                       ? -step
                                                                               : step;
  const std::int64_t count = (distance - 1) / stride + 1;
  return {first, count, count == 1 ? 1 : step};
}

/// One axis number per start, normalised; steps filled in.
struct Normalized {
  std::vector<std::size_t> axes;
  Sizes steps;
};

Normalized normalized(const Request& r, std::size_t rank) {
  const std::size_t n = r.starts.size();
  if (r.ends.size() != n) fail("there are " + std::to_string(n) + " starts but " + std::to_string(r.ends.size()) + " ends");
  Normalized result{{}, r.steps};
  if (r.axes.empty()) {
    if (n > rank) fail("there are " + std::to_string(n) + " starts for " + std::to_string(rank) + " dimensions");
    result.axes.resize(n);
    std::iota(result.axes.begin(), result.axes.end(), std::size_t{0});
  } else {
    if (r.axes.size() != n) fail("there are " + std::to_string(n) + " starts but " + std::to_string(r.axes.size()) + " axes");
    axes_in(r.axes, rank);  // refuses repeated ones
    for (const std::int64_t axis : r.axes) result.axes.push_back(axis_in(axis, rank));
  }
  if (result.steps.empty()) result.steps.assign(n, 1);
  if (result.steps.size() != n) fail("there are " + std::to_string(n) + " starts but " + std::to_string(r.steps.size()) + " steps");
  return result;
}

/// The range of every axis of `shape`.
std::vector<Range> ranges_of(const Shape& shape, const Request& request) {
  const Normalized n = normalized(request, shape.rank());
  std::vector<Range> ranges;
  for (const std::int64_t size : shape) ranges.push_back({0, size, 1});
  for (std::size_t i = 0; i < n.axes.size(); ++i) {
    ranges[n.axes[i]] = range_on(shape[n.axes[i]], request.starts[i], request.ends[i], n.steps[i]);
  }
  return ranges;
}

Request request_from(const Attributes& attributes) {
  return {attributes.get_ints("starts"), attributes.get_ints("ends"), attributes.get_ints("axes"), {}};
}

/// Calls `ints_at(i)` for the inputs there are; nothing if one of them is not known.
template <class IntsAt>
std::optional<Request> request_from_inputs(IntsAt ints_at) {
  Request request;
  Sizes* parts[] = {&request.starts, &request.ends, &request.axes, &request.steps};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::optional<Sizes> values = ints_at(i + 1);
    if (!values) return std::nullopt;
    *parts[i] = *values;
  }
  return request;
}

std::vector<TensorType> slice_type(const TypeContext& c, bool from_inputs) {
  const TensorType& x = input(c, 0);
  if (!x.dims) return {x};
  const auto request = from_inputs ? request_from_inputs([&](std::size_t i) { return has_input(c, i) ? constant_ints(c, i) : Sizes{}; })
                                   : std::optional(request_from(c.attributes));
  if (request) {
    const Normalized n = normalized(*request, x.dims->size());
    Dims out = *x.dims;
    for (std::size_t i = 0; i < n.axes.size(); ++i) {
      Dim& d = out[n.axes[i]];
      const bool whole = request->starts[i] == 0 && n.steps[i] == 1 && request->ends[i] >= std::numeric_limits<std::int32_t>::max();
      if (d.known()) {
        d = range_on(d.size, request->starts[i], request->ends[i], n.steps[i]).count;
      } else if (!whole) {
        d = Dim();
      }
    }
    return {TensorType(x.dtype, out)};
  }
  // Only the axes named can change; if not even those are known, any can.
  Dims out = *x.dims;
  const auto axes = has_input(c, 3) ? constant_ints(c, 3) : std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!axes) out[i] = Dim();
  }
  if (axes) {
    for (const std::size_t axis : axes_in(*axes, out.size())) out[axis] = Dim();
  }
  return {TensorType(x.dtype, out)};
}

Tensor sliced(Tensor x, const Request& request) {
  const std::vector<Range> ranges = ranges_of(x.shape(), request);
  for (std::size_t axis = 0; axis < ranges.size(); ++axis) x = x.slice(axis, ranges[axis].start, ranges[axis].count, ranges[axis].step);
  return x.contiguous();
}

std::vector<Tensor> slice_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  const auto request = request_from_inputs(
      [&](std::size_t i) { return std::optional(argument(in, i).defined() ? ints_of(in[i], "input " + std::to_string(i)) : Sizes{}); });
  return {sliced(in[0], *request)};
}

std::vector<Tensor> slice1_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  return {sliced(in[0], request_from(attributes))};
}

void emit_slice(LoweringContext& c, const Request& request) {
  const Shape& shape = c.shape(c.input(0));
  const auto strides = shape.row_major_strides();
  std::int64_t offset = 0;
  Sizes steps;
  const std::vector<Range> ranges = ranges_of(shape, request);
  for (std::size_t axis = 0; axis < ranges.size(); ++axis) {
    offset += ranges[axis].start * strides[axis];
    steps.push_back(ranges[axis].count <= 1 ? strides[axis] : ranges[axis].step * strides[axis]);
  }
  emit_view(c, c.input(0), offset, steps, c.output(0));
}

bool lower_slice(LoweringContext& c) {
  if (!fixed_size.contains(c.dtype(c.input(0)))) return false;
  const auto request = request_from_inputs([&](std::size_t i) -> std::optional<Sizes> {
    if (!c.has_input(i)) return Sizes{};
    const Tensor known = c.constant_value(c.input(i));
    return known.defined() ? std::optional(ints_of(known, "input " + std::to_string(i))) : std::nullopt;
  });
  if (!request) return false;
  emit_slice(c, *request);
  return true;
}

bool lower_slice1(LoweringContext& c) {
  if (!inputs_are(c, fixed_size)) return false;
  emit_slice(c, request_from(c.attributes()));
  return true;
}

// Split: sizes from an attribute (until version 12) or an input; without them the outputs are equal.

/// How many parts there are: as many as sizes are given, as num_outputs says (which outlives an output that nobody reads), else one an output.
std::size_t part_count(const Sizes& given, const Attributes& attributes, std::size_t outputs) {
  const std::int64_t count =
      !given.empty() ? static_cast<std::int64_t>(given.size()) : attributes.get_int("num_outputs", static_cast<std::int64_t>(outputs));
  if (count < static_cast<std::int64_t>(outputs) || count > 65536)
    fail("there are " + std::to_string(count) + " parts but " + std::to_string(outputs) + " outputs");
  return static_cast<std::size_t>(count);
}

/// The sizes of `count` parts of an axis of `size`, given or equal. Before version 18, what does not divide evenly is refused; since then the
/// last part is smaller.
Sizes part_sizes(const Sizes& given, std::int64_t size, std::size_t count, bool uneven) {
  if (!given.empty()) {
    std::int64_t total = 0;
    for (const std::int64_t part : given) {
      if (part < 0) fail("a part has size " + std::to_string(part));
      total = add(total, part);
    }
    if (total != size) fail("the parts add up to " + std::to_string(total) + " but the axis has size " + std::to_string(size));
    return given;
  }
  const auto parts = static_cast<std::int64_t>(count);
  if (uneven) {
    const std::int64_t part = size / parts + (size % parts != 0 ? 1 : 0);
    Sizes sizes;
    for (std::int64_t left = size; sizes.size() < count; left -= sizes.back()) sizes.push_back(std::min(part, left));
    return sizes;
  }
  if (size % parts != 0)
    fail("an axis of size " + std::to_string(size) + " does not divide into " + std::to_string(parts) + " equal parts");
  return Sizes(count, size / parts);
}

std::vector<TensorType> split_type(const TypeContext& c, bool from_inputs, bool uneven) {
  const TensorType& x = input(c, 0);
  const auto given = !from_inputs      ? std::optional(c.attributes.get_ints("split"))
                     : has_input(c, 1) ? constant_ints(c, 1)
                                       : std::optional(Sizes{});
  if (!x.dims) return std::vector<TensorType>(c.output_count, x);
  const std::size_t axis = axis_in(c.attributes.get_int("axis", 0), x.dims->size());
  std::vector<TensorType> types(c.output_count, x);
  const Dim& size = (*x.dims)[axis];
  Sizes parts;
  if (given) part_count(*given, c.attributes, c.output_count);
  if (given && size.known()) parts = part_sizes(*given, size.size, part_count(*given, c.attributes, c.output_count), uneven);
  if (given && !size.known()) parts = *given;
  for (std::size_t i = 0; i < types.size(); ++i) (*types[i].dims)[axis] = i < parts.size() ? Dim(parts[i]) : Dim();
  return types;
}

std::vector<Tensor> split(const Tensor& x, const Sizes& given, const Attributes& attributes, std::size_t output_count, bool uneven) {
  const std::size_t axis = axis_in(attributes.get_int("axis", 0), x.rank());
  std::vector<Tensor> outputs;
  std::int64_t start = 0;
  for (const std::int64_t part : part_sizes(given, x.shape()[axis], part_count(given, attributes, output_count), uneven)) {
    if (outputs.size() == output_count) break;
    outputs.push_back(x.slice(axis, start, part).contiguous());
    start += part;
  }
  return outputs;
}

std::vector<Tensor> split_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count, bool uneven) {
  return split(in[0], argument(in, 1).defined() ? ints_of(in[1], "input 1 (split)") : Sizes{}, attributes, output_count, uneven);
}

std::vector<Tensor> split2_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  return split(in[0], attributes.get_ints("split"), attributes, output_count, false);
}

/// The types of the outputs say where each part begins.
bool lower_split(LoweringContext& c) {
  if (!fixed_size.contains(c.dtype(c.input(0)))) return false;
  const Shape& shape = c.shape(c.input(0));
  const std::size_t axis = axis_in(c.attributes().get_int("axis", 0), shape.rank());
  const auto strides = shape.row_major_strides();
  const Sizes steps(strides.begin(), strides.begin() + static_cast<std::ptrdiff_t>(shape.rank()));
  std::int64_t start = 0;
  for (std::size_t i = 0; i < c.output_count(); ++i) {
    emit_view(c, c.input(0), start * strides[axis], steps, c.output(i));
    start += c.shape(c.output(i))[axis];
  }
  return true;
}

}  // namespace

void add_slice(OperatorRegistry& registry) {
  registry.add(onnx(
      "Slice", {10}, schema({"data", "starts", "ends", "axes?", "steps?"}, {"output"}),
      [](const TypeContext& c) { return slice_type(c, true); }, slice_kernel, lower_slice));
  registry.add(onnx(
      "Slice@1", {1, 9}, schema({"data"}, {"output"}, {integers("axes"), required(integers("ends")), required(integers("starts"))}),
      [](const TypeContext& c) { return slice_type(c, false); }, slice1_kernel, lower_slice1));
  // num_outputs came with version 18; before it, it keeps what a file says by the outputs that it names.
  const auto since_13 = [&](const char* type, Versions versions, bool uneven) {
    registry.add(onnx(
        type, versions, schema({"input", "split?"}, {"outputs..."}, {integer("axis", 0), integer("num_outputs")}),
        [uneven](const TypeContext& c) { return split_type(c, true, uneven); },
        [uneven](std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
          return split_kernel(in, attributes, output_count, uneven);
        },
        lower_split));
  };
  since_13("Split", {13, 17}, false);
  since_13("Split@18", {18}, true);
  registry.add(onnx(
      "Split@2", {2, 12}, schema({"input"}, {"outputs..."}, {integer("axis", 0), integers("split"), integer("num_outputs")}),
      [](const TypeContext& c) { return split_type(c, false, false); }, split2_kernel, lower_split));
}

}  // namespace lazyfx::ops
