#include <cmath>
#include <numbers>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// Windows

DType output_dtype(const Attributes& attributes) { return attributes.get_dtype("output_datatype", DType::f32); }

/// Sizes beyond what a tensor of doubles can be are refused here, in a sentence.
std::int64_t window_size(const Tensor& size) {
  const std::int64_t n = int_of(size, "input 0 (size)");
  if (n < 0) fail("input 0 (size) is " + std::to_string(n));
  return n;
}

std::vector<TensorType> window_type(const TypeContext& c) {
  input(c, 0, index_dtypes, "size");
  const Tensor size = constant(c, 0);
  return {TensorType(output_dtype(c.attributes), {size.defined() ? Dim(window_size(size)) : Dim()})};
}

/// a - b cos(2 pi n / N) + c cos(4 pi n / N), N the size, or one less for a window that is symmetric.
struct CosineWindow {
  const char* type;
  double a, b, c;
};

std::vector<Tensor> window(const CosineWindow& w, const Tensor& size, const Attributes& attributes) {
  const std::int64_t count = window_size(size);
  const bool periodic = attributes.get_int("periodic", 1) != 0;
  const double period = static_cast<double>(periodic ? count : count - 1);
  static_cast<void>(Tensor::empty(DType::f64, Shape{count}));  // refuses what cannot be held
  std::vector<double> values;
  for (std::int64_t n = 0; n < count; ++n) {
    const double angle = period == 0 ? 0 : 2 * std::numbers::pi * static_cast<double>(n) / period;
    values.push_back(w.a - w.b * std::cos(angle) + w.c * std::cos(2 * angle));
  }
  return {write(output_dtype(attributes), Shape{count}, values)};
}

// Fourier transforms, by their definition. A row is `length` complex or real elements.

struct Complex {
  double re = 0, im = 0;
};

// By definition a transform takes as many steps as its length squared, so odd factors beyond this one are not offered.
constexpr std::int64_t longest_odd_factor = 1 << 15;

/// The transform by its definition. `turns` are the roots of one of the order row.size() * step.
std::vector<Complex> by_definition(std::span<const Complex> row, std::span<const Complex> turns, std::size_t step) {
  std::vector<Complex> out(row.size());
  for (std::size_t k = 0; k < row.size(); ++k) {
    for (std::size_t n = 0; n < row.size(); ++n) {
      const Complex& t = turns[k * n % row.size() * step];
      out[k].re += row[n].re * t.re - row[n].im * t.im;
      out[k].im += row[n].re * t.im + row[n].im * t.re;
    }
  }
  return out;
}

/// The same: an even length is two transforms of half of it, of the even and the odd elements (Cooley and Tukey).
std::vector<Complex> transform(std::span<const Complex> row, std::span<const Complex> turns, std::size_t step) {
  if (row.size() % 2 != 0 || row.size() < 4) return by_definition(row, turns, step);
  const std::size_t half = row.size() / 2;
  std::vector<Complex> even(half), odd(half);
  for (std::size_t i = 0; i < half; ++i) {
    even[i] = row[2 * i];
    odd[i] = row[2 * i + 1];
  }
  even = transform(even, turns, 2 * step);
  odd = transform(odd, turns, 2 * step);
  std::vector<Complex> out(row.size());
  for (std::size_t k = 0; k < half; ++k) {
    const Complex& t = turns[k * step];
    const Complex turned{odd[k].re * t.re - odd[k].im * t.im, odd[k].re * t.im + odd[k].im * t.re};
    out[k] = {even[k].re + turned.re, even[k].im + turned.im};
    out[k + half] = {even[k].re - turned.re, even[k].im - turned.im};
  }
  return out;
}

/// The transform of `row`, cut or filled with zeros to `length`; the first `bins` results.
std::vector<Complex> transformed(std::vector<Complex> row, std::int64_t length, std::int64_t bins, bool inverse) {
  row.resize(static_cast<std::size_t>(length));
  std::vector<Complex> turns;  // the length-th roots of one
  for (std::int64_t i = 0; i < length; ++i) {
    const double angle = (inverse ? 2 : -2) * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length);
    turns.push_back({std::cos(angle), std::sin(angle)});
  }
  std::vector<Complex> out = transform(row, turns, 1);
  out.resize(static_cast<std::size_t>(bins));
  const double scale = inverse ? 1.0 / static_cast<double>(length) : 1;
  for (Complex& v : out) v = {v.re * scale, v.im * scale};
  return out;
}

