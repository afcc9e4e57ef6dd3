#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "kernels/conv.hpp"
#include "kernels/gemm.hpp"
#include "kernels/packing.hpp"
#include "kernels/tail.hpp"

namespace lazyfx::kernels {
namespace {

/// Rows of the input (width x in_channels) times all taps' weights (in_channels x taps * out_channels). A row of the product holds, for each
/// plane and line of the window, one piece that lies in the output as it is; the pieces are then put in place.
class TilingConvolution final : public Kernel {
 public:
  TilingConvolution(const ConvolutionGeometry& g, const Tensor& weights, const Tensor& bias, std::vector<Tail::Step> tail, Packing* packing)
      : w_(g.window), in_channels_(g.in_channels), out_channels_(g.out_channels), has_bias_(g.has_bias), tail_(std::move(tail)) {
    taps_ = w_.kernel[0] * w_.kernel[1] * w_.kernel[2];
    columns_ = taps_ * out_channels_;
    piece_ = w_.kernel[2] * out_channels_;
    packed_bytes_ = packed_floats(in_channels_, columns_) * sizeof(float);
    packed_ = pack_constant(packing, weights, order_of("tiling", gemm().panel, in_channels_, out_channels_, taps_), packed_bytes_,
                            [&](std::byte* to) { pack_weights(weights.contiguous(), reinterpret_cast<float*>(to)); });
    if (bias.defined()) {
      bias_ = pack_constant(packing, bias, order_of("repeated", taps_), bias_bytes(), [&](std::byte* to) {
        const Tensor values = bias.contiguous();
        repeat_bias(static_cast<const float*>(values.raw()), reinterpret_cast<float*>(to));
      });
    }
  }

  std::string describe() const override {
    return std::string("tiling gemm ") + isa_name() + " " + std::to_string(w_.in[2]) + "x" + std::to_string(in_channels_) + "x" +
           std::to_string(columns_);
  }
  bool packs(std::size_t i) const override { return i == 1 || (i == 2 && bias_ != nullptr); }
  std::size_t resident_bytes() const override { return packed_bytes_ + (bias_ ? bias_bytes() : 0); }
  std::size_t scratch_bytes() const override { return (product_floats() + static_cast<std::size_t>(columns_)) * sizeof(float); }

  void run(const void* const* inputs, void* output, void* scratch) const override {
    auto* const product = static_cast<float*>(scratch);
    std::array<GemmStep, most_steps> steps;
    GemmArguments g;
    g.m = w_.in[2];
    g.n = columns_;
    g.k = g.a_row = in_channels_;
    g.b = reinterpret_cast<const float*>(packed_.get());
    g.b_row = gemm().panel;
    g.b_panel = g.b_row * in_channels_;
    g.c = product;
    g.c_row = columns_;
    g.steps = steps.data();
    if (has_bias_) {
      const auto* bias = reinterpret_cast<const float*>(bias_.get());
      if (bias == nullptr) {
        repeat_bias(static_cast<const float*>(inputs[2]), product + product_floats());
        bias = product + product_floats();
      }
      steps[g.step_count++] = {Tail::Op::add, 1, 0, bias, 0, 1};
    }
    for (const Tail::Step& s : tail_) steps[g.step_count++] = {s.op, s.alpha, s.beta};
    g.simplify();
    g.a = static_cast<const float*>(inputs[0]);
    auto* const out = static_cast<float*>(output);
    const std::int64_t line = w_.out[2] * out_channels_;
    for (std::int64_t n = 0; n < w_.batch; ++n) {
      for (std::int64_t z = 0; z < w_.in[0]; ++z) {
        for (std::int64_t y = 0; y < w_.in[1]; ++y, g.a += w_.in[2] * in_channels_) {
          gemm().run(g);
          const float* from = product;
          for (std::int64_t i = 0; i < w_.kernel[0]; ++i) {
            for (std::int64_t j = 0; j < w_.kernel[1]; ++j, from += piece_) {
              const std::int64_t plane = n * w_.out[0] + z * w_.kernel[0] + i;
              place(from, out + (plane * w_.out[1] + y * w_.kernel[1] + j) * line);
            }
          }
        }
      }
    }
  }

