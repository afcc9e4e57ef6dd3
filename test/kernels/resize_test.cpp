#define BOOST_TEST_MODULE kernels_resize
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>

#include "kernel_fixture.hpp"

using namespace kernel_test;
using primitive::CoordinateMode;
using primitive::NearestMode;
using primitive::ResizeMode;

namespace {

const std::vector<CoordinateMode> coordinates{CoordinateMode::half_pixel, CoordinateMode::pytorch_half_pixel, CoordinateMode::align_corners,
                                              CoordinateMode::asymmetric};
const std::vector<NearestMode> nearest_modes{NearestMode::round_prefer_floor, NearestMode::round_prefer_ceil, NearestMode::floor,
                                             NearestMode::ceil};

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// Where an output coordinate lies in the input, as ONNX defines it; in f32, since nearest depends on which side of a half it falls.
float source(const primitive::Resize& r, std::size_t axis, std::int64_t i, std::int64_t in, std::int64_t out) {
  const auto x = static_cast<float>(i), scale = static_cast<float>(r.scales[axis]);
  switch (r.coordinates) {
    case CoordinateMode::half_pixel: return (x + 0.5f) / scale - 0.5f;
    case CoordinateMode::pytorch_half_pixel: return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case CoordinateMode::align_corners: return out > 1 ? x * static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0;
    default: return x / scale;
  }
}

struct Tap {
  std::int64_t index;
  double weight;
};

/// What one output element takes from one axis of the input.
std::vector<Tap> taps(const primitive::Resize& r, std::size_t axis, std::int64_t i, std::int64_t in, std::int64_t out) {
  if (in == out && r.scales[axis] == 1) return {{i, 1}};
  const auto inside = [in](double x) { return std::clamp<std::int64_t>(static_cast<std::int64_t>(x), 0, in - 1); };
  const float x = source(r, axis, i, in, out);
  if (r.mode == ResizeMode::nearest) {
    switch (r.nearest) {
      case NearestMode::round_prefer_floor: return {{inside(std::ceil(x - 0.5f)), 1}};
      case NearestMode::round_prefer_ceil: return {{inside(std::floor(x + 0.5f)), 1}};
      case NearestMode::floor: return {{inside(std::floor(x)), 1}};
      case NearestMode::ceil: return {{inside(std::ceil(x)), 1}};
    }
  }
  const double base = std::floor(static_cast<double>(x)), s = static_cast<double>(x) - base, a = r.cubic_a;
  if (r.mode == ResizeMode::linear) return {{inside(base), 1 - s}, {inside(base + 1), s}};
  const auto close_by = [a](double t) { return (a + 2) * t * t * t - (a + 3) * t * t + 1; };
  const auto further = [a](double t) { return a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a; };
  std::vector<Tap> all{{inside(base - 1), further(s + 1)},
                       {inside(base), close_by(s)},
                       {inside(base + 1), close_by(1 - s)},
                       {inside(base + 2), further(2 - s)}};
  if (!r.exclude_outside) return all;
  double sum = 0;
  for (int k = 0; k < 4; ++k) {
    Tap& tap = all[static_cast<std::size_t>(k)];
    if (base + k - 1 < 0 || base + k - 1 > static_cast<double>(in - 1)) tap.weight = 0;
    sum += tap.weight;
  }
  for (Tap& tap : all) tap.weight /= sum;
  return all;
}

/// The definition: the sum over all combinations of taps, all axes at once.
Values expected_of(const primitive::Resize& r, const Shape& in, const Shape& out, const Values& values) {
  Values result;
  for_each_index(out, [&](const std::vector<std::int64_t>& at) {
    std::vector<Tap> sum{{0, 1}};
    for (std::size_t axis = 0; axis < in.rank(); ++axis) {
      std::vector<Tap> next;
      for (const Tap& before : sum) {
        for (const Tap& tap : taps(r, axis, at[axis], in[axis], out[axis])) {
          if (tap.weight != 0) next.push_back({before.index * in[axis] + tap.index, before.weight * tap.weight});
        }
      }
      sum = std::move(next);
    }
    double value = sum.size() == 1 ? values[static_cast<std::size_t>(sum[0].index)] * sum[0].weight : 0;
    if (sum.size() > 1) {
      for (const Tap& tap : sum) value += values[static_cast<std::size_t>(tap.index)] * tap.weight;
    }
    result.push_back(value);
  });
  return result;
}

void check(const primitive::Resize& r, const Shape& in, const Shape& out, Layout layout, DType dtype) {
  const bool exact = r.mode == ResizeMode::nearest;
  const Values values = dtype == DType::f32 || dtype == DType::f64 ? random_values(in.size()) : random_integers(in.size(), 0, 100);
  Run run{r, {{dtype, in, layout}}, {dtype, out, layout}, {values}};
  // Coefficients are f32 as well, computed from coordinates of a few hundred.
  check_close(run(), expected_of(r, in, out, values), 0, exact ? 0 : 4e-4, "resize of " + to_string(in) + " to " + to_string(out));
}

struct Case {
  primitive::Resize resize;
  Shape in, out;
};

Case random_case(ResizeMode mode) {
  Case c;
  c.resize.mode = mode;
  c.resize.coordinates = coordinates[static_cast<std::size_t>(random_int(0, 3))];
  c.resize.nearest = nearest_modes[static_cast<std::size_t>(random_int(0, 3))];
  c.resize.cubic_a = random_int(0, 1) == 0 ? -0.75 : -0.5;
  c.resize.exclude_outside = mode == ResizeMode::cubic && random_int(0, 1) == 0;
  const auto spatial = static_cast<std::size_t>(random_int(1, mode == ResizeMode::cubic ? 2 : 3));
  std::vector<std::int64_t> in{random_int(1, 2), random_int(0, 2) == 0 ? random_int(16, 40) : random_int(1, 9)}, out = in;
  c.resize.scales = {1, 1};
  for (std::size_t i = 0; i < spatial; ++i) {
    in.push_back(random_int(1, spatial == 1 ? 60 : spatial == 2 ? 16 : 6));
    const bool same = random_int(0, 5) == 0;
    out.push_back(same ? in.back() : random_int(1, spatial == 1 ? 90 : spatial == 2 ? 30 : 8));
    c.resize.scales.push_back(static_cast<double>(out.back()) / static_cast<double>(in.back()));
  }
  c.in = shape_of(in);
  c.out = shape_of(out);
  return c;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_mode_resizes_as_defined_in_every_layout) {
  for (const ResizeMode mode : {ResizeMode::nearest, ResizeMode::linear, ResizeMode::cubic}) {
    for (int round = 0; round < 120; ++round) {
      const Case c = random_case(mode);
      for (const Layout layout : layouts_of(c.in.rank())) check(c.resize, c.in, c.out, layout, DType::f32);
    }
  }
}

BOOST_AUTO_TEST_CASE(rows_of_every_width_are_resized_to_their_ends) {
  for (const ResizeMode mode : {ResizeMode::nearest, ResizeMode::linear, ResizeMode::cubic}) {
    for (std::int64_t out = 1; out < 70; ++out) {
      primitive::Resize r;
      r.mode = mode;
      r.scales = {1, 1, 1, static_cast<double>(out) / 13};
      check(r, {1, 2, 3, 13}, {1, 2, 3, out}, Layout::row_major, DType::f32);
      r.scales = {1, 1, static_cast<double>(out) / 5, 1};
      for (const Layout layout : layouts_of(4)) check(r, {1, out, 5, 2}, {1, out, out, 2}, layout, DType::f32);
    }
  }
}

BOOST_AUTO_TEST_CASE(other_types_are_resized) {
  for (int round = 0; round < 40; ++round) {
    const Case c = random_case(round % 2 == 0 ? ResizeMode::linear : ResizeMode::cubic);
    for (const Layout layout : layouts_of(c.in.rank())) check(c.resize, c.in, c.out, layout, DType::f64);
    Case nearest = random_case(ResizeMode::nearest);
    for (const DType dtype : {DType::u8, DType::i16, DType::i64}) check(nearest.resize, nearest.in, nearest.out, Layout::row_major, dtype);
  }
}

BOOST_AUTO_TEST_CASE(nearest_keeps_nan_and_its_payload) {
  primitive::Resize r;
  r.scales = {1, 1, 2};
  const Operand in{DType::f32, {1, 1, 3}}, out{DType::f32, {1, 1, 6}};
  const auto kernel = make_kernel({r, {in}, out, {}, nullptr});
  const std::array<std::uint32_t, 3> bits{0x7fc12345, 0xffa00001, 0x80000000};
  Guarded result(bytes_of(out)), scratch(kernel->scratch_bytes());
  const void* inputs[] = {bits.data()};
  kernel->run(inputs, result.data(), scratch.data());
  for (std::size_t i = 0; i < 6; ++i) {
    std::uint32_t got;
    std::memcpy(&got, result.data() + i * sizeof got, sizeof got);
    BOOST_TEST(got == bits[i / 2]);
  }
}

BOOST_AUTO_TEST_CASE(empty_operands_are_left_alone_and_impossible_ones_refused) {
  for (const ResizeMode mode : {ResizeMode::nearest, ResizeMode::linear}) {
    primitive::Resize r;
    r.mode = mode;
    r.scales = {1, 1, 2, 2};
    for (const Layout layout : layouts_of(4)) {
      check(r, {0, 3, 4, 4}, {0, 3, 8, 8}, layout, DType::f32);
      check(r, {1, 0, 4, 4}, {1, 0, 8, 8}, layout, DType::f32);
    }
    const Operand in{DType::f32, {1, 1, 0, 4}}, out{DType::f32, {1, 1, 8, 8}};
    BOOST_CHECK_THROW(make_kernel({r, {in}, out, {}, nullptr}), Error);
    BOOST_CHECK_THROW(make_kernel({r, {{DType::f32, {1, 4, 4}}}, out, {}, nullptr}), Error);
  }
}