std::int64_t bins_of(std::int64_t length, bool onesided) { return onesided ? length / 2 + 1 : length; }

constexpr std::int64_t longest_transform = 1 << 24;

std::int64_t checked_length(std::int64_t length, const char* what) {
  if (length < 1 || length > longest_transform) fail(std::string(what) + " is " + std::to_string(length) + ", which is out of range");
  std::int64_t odd = length;
  while (odd % 2 == 0) odd /= 2;
  if (odd > longest_odd_factor)
    unsupported(std::string(what) + " is " + std::to_string(length) + ", whose odd factor is too long a transform");
  return length;
}

/// The last axis holds a real number, or a real and an imaginary one.
void check_components(const std::optional<Dims>& dims, std::size_t least_rank, const char* name) {
  if (!dims) return;
  const bool fits = dims->size() >= least_rank && (!dims->back().known() || dims->back().size == 1 || dims->back().size == 2);
  if (!fits) fail(std::string("input 0 (") + name + ") has shape " + describe(*dims) + ", whose last axis is not one or two components");
}

std::size_t transform_axis(const Attributes& attributes, std::size_t rank) {
  const std::size_t axis = axis_in(attributes.get_int("axis", 1), rank);
  if (axis + 1 == rank) fail("attribute axis names the components");
  return axis;
}

std::vector<TensorType> dft_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "input");
  check_components(x.dims, 2, "input");
  const bool onesided = c.attributes.get_int("onesided", 0) != 0;
  if (onesided && c.attributes.get_int("inverse", 0) != 0) fail("onesided and inverse exclude each other");
  if (!x.dims) return {x};
  Dims out = *x.dims;
  const std::size_t axis = transform_axis(c.attributes, out.size());
  Dim length = out[axis];
  if (has_input(c, 1)) {
    const Tensor given = constant(c, 1);
    length = given.defined() ? Dim(int_of(given, "input 1 (dft_length)")) : Dim();
  }
  if (length.known()) checked_length(length.size, "the length of the transform");
  out[axis] = length.known() ? Dim(bins_of(length.size, onesided)) : Dim();
  out.back() = 2;
  return {TensorType(x.dtype, out)};
}

std::vector<Complex> complex_row(std::span<const double> components, std::int64_t width) {
  std::vector<Complex> row;
  for (std::size_t i = 0; i < components.size(); i += static_cast<std::size_t>(width)) {
    row.push_back({components[i], width == 2 ? components[i + 1] : 0});
  }
  return row;
}

std::vector<Tensor> dft_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const std::size_t rank = shape.rank();
  const std::size_t axis = transform_axis(attributes, rank);
  const std::int64_t size = shape[axis], width = shape[rank - 1];
  const std::int64_t length =
      checked_length(argument(in, 1).defined() ? int_of(in[1], "input 1 (dft_length)") : size, "the length of the transform");
  const std::int64_t bins = bins_of(length, attributes.get_int("onesided", 0) != 0);
  // Rows last but for their components.
  std::vector<std::size_t> order;
  std::vector<std::int64_t> dims;
  for (std::size_t i = 0; i + 1 < rank; ++i) {
    if (i == axis) continue;
    order.push_back(i);
    dims.push_back(shape[i]);
  }
  order.push_back(axis);
  order.push_back(rank - 1);
  dims.push_back(bins);
  dims.push_back(2);
  const std::vector<double> values = read<double>(in[0].transpose(order));
  const std::int64_t rows = Shape(std::span<const std::int64_t>(dims).first(rank - 2)).size();
  std::vector<double> out;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = std::span(values).subspan(static_cast<std::size_t>(r * size * width), static_cast<std::size_t>(size * width));
    for (const Complex& v : transformed(complex_row(row, width), length, bins, attributes.get_int("inverse", 0) != 0))
      out.insert(out.end(), {v.re, v.im});
  }
  std::vector<std::size_t> back(rank);
  for (std::size_t i = 0; i < rank; ++i) back[order[i]] = i;
  return {write(in[0].dtype(), Shape(dims), out).transpose(back).contiguous()};
}