  static constexpr std::size_t most_steps = 12;

 private:
  std::size_t product_floats() const { return static_cast<std::size_t>((w_.in[2] * columns_ + 15) / 16 * 16); }

  std::size_t bias_bytes() const { return static_cast<std::size_t>(columns_) * sizeof(float); }

  // ONNX has in, out, taps; here the channels of one tap lie side by side.
  void pack_weights(const Tensor& given, float* to) const {
    const auto* from = static_cast<const float*>(given.raw());
    std::vector<float> ordered(static_cast<std::size_t>(in_channels_ * columns_));
    for (std::int64_t i = 0; i < in_channels_; ++i) {
      for (std::int64_t o = 0; o < out_channels_; ++o) {
        for (std::int64_t t = 0; t < taps_; ++t) ordered[static_cast<std::size_t>(i * columns_ + t * out_channels_ + o)] = *from++;
      }
    }
    pack_panels(ordered.data(), columns_, 1, in_channels_, columns_, 1, to);
  }

  void repeat_bias(const float* bias, float* to) const {
    for (std::int64_t t = 0; t < taps_; ++t) std::copy_n(bias, out_channels_, to + t * out_channels_);
  }

  // Pieces of a few numbers are cheaper by themselves than a call for each.
  void place(const float* from, float* to) const {
    constexpr std::int64_t few = 16;
    for (std::int64_t x = 0; x < w_.in[2]; ++x, from += columns_, to += piece_) {
      if (piece_ > few) {
        std::memcpy(to, from, static_cast<std::size_t>(piece_) * sizeof(float));
      } else {
        for (std::int64_t i = 0; i < piece_; ++i) to[i] = from[i];
      }
    }
  }

  Window w_;
  std::int64_t in_channels_, out_channels_, taps_ = 1, columns_ = 1, piece_ = 1;
  bool has_bias_;
  std::vector<Tail::Step> tail_;
  Packed packed_, bias_;
  std::size_t packed_bytes_ = 0;
};

bool tiles(const ConvolutionGeometry& g) {
  const Window& w = g.window;
  if (!g.transposed || g.groups != 1) return false;
  for (std::size_t d = 0; d < 3; ++d) {
    const bool dense = w.dilation[d] == 1 || w.kernel[d] == 1;
    if (!dense || w.kernel[d] != w.stride[d] || w.pad_begin[d] != 0 || w.out[d] != w.in[d] * w.stride[d]) return false;
  }
  return true;
}

bool is_rows_of_channels(const Operand& operand) {
  return operand.layout == Layout::channels_last || operand.shape.size() == operand.shape[0] * operand.shape[1];
}

}  // namespace

std::unique_ptr<Kernel> make_tiling_convolution(const KernelRequest& request, const ConvolutionGeometry& geometry, bool& applied) {
  const auto constant = [&](std::size_t i) { return i < request.constants.size() ? request.constants[i] : Tensor(); };
  const bool lies_well = is_rows_of_channels(request.inputs[0]) && is_rows_of_channels(request.output);
  if (!tiles(geometry) || !lies_well || !constant(1).defined()) return nullptr;
  std::vector<Tail::Step> steps;
  if (request.epilogue != nullptr && request.epilogue->operands.empty()) {
    auto tail = match_tail(request.epilogue->body);
    // On rows that fill no vector, a pass over the whole output is cheaper.
    const std::int64_t columns = geometry.out_channels * geometry.window.kernel[0] * geometry.window.kernel[1] * geometry.window.kernel[2];
    if (tail && tail->steps.size() + 1 <= TilingConvolution::most_steps && 2 * columns >= gemm().panel) {
      steps = std::move(tail->steps);
      applied = true;
    }
  }
  return std::make_unique<TilingConvolution>(geometry, constant(1), geometry.has_bias ? constant(2) : Tensor(), std::move(steps),
                                             request.packing);
}

}  // namespace lazyfx::kernels
