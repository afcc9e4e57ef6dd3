#include <algorithm>
#include <cmath>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using primitive::NearestMode;
using primitive::ResizeMode;
using Sizes = std::vector<std::int64_t>;
using Reals = std::vector<double>;

/// The primitive's modes, one that came and went with version 11, and the rule of version 10.
enum class Coordinates : std::uint8_t {
  half_pixel,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_crop_and_resize,
  tf_half_pixel_for_nn
};

/// How to sample, from whatever version's attributes.
struct Sampling {
  ResizeMode mode = ResizeMode::nearest;
  Coordinates coordinates = Coordinates::asymmetric;
  NearestMode nearest = NearestMode::floor;
  /// Before version 11: nearest means floor when growing and ceil when shrinking.
  bool nearest_by_direction = false;
  double cubic_a = -0.75;
  bool exclude_outside = false;
  double extrapolation = 0;
};

template <class E>
struct Named {
  const char* name;
  E value;
};

template <class E, std::size_t N>
E named(const Named<E> (&table)[N], const std::string& name, const char* attribute) {
  for (const auto& row : table) {
    if (name == row.name) return row.value;
  }
  fail("attribute " + std::string(attribute) + " is \"" + name + "\", which is not known");
}

constexpr Named<ResizeMode> modes[] = {{"nearest", ResizeMode::nearest}, {"linear", ResizeMode::linear}, {"cubic", ResizeMode::cubic}};
constexpr Named<Coordinates> coordinate_modes[] = {{"half_pixel", Coordinates::half_pixel},
                                                   {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
                                                   {"align_corners", Coordinates::align_corners},
                                                   {"asymmetric", Coordinates::asymmetric},
                                                   {"tf_crop_and_resize", Coordinates::tf_crop_and_resize},
                                                   {"tf_half_pixel_for_nn", Coordinates::tf_half_pixel_for_nn}};
constexpr Named<NearestMode> nearest_modes[] = {{"round_prefer_floor", NearestMode::round_prefer_floor},
                                                {"round_prefer_ceil", NearestMode::round_prefer_ceil},
                                                {"floor", NearestMode::floor},
                                                {"ceil", NearestMode::ceil}};

Sampling sampling_of(const Attributes& a) {
  Sampling s;
  s.mode = named(modes, a.get_string("mode", "nearest"), "mode");
  s.coordinates = named(coordinate_modes, a.get_string("coordinate_transformation_mode", "half_pixel"), "coordinate_transformation_mode");
  s.nearest = named(nearest_modes, a.get_string("nearest_mode", "round_prefer_floor"), "nearest_mode");
  s.cubic_a = a.get_float("cubic_coeff_a", -0.75);
  s.exclude_outside = a.get_int("exclude_outside", 0) != 0;
  s.extrapolation = a.get_float("extrapolation_value", 0);
  return s;
}

Sampling old_sampling_of(const Attributes& a) {
  Sampling s;
  s.mode = named(modes, a.get_string("mode", "nearest"), "mode");
  s.nearest_by_direction = true;
  return s;
}

Sampling upsampling_of(const Attributes& a) {
  Sampling s = old_sampling_of(a);
  s.nearest_by_direction = false;
  return s;
}

/// What one application asks for: a scale per axis, or a size per axis; the region only for tf_crop_and_resize.
struct Request {
  Reals scales;
  Sizes sizes;
  Reals region;
};

void check(const Request& r, std::size_t rank) {
  if (r.scales.empty() == r.sizes.empty()) fail("exactly one of scales and sizes must be given");
  const std::size_t given = r.scales.empty() ? r.sizes.size() : r.scales.size();
  if (given != rank)
    fail("there are " + std::to_string(given) + (r.scales.empty() ? " sizes" : " scales") + " for " + std::to_string(rank) + " dimensions");
  for (const double s : r.scales) {
    if (!(s > 0) || std::isinf(s)) fail("a scale is " + std::to_string(s));
  }
  for (const std::int64_t s : r.sizes) {
    if (s < 0) fail("a size is " + std::to_string(s));
  }
}

/// floor(size * scale), rounded as f32 first: 10 * 2.3 is 23, as everywhere.
std::int64_t scaled(std::int64_t size, double scale) {
  const float result = std::floor(static_cast<float>(size) * static_cast<float>(scale));
  if (!(result < 0x1p62F)) fail("a size of " + std::to_string(size) + " scaled by " + std::to_string(scale) + " is out of range");
  return static_cast<std::int64_t>(result);
}

Dims resized(const Dims& dims, const Request& r) {
  check(r, dims.size());
  Dims out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (!r.sizes.empty()) {
      out.emplace_back(r.sizes[i]);
    } else if (r.scales[i] == 1) {
      out.push_back(dims[i]);
    } else {
      out.push_back(dims[i].known() ? Dim(scaled(dims[i].size, r.scales[i])) : Dim());
    }
  }
  return out;
}