// STFT: transforms of windowed frames, one every frame_step elements.

struct Frames {
  std::int64_t length, step;
  std::int64_t count(std::int64_t signal) const { return signal < length ? 0 : (signal - length) / step + 1; }
};

/// Nothing while the length follows from a window whose size is not known.
std::optional<Frames> frames_of(const Tensor& step, const Tensor& length, std::optional<Dim> window) {
  if (!step.defined()) return std::nullopt;
  Frames frames{0, int_of(step, "input 1 (frame_step)")};
  if (frames.step < 1) fail("input 1 (frame_step) is " + std::to_string(frames.step));
  if (length.defined()) {
    frames.length = int_of(length, "input 3 (frame_length)");
    if (window && window->known() && window->size != frames.length)
      fail("the window has " + std::to_string(window->size) + " elements for frames of " + std::to_string(frames.length));
  } else if (window && window->known()) {
    frames.length = window->size;
  } else {
    return std::nullopt;
  }
  checked_length(frames.length, "the length of a frame");
  return frames;
}

std::vector<TensorType> stft_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "signal");
  if (x.dims && x.dims->size() != 2) check_components(x.dims, 3, "signal");
  if (x.dims && x.dims->size() > 3)
    fail("input 0 (signal) has " + std::to_string(x.dims->size()) + " dimensions where at most 3 are expected");
  if (!has_input(c, 2) && !has_input(c, 3)) fail("neither a window nor a frame_length is given");
  std::optional<Dim> window;
  if (has_input(c, 2)) {
    require_same_dtype(c, 0, 2);
    if (c.inputs[2]->dims && c.inputs[2]->dims->size() != 1) fail("input 2 (window) is no vector");
    window = c.inputs[2]->dims ? c.inputs[2]->dims->front() : Dim();
  }
  const bool length_open = has_input(c, 3) && !constant(c, 3).defined();
  const auto frames = length_open ? std::nullopt : frames_of(constant(c, 1), constant(c, 3), window);
  Dims out = unknown_dims(3);
  out.emplace_back(2);
  if (x.dims) out[0] = (*x.dims)[0];
  if (frames && x.dims && (*x.dims)[1].known()) out[1] = frames->count((*x.dims)[1].size);
  if (frames) out[2] = bins_of(frames->length, c.attributes.get_int("onesided", 1) != 0);
  return {TensorType(x.dtype, out)};
}

std::vector<Tensor> stft_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const Tensor window = argument(in, 2);
  const Frames frames = frames_of(in[1], argument(in, 3), window.defined() ? std::optional(Dim(window.size())) : std::nullopt).value();
  const std::int64_t width = shape.rank() == 3 ? shape[2] : 1;
  const std::int64_t bins = bins_of(frames.length, attributes.get_int("onesided", 1) != 0);
  const std::vector<double> values = read<double>(in[0]);
  const std::vector<double> weights =
      window.defined() ? read<double>(window) : std::vector<double>(static_cast<std::size_t>(frames.length), 1.0);
  const std::int64_t count = frames.count(shape[1]);
  std::vector<double> out;
  for (std::int64_t b = 0; b < shape[0]; ++b) {
    for (std::int64_t f = 0; f < count; ++f) {
      const auto first = static_cast<std::size_t>((b * shape[1] + f * frames.step) * width);
      std::vector<Complex> row = complex_row(std::span(values).subspan(first, static_cast<std::size_t>(frames.length * width)), width);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = {row[i].re * weights[i], row[i].im * weights[i]};
      for (const Complex& v : transformed(std::move(row), frames.length, bins, false)) out.insert(out.end(), {v.re, v.im});
    }
  }
  return {write(in[0].dtype(), Shape{shape[0], count, bins, 2}, out)};
}

// MelWeightMatrix: triangles over the bins of a spectrum, evenly spaced on the mel scale.

