#include <cmath>
#include <string>

#include "kernels/families.hpp"
#include "kernels/isa.hpp"
#include "kernels/placement.hpp"
#include "kernels/scalar_math.hpp"
#include "kernels/softmax_vector.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

template <class T>
class PlainSoftmax final : public Kernel {
 public:
  PlainSoftmax(bool log, std::int64_t length, std::int64_t in_stride, std::int64_t out_stride, LoopNest kept)
      : log_(log), length_(length), in_stride_(in_stride), out_stride_(out_stride), kept_(std::move(kept)) {}

  std::string describe() const override { return "softmax plain"; }
  bool in_place(std::size_t) const override { return in_stride_ == out_stride_ && kept_.strides[0] == kept_.strides[1]; }

  void run(const void* const* inputs, void* output, void*) const override {
    if (length_ == 0) return;
    const auto* in = static_cast<const T*>(inputs[0]);
    auto* out = static_cast<T*>(output);
    for_each_outer(kept_, 0, [&](const std::int64_t* offset) { one(in + offset[0], out + offset[1]); });
  }

 private:
  static double load(T x) {
    if constexpr (std::is_same_v<T, double>)
      return x;
    else
      return static_cast<double>(static_cast<float>(x));
  }

  void one(const T* in, T* out) const {
    double top = load(in[0]);
    for (std::int64_t i = 1; i < length_; ++i) top = greatest(top, load(in[i * in_stride_]));
    double sum = 0;
    for (std::int64_t i = 0; i < length_; ++i) sum += std::exp(load(in[i * in_stride_]) - top);
    const double log_sum = std::log(sum);
    for (std::int64_t i = 0; i < length_; ++i) {
      const double x = load(in[i * in_stride_]) - top;
      out[i * out_stride_] = convert<T>(log_ ? x - log_sum : std::exp(x) / sum);
    }
  }

  bool log_;
  std::int64_t length_, in_stride_, out_stride_;
  LoopNest kept_;
};

/// f32 by vectors: lanes are elements of one softmax, or softmaxes that lie side by side.
class VectorSoftmax final : public Kernel {
 public:
  /// Nothing if neither the elements nor the softmaxes lie side by side, or there are no elements.
  static std::unique_ptr<Kernel> make(bool log, std::int64_t length, std::int64_t in_stride, std::int64_t out_stride,
                                      const LoopNest& kept) {
    if (length == 0 || kept.size() == 0) return nullptr;
    const std::size_t inner = kept.rank - 1;
    SoftmaxBlock block{nullptr, nullptr, kept.extent[inner], kept.strides[0][inner], kept.strides[1][inner], length, in_stride, out_stride};
    const bool by_columns = block.results > 1 && block.in_step == 1 && block.out_step == 1;
    if (!by_columns && length > 1 && (in_stride != 1 || out_stride != 1)) return nullptr;
    return std::make_unique<VectorSoftmax>(vector_softmax(log, by_columns), block, kept);
  }

  VectorSoftmax(SoftmaxFunction function, const SoftmaxBlock& block, LoopNest kept)
      : function_(function), block_(block), kept_(std::move(kept)) {}

  std::string describe() const override { return std::string("softmax ") + isa_name(); }
  bool in_place(std::size_t) const override { return block_.in_element == block_.out_element && kept_.strides[0] == kept_.strides[1]; }

  void run(const void* const* inputs, void* output, void*) const override {
    for_each_outer(kept_, 1, [&](const std::int64_t* offset) {
      SoftmaxBlock block = block_;
      block.in = static_cast<const float*>(inputs[0]) + offset[0];
      block.out = static_cast<float*>(output) + offset[1];
      function_(block);
    });
  }

 private:
  SoftmaxFunction function_;
  SoftmaxBlock block_;
  LoopNest kept_;
};

}  // namespace

std::unique_ptr<Kernel> make_softmax(const primitive::Softmax& softmax, const Operand& input, const Operand& output) {
  if (input.dtype != output.dtype || !(input.shape == output.shape)) {
    throw Error(ErrorKind::invalid_argument, "softmax changes neither dtype nor shape");
  }
  if (softmax.axis >= input.shape.rank()) throw Error(ErrorKind::invalid_argument, "softmax names an axis that is not there");
  std::array<Strides, 2> strides{strides_of(input), strides_of(output)};
  const std::int64_t in_stride = strides[0][softmax.axis], out_stride = strides[1][softmax.axis];
  std::array<std::int64_t, Shape::max_rank> dims{};
  std::copy(input.shape.begin(), input.shape.end(), dims.begin());
  dims[softmax.axis] = 1;
  LoopNest kept = collapse(Shape(std::span<const std::int64_t>(dims.data(), input.shape.rank())),
                           memory_order(input.layout, input.shape.rank()), strides);
  if (input.dtype == DType::f32) {
    if (auto kernel = VectorSoftmax::make(softmax.log, input.shape[softmax.axis], in_stride, out_stride, kept)) return kernel;
  }
  return visit_dtype(input.dtype, [&](auto type) -> std::unique_ptr<Kernel> {
    using T = typename decltype(type)::type;
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
      return std::make_unique<PlainSoftmax<T>>(softmax.log, input.shape[softmax.axis], in_stride, out_stride, std::move(kept));
    } else {
      refuse_dtype("softmax", input.dtype);
    }
  });
}

}  // namespace lazyfx::kernels
