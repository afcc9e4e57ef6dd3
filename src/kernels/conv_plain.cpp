#include "kernels/conv.hpp"

#include <string>

#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

/// Every element of the output on its own, summed in double.
template <class T>
class PlainConvolution final : public Kernel {
 public:
  explicit PlainConvolution(const ConvolutionGeometry& g) : g_(g) {}

  std::string describe() const override { return "convolution plain"; }

  void run(const void* const* inputs, void* output, void*) const override {
    const auto* in = static_cast<const T*>(inputs[0]);
    const auto* weights = static_cast<const T*>(inputs[1]);
    const auto* bias = g_.has_bias ? static_cast<const T*>(inputs[2]) : nullptr;
    auto* out = static_cast<T*>(output);
    const Window& w = g_.window;
    for (std::int64_t n = 0; n < w.batch; ++n) {
      for (std::int64_t m = 0; m < g_.out_channels; ++m) {
        T* const plane = out + n * w.out_strides[0] + m * w.out_strides[1];
        const double start = bias == nullptr ? 0.0 : convert<double>(bias[m]);
        for (std::int64_t z = 0; z < w.out[0]; ++z) {
          for (std::int64_t y = 0; y < w.out[1]; ++y) {
            for (std::int64_t x = 0; x < w.out[2]; ++x) {
              plane[z * w.out_strides[2] + y * w.out_strides[3] + x * w.out_strides[4]] =
                  convert<T>(start + one(in + n * w.in_strides[0], weights, m, {z, y, x}));
            }
          }
        }
      }
    }
  }

 private:
  // The input coordinate that kernel element k meets at output coordinate `at`, or -1.
  std::int64_t meets(std::size_t d, std::int64_t at, std::int64_t k) const {
    const Window& w = g_.window;
    if (!g_.transposed) {
      const std::int64_t i = at * w.stride[d] - w.pad_begin[d] + k * w.dilation[d];
      return i < w.in[d] ? i : -1;
    }
    const std::int64_t scaled = at + w.pad_begin[d] - k * w.dilation[d];
    return scaled >= 0 && scaled % w.stride[d] == 0 && scaled / w.stride[d] < w.in[d] ? scaled / w.stride[d] : -1;
  }

  double one(const T* in, const T* weights, std::int64_t m, std::array<std::int64_t, 3> at) const {
    const Window& w = g_.window;
    const std::int64_t in_group = g_.in_channels / g_.groups, out_group = g_.out_channels / g_.groups;
    const std::int64_t group = m / out_group, taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    double sum = 0;
    for (std::int64_t c = 0; c < in_group; ++c) {
      const std::int64_t channel = group * in_group + c;
      const T* plane = in + channel * w.in_strides[1];
      const T* filter = weights + (g_.transposed ? channel * out_group + m % out_group : m * in_group + c) * taps;
      for (std::int64_t i = 0; i < w.kernel[0]; ++i) {
        const std::int64_t z = meets(0, at[0], i);
        if (z < 0) continue;
        for (std::int64_t j = 0; j < w.kernel[1]; ++j) {
          const std::int64_t y = meets(1, at[1], j);
          if (y < 0) continue;
          for (std::int64_t k = 0; k < w.kernel[2]; ++k) {
            const std::int64_t x = meets(2, at[2], k);
            if (x < 0) continue;
            sum += convert<double>(plane[z * w.in_strides[2] + y * w.in_strides[3] + x * w.in_strides[4]]) *
                   convert<double>(filter[(i * w.kernel[1] + j) * w.kernel[2] + k]);
          }
        }
      }
    }
    return sum;
  }

  ConvolutionGeometry g_;
};

}  // namespace

ConvolutionGeometry make_geometry(const primitive::Convolution& conv, std::span<const Operand> inputs, const Operand& output) {
  const Operand &x = inputs[0], &w = inputs[1];
  const std::size_t rank = x.shape.rank();
  const auto refuse = [&] {
    throw Error(ErrorKind::invalid_argument, "convolution of " + to_string(x.shape) + " with " + to_string(w.shape) + " in " +
                                                 std::to_string(conv.groups) + " groups cannot give " + to_string(output.shape));
  };
  if (w.shape.rank() != rank || rank < 3 || conv.groups < 1 || output.shape.rank() != rank) refuse();
  ConvolutionGeometry g;
  g.window = make_window("convolution", x, output, w.shape.dims().subspan(2), conv.strides, conv.dilations, conv.pads_begin, conv.pads_end);
  g.groups = conv.groups;
  g.transposed = conv.transposed;
  g.in_channels = x.shape[1];
  g.out_channels = output.shape[1];
  g.has_bias = inputs.size() > 2;
  const std::int64_t in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups;
  if (in_group * g.groups != g.in_channels || out_group * g.groups != g.out_channels) refuse();
  if (w.shape[0] != (g.transposed ? g.in_channels : g.out_channels) || w.shape[1] != (g.transposed ? out_group : in_group)) refuse();
  if (w.layout != Layout::row_major) throw Error(ErrorKind::unsupported, "convolution weights are row_major");
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i].dtype != x.dtype) throw Error(ErrorKind::invalid_argument, "convolution mixes dtypes");
  }
  if (x.dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "convolution does not change the dtype");
  if (g.has_bias && inputs[2].shape.size() != g.out_channels) refuse();
  return g;
}

std::unique_ptr<Kernel> make_plain_convolution(const ConvolutionGeometry& geometry, DType dtype) {
  switch (dtype) {
    case DType::f16: return std::make_unique<PlainConvolution<Float16>>(geometry);
    case DType::bf16: return std::make_unique<PlainConvolution<BFloat16>>(geometry);
    case DType::f32: return std::make_unique<PlainConvolution<float>>(geometry);
    case DType::f64: return std::make_unique<PlainConvolution<double>>(geometry);
    default: throw Error(ErrorKind::unsupported, std::string("there is no convolution of ") + to_string(dtype));
  }
}

}  // namespace lazyfx::kernels