// The request of each version. `value(i)` gives input i: undefined when absent; nothing when it is not known yet.

using InputValue = std::function<std::optional<Tensor>(std::size_t)>;
using RequestOf = std::optional<Request> (*)(const InputValue& value, const Attributes& attributes);

Reals reals_in(const Tensor& t) { return t.defined() ? read<double>(t) : Reals{}; }

std::optional<Request> request_of_11(const InputValue& value, const Attributes&) {
  const auto region = value(1);
  const auto scales = value(2);
  const auto sizes = value(3);
  if (!region || !scales || !sizes) return std::nullopt;
  return Request{reals_in(*scales), sizes->defined() ? ints_of(*sizes, "input 3 (sizes)") : Sizes{}, reals_in(*region)};
}

std::optional<Request> request_of_9(const InputValue& value, const Attributes&) {
  const auto scales = value(1);
  return scales ? std::optional(Request{reals_in(*scales), {}, {}}) : std::nullopt;
}

std::optional<Request> request_of_7(const InputValue&, const Attributes& attributes) {
  return Request{attributes.get_floats("scales"), {}, {}};
}

/// The scale per axis: the one given, or the ratio of the sizes.
Reals scales_of(const Request& r, const Shape& from, const Shape& to) {
  if (r.sizes.empty()) return r.scales;
  Reals scales;
  for (std::size_t i = 0; i < from.rank(); ++i)
    scales.push_back(static_cast<double>(to[i]) / static_cast<double>(std::max<std::int64_t>(from[i], 1)));
  return scales;
}

/// Where output coordinate x lies on an input axis. In f32, because ties between two pixels are decided by its rounding in the
/// implementations that models were made with.
float source(const Sampling& s, std::int64_t x, float scale, std::int64_t from, std::int64_t to, float region_start, float region_end) {
  const auto at = static_cast<float>(x);
  const auto last = static_cast<float>(from - 1);
  switch (s.coordinates) {
    case Coordinates::half_pixel: return (at + 0.5F) / scale - 0.5F;
    case Coordinates::pytorch_half_pixel: return to > 1 ? (at + 0.5F) / scale - 0.5F : 0.0F;
    // Corners are those of the output as it is: a scale that does not give a whole size is not followed beyond it.
    case Coordinates::align_corners: return to == 1 ? 0.0F : at * last / static_cast<float>(to - 1);
    case Coordinates::asymmetric: return at / scale;
    case Coordinates::tf_half_pixel_for_nn: return (at + 0.5F) / scale;
    case Coordinates::tf_crop_and_resize:
      return to > 1 ? region_start * last + at * (region_end - region_start) * last / static_cast<float>(to - 1)
                    : 0.5F * (region_start + region_end) * last;
  }
  return 0;
}

float rounded(const Sampling& s, float x, float scale) {
  if (s.nearest_by_direction) return scale < 1 ? std::ceil(x) : std::floor(x);
  switch (s.nearest) {
    case NearestMode::round_prefer_floor: return std::ceil(x - 0.5F);
    case NearestMode::round_prefer_ceil: return std::floor(x + 0.5F);
    case NearestMode::floor: return std::floor(x);
    case NearestMode::ceil: return std::ceil(x);
  }
  return x;
}

/// One output coordinate of one axis: which inputs it mixes. No taps: outside of the region, the extrapolation value stands there.
struct Tap {
  std::int64_t at;
  double weight;
};
using Taps = std::vector<Tap>;

Taps cubic_taps(const Sampling& s, double x, std::int64_t from) {
  const double base = std::floor(x);
  const double r = x - base;
  const double a = s.cubic_a;
  const double weights[] = {((a * (r + 1) - 5 * a) * (r + 1) + 8 * a) * (r + 1) - 4 * a, ((a + 2) * r - (a + 3)) * r * r + 1,
                            ((a + 2) * (1 - r) - (a + 3)) * (1 - r) * (1 - r) + 1,
                            ((a * (2 - r) - 5 * a) * (2 - r) + 8 * a) * (2 - r) - 4 * a};
  Taps taps;
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    const auto at = static_cast<std::int64_t>(base) - 1 + i;
    const bool outside = at < 0 || at >= from;
    if (outside && s.exclude_outside) continue;
    taps.push_back({std::clamp<std::int64_t>(at, 0, from - 1), weights[i]});
    sum += weights[i];
  }
  if (s.exclude_outside) {
    for (Tap& tap : taps) tap.weight /= sum;
  }
  return taps;
}