std::vector<TensorType> mel_type(const TypeContext& c) {
  for (std::size_t i = 0; i < 3; ++i) input(c, i, index_dtypes, "size");
  for (std::size_t i = 3; i < 5; ++i) input(c, i, floats, "edge");
  const Tensor bands = constant(c, 0);
  const Tensor length = constant(c, 1);
  return {TensorType(output_dtype(c.attributes), {length.defined() ? Dim(bins_of(int_of(length, "input 1 (dft_length)"), true)) : Dim(),
                                                  bands.defined() ? Dim(int_of(bands, "input 0 (num_mel_bins)")) : Dim()})};
}

double to_mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double to_hertz(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

std::vector<Tensor> mel_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const std::int64_t bands = int_of(in[0], "input 0 (num_mel_bins)");
  const std::int64_t length = checked_length(int_of(in[1], "input 1 (dft_length)"), "input 1 (dft_length)");
  const std::int64_t rate = int_of(in[2], "input 2 (sample_rate)");
  if (bands < 1 || bands > longest_transform || rate < 1) fail("num_mel_bins or sample_rate is out of range");
  const double low = to_mel(real_of(in[3], "input 3 (lower_edge_hertz)"));
  const double high = to_mel(real_of(in[4], "input 4 (upper_edge_hertz)"));
  const std::int64_t bins = bins_of(length, true);
  const Shape shape{bins, bands};
  static_cast<void>(Tensor::empty(DType::f64, shape));
  std::vector<std::int64_t> edges;
  for (std::int64_t i = 0; i < bands + 2; ++i) {
    const double mel = low + static_cast<double>(i) * (high - low) / static_cast<double>(bands + 2);
    const double bin = std::floor(static_cast<double>(length + 1) * to_hertz(mel) / static_cast<double>(rate));
    if (!(bin >= 0 && bin < static_cast<double>(bins))) throw Error(ErrorKind::invalid_argument, "an edge lies outside of the spectrum");
    edges.push_back(static_cast<std::int64_t>(bin));
  }
  std::vector<double> out(static_cast<std::size_t>(shape.size()));
  for (std::int64_t band = 0; band < bands; ++band) {
    const auto at = [&](std::int64_t bin) -> double& { return out[static_cast<std::size_t>(bin * bands + band)]; };
    const std::int64_t first = edges[static_cast<std::size_t>(band)], top = edges[static_cast<std::size_t>(band) + 1],
                       last = edges[static_cast<std::size_t>(band) + 2];
    for (std::int64_t bin = first; bin < top; ++bin) at(bin) = static_cast<double>(bin - first) / static_cast<double>(top - first);
    if (top >= first) at(top) = 1;
    for (std::int64_t bin = top; bin < last; ++bin) at(bin) = static_cast<double>(last - bin) / static_cast<double>(last - top);
  }
  return {write(output_dtype(attributes), shape, out)};
}

}  // namespace

void add_signal(OperatorRegistry& registry) {
  const CosineWindow windows[] = {
      {"HannWindow", 0.5, 0.5, 0}, {"HammingWindow", 25.0 / 46, 21.0 / 46, 0}, {"BlackmanWindow", 0.42, 0.5, 0.08}};
  for (const CosineWindow& w : windows) {
    registry.add(onnx(w.type, {17}, schema({"size"}, {"output"}, {dtype("output_datatype"), integer("periodic", 1)}), window_type,
                      [w](std::span<const Tensor> in, const Attributes& attributes, std::size_t) { return window(w, in[0], attributes); }));
  }
  registry.add(onnx("DFT", {17, 19},
                    schema({"input", "dft_length?"}, {"output"}, {integer("axis", 1), integer("inverse", 0), integer("onesided", 0)}),
                    dft_type, dft_kernel));
  registry.add(onnx("STFT", {17}, schema({"signal", "frame_step", "window?", "frame_length?"}, {"output"}, {integer("onesided", 1)}),
                    stft_type, stft_kernel));
  registry.add(onnx(
      "MelWeightMatrix", {17},
      schema({"num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"}, {"output"}, {dtype("output_datatype")}),
      mel_type, mel_kernel));
}

}  // namespace lazyfx::ops