Taps taps_at(const Sampling& s, std::int64_t x, double scale, std::int64_t from, std::int64_t to, float region_start, float region_end) {
  const auto scale32 = static_cast<float>(scale);
  const float at = source(s, x, scale32, from, to, region_start, region_end);
  const auto last = static_cast<float>(from - 1);
  if (s.coordinates == Coordinates::tf_crop_and_resize && (at < 0 || at > last)) return {};
  if (s.mode == ResizeMode::cubic) return cubic_taps(s, static_cast<double>(at), from);
  if (s.mode == ResizeMode::nearest) return {{static_cast<std::int64_t>(std::clamp(rounded(s, at, scale32), 0.0F, last)), 1.0}};
  const double inside = std::clamp(static_cast<double>(at), 0.0, static_cast<double>(last));
  const auto low = static_cast<std::int64_t>(inside);
  const double share = inside - static_cast<double>(low);
  return {{low, 1 - share}, {std::min(low + 1, from - 1), share}};
}

/// Resamples one axis of an array seen as outer x from x inner.
void resample(Reals& values, std::vector<bool>& outside, std::int64_t outer, std::int64_t from, std::int64_t inner,
              const std::vector<Taps>& taps) {
  const auto to = static_cast<std::int64_t>(taps.size());
  Reals out(static_cast<std::size_t>(outer * to * inner));
  std::vector<bool> out_outside(out.size());
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t x = 0; x < to; ++x) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const auto place = static_cast<std::size_t>((o * to + x) * inner + i);
        out_outside[place] = taps[static_cast<std::size_t>(x)].empty();
        for (const Tap& tap : taps[static_cast<std::size_t>(x)]) {
          const auto origin = static_cast<std::size_t>((o * from + tap.at) * inner + i);
          out[place] += tap.weight * values[origin];
          if (outside[origin]) out_outside[place] = true;
        }
      }
    }
  }
  values = std::move(out);
  outside = std::move(out_outside);
}

Tensor resize(const Tensor& x, const Sampling& s, const Request& r) {
  const Dims dims(x.shape().begin(), x.shape().end());
  const Shape to = TensorType(x.dtype(), resized(dims, r)).shape();
  if (x.size() == 0) {
    if (to.size() != 0) fail("a tensor without elements cannot be resized to " + to_string(to));
    return Tensor::empty(x.dtype(), to);
  }
  Tensor::empty(x.dtype(), to);  // refuses what cannot be held before its taps are listed
  const Reals scales = scales_of(r, x.shape(), to);
  const std::size_t rank = x.rank();
  if (s.coordinates == Coordinates::tf_crop_and_resize && r.region.size() != 2 * rank) {
    fail("input 1 (roi) has " + std::to_string(r.region.size()) + " elements where " + std::to_string(2 * rank) + " are expected");
  }
  Reals values = read<double>(x);
  std::vector<bool> outside(values.size());
  Sizes current(x.shape().begin(), x.shape().end());
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const bool crops = s.coordinates == Coordinates::tf_crop_and_resize;
    if (!crops && scales[axis] == 1 && to[axis] == current[axis]) continue;
    const auto region_start = static_cast<float>(crops ? r.region[axis] : 0);
    const auto region_end = static_cast<float>(crops ? r.region[axis + rank] : 1);
    std::vector<Taps> taps;
    for (std::int64_t i = 0; i < to[axis]; ++i)
      taps.push_back(taps_at(s, i, scales[axis], current[axis], to[axis], region_start, region_end));
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (std::size_t i = 0; i < rank; ++i) {
      if (i != axis) (i < axis ? outer : inner) *= current[i];
    }
    resample(values, outside, outer, current[axis], inner, taps);
    current[axis] = to[axis];
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (outside[i]) values[i] = s.extrapolation;
  }
  return write(x.dtype(), to, values);
}

/// The primitive for this application, if it has one: N and C stay, and the rule is one it knows.
std::optional<primitive::Resize> as_primitive(const Sampling& s, const Reals& scales) {
  primitive::Resize p;
  p.mode = s.mode;
  p.scales = scales;
  p.cubic_a = s.cubic_a;
  p.exclude_outside = s.exclude_outside;
  p.nearest = s.nearest;
  switch (s.coordinates) {
    case Coordinates::half_pixel: p.coordinates = primitive::CoordinateMode::half_pixel; break;
    case Coordinates::pytorch_half_pixel: p.coordinates = primitive::CoordinateMode::pytorch_half_pixel; break;
    case Coordinates::align_corners: p.coordinates = primitive::CoordinateMode::align_corners; break;
    case Coordinates::asymmetric: p.coordinates = primitive::CoordinateMode::asymmetric; break;
    case Coordinates::tf_crop_and_resize:
    case Coordinates::tf_half_pixel_for_nn: return std::nullopt;
  }
  if (s.nearest_by_direction && s.mode == ResizeMode::nearest) {
    const bool grows = std::any_of(scales.begin(), scales.end(), [](double v) { return v > 1; });
    const bool shrinks = std::any_of(scales.begin(), scales.end(), [](double v) { return v < 1; });
    if (grows && shrinks) return std::nullopt;
    p.nearest = shrinks ? NearestMode::ceil : NearestMode::floor;
  }
  return p;
}

bool lower(const Sampling& s, const Request& r, LoweringContext& c) {
  const ValueRef x = c.input(0);
  const Shape from = c.shape(x);
  const Shape to = c.shape(c.output(0));
  if (!DTypeSet{DType::f32}.contains(c.dtype(x)) || from.rank() < 3 || from.rank() > 5 || from.size() == 0 || to.size() == 0) return false;
  const Reals scales = scales_of(r, from, to);
  const auto p = as_primitive(s, scales);
  if (!p || scales[0] != 1 || scales[1] != 1) return false;
  if (from == to && std::all_of(scales.begin(), scales.end(), [](double v) { return v == 1; })) {
    c.alias(x, c.output(0));
  } else {
    c.emit(*p, {x}, c.output(0));
  }
  return true;
}

using SamplingOf = Sampling (*)(const Attributes&);

Operator define(const char* type, Versions versions, Schema s, SamplingOf sampling, RequestOf request) {
  const TypeRule rule = [=](const TypeContext& c) -> std::vector<TensorType> {
    const TensorType& x = input(c, 0, numbers, "X");
    sampling(c.attributes);
    const auto wanted = request(
        [&](std::size_t i) -> std::optional<Tensor> {
          if (!has_input(c, i)) return Tensor();
          // An input of no elements counts as absent, and its type says so before its value is known.
          if (c.inputs[i]->dims == Dims{0}) return Tensor();
          const Tensor known = constant(c, i);
          return known.defined() ? std::optional(known) : std::nullopt;
        },
        c.attributes);
    if (!x.dims) return {x};
    return {TensorType(x.dtype, wanted ? resized(*x.dims, *wanted) : unknown_dims(x.dims->size()))};
  };
  const ReferenceKernel kernel = [=](std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
    const auto wanted = request([&](std::size_t i) { return std::optional(argument(in, i)); }, attributes);
    return std::vector{resize(in[0], sampling(attributes), *wanted)};
  };
  const Lowering lowering = [=](LoweringContext& c) {
    const auto wanted = request(
        [&](std::size_t i) -> std::optional<Tensor> {
          if (!c.has_input(i) || c.shape(c.input(i)).size() == 0) return Tensor();
          const Tensor known = c.constant_value(c.input(i));
          // The region is read by one mode only, which the reference kernel runs.
          if (i == 1 && request == request_of_11 && !known.defined()) return Tensor();
          return known.defined() ? std::optional(known) : std::nullopt;
        },
        c.attributes());
    return wanted.has_value() && lower(sampling(c.attributes()), *wanted, c);
  };
  return onnx(type, versions, std::move(s), rule, kernel, lowering);
}

}  // namespace

void add_resize(OperatorRegistry& registry) {
  registry.add(
      define("Resize", {11, 17},
             schema({"X", "roi?", "scales?", "sizes?"}, {"Y"},
                    {text("coordinate_transformation_mode", "half_pixel"), real("cubic_coeff_a", -0.75), integer("exclude_outside", 0),
                     real("extrapolation_value", 0), text("mode", "nearest"), text("nearest_mode", "round_prefer_floor")}),
             sampling_of, request_of_11));
  registry.add(define("Resize@10", {10, 10}, schema({"X", "scales"}, {"Y"}, {text("mode", "nearest")}), old_sampling_of, request_of_9));
  registry.add(define("Upsample", {9, 9}, schema({"X", "scales"}, {"Y"}, {text("mode", "nearest")}), upsampling_of, request_of_9));
  registry.add(define("Upsample@7", {7, 8}, schema({"X"}, {"Y"}, {text("mode", "nearest"), required(reals("scales"))}), upsampling_of,
                      request_of_7));
}

}  // namespace lazyfx::ops
