#include <algorithm>
#include <string>

#include "kernels/families.hpp"
#include "kernels/isa.hpp"
#include "kernels/pool_vector.hpp"
#include "kernels/scalar_math.hpp"
#include "kernels/window.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

using primitive::PoolKind;

template <class T>
class PlainPool final : public Kernel {
 public:
  PlainPool(PoolKind kind, const Window& window, std::int64_t channels) : kind_(kind), w_(window), channels_(channels) {}

  std::string describe() const override { return "pool plain"; }

  void run(const void* const* inputs, void* output, void*) const override {
    const auto* in = static_cast<const T*>(inputs[0]);
    auto* out = static_cast<T*>(output);
    for (std::int64_t n = 0; n < w_.batch; ++n) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        plane(in + n * w_.in_strides[0] + c * w_.in_strides[1], out + n * w_.out_strides[0] + c * w_.out_strides[1]);
      }
    }
  }

 private:
  void plane(const T* in, T* out) const {
    for (std::int64_t z = 0; z < w_.out[0]; ++z) {
      for (std::int64_t y = 0; y < w_.out[1]; ++y) {
        for (std::int64_t x = 0; x < w_.out[2]; ++x) {
          out[z * w_.out_strides[2] + y * w_.out_strides[3] + x * w_.out_strides[4]] = one(in, {z, y, x});
        }
      }
    }
  }

  T one(const T* in, std::array<std::int64_t, 3> at) const {
    using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    std::array<std::int64_t, 3> from, to;
    for (std::size_t d = 0; d < 3; ++d) {
      const std::int64_t start = at[d] * w_.stride[d] - w_.pad_begin[d];
      from[d] = start < 0 ? (-start + w_.dilation[d] - 1) / w_.dilation[d] : 0;
      to[d] = std::min(w_.kernel[d], start >= w_.in[d] ? 0 : (w_.in[d] - start + w_.dilation[d] - 1) / w_.dilation[d]);
      at[d] = start;
    }
    Sum sum = 0;
    T top = lowest();
    std::int64_t count = 0;
    for (std::int64_t i = from[0]; i < to[0]; ++i) {
      for (std::int64_t j = from[1]; j < to[1]; ++j) {
        for (std::int64_t k = from[2]; k < to[2]; ++k) {
          const T x = in[(at[0] + i * w_.dilation[0]) * w_.in_strides[2] + (at[1] + j * w_.dilation[1]) * w_.in_strides[3] +
                         (at[2] + k * w_.dilation[2]) * w_.in_strides[4]];
          if constexpr (is_half) {
            if (!(float(x) <= float(top))) top = x;
            sum += float(x);
          } else {
            top = greatest(top, x);
            sum += static_cast<Sum>(x);
          }
          ++count;
        }
      }
    }
    if (kind_ == PoolKind::max) return top;
    if (kind_ == PoolKind::average_include_pad) count = w_.kernel[0] * w_.kernel[1] * w_.kernel[2];
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(count == 0 ? 0 : sum / count);
    else
      return convert<T>(count == 0 ? 0.0 : sum / static_cast<double>(count));
  }

  static constexpr bool is_half = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;
  static T lowest() {
    if constexpr (is_half)
      return T(-std::numeric_limits<float>::infinity());
    else if constexpr (std::is_integral_v<T>)
      return std::numeric_limits<T>::lowest();
    else
      return -std::numeric_limits<T>::infinity();
  }

  PoolKind kind_;
  Window w_;
  std::int64_t channels_;
};

/// What each window along one axis sees of the input.
std::vector<PoolTaps> taps_along(const Window& w, std::size_t axis) {
  std::vector<PoolTaps> taps;
  for (std::int64_t i = 0; i < w.out[axis]; ++i) {
    const std::int64_t start = i * w.stride[axis] - w.pad_begin[axis], dilation = w.dilation[axis];
    const std::int64_t from = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const std::int64_t to = std::min(w.kernel[axis], start >= w.in[axis] ? 0 : (w.in[axis] - start + dilation - 1) / dilation);
    taps.push_back(to > from ? PoolTaps{start + from * dilation, to - from} : PoolTaps{});
  }
  return taps;
}

/// f32 by vectors of channels, or of positions of a row.
class VectorPool final : public Kernel {
 public:
  VectorPool(PoolFunction function, PoolPlan plan, std::int64_t line) : function_(function), plan_(std::move(plan)), line_(line) {}

  std::string describe() const override { return std::string("pool ") + isa_name(); }
  std::size_t scratch_bytes() const override { return static_cast<std::size_t>(line_) * sizeof(float); }
  std::size_t resident_bytes() const override {
    return (plan_.taps[0].size() + plan_.taps[1].size() + plan_.taps[2].size()) * sizeof(PoolTaps);
  }
  void run(const void* const* inputs, void* output, void* scratch) const override {
    function_(plan_, static_cast<const float*>(inputs[0]), static_cast<float*>(output), static_cast<float*>(scratch));
  }

 private:
  PoolFunction function_;
  PoolPlan plan_;
  std::int64_t line_;
};

/// Nothing for operands of different layouts, and for geometry so odd that tables or padded rows would be far larger than the operands.
std::unique_ptr<Kernel> make_vector_pool(const primitive::Pool& pool, const Window& window, const Operand& input, const Operand& output) {
  constexpr std::int64_t most = std::int64_t{1} << 20;
  if (input.layout != output.layout || input.shape.size() == 0 || output.shape.size() == 0) return nullptr;
  if (*std::max_element(window.out.begin(), window.out.end()) > most) return nullptr;
  PoolPlan plan;
  plan.window = window;
  plan.channels = input.shape[1];
  plan.include_pad = pool.kind == PoolKind::average_include_pad;
  bool global = true;
  for (std::size_t d = 0; d < 3; ++d) {
    plan.taps[d] = taps_along(window, d);
    global =
        global && window.out[d] == 1 && plan.taps[d][0].count == window.in[d] && (!plan.include_pad || window.kernel[d] == window.in[d]);
  }
  if (global) {
    primitive::Reduce reduce{pool.kind == PoolKind::max ? primitive::ReduceKind::max : primitive::ReduceKind::mean, {}};
    for (std::size_t axis = 2; axis < input.shape.rank(); ++axis) reduce.axes.push_back(axis);
    return make_reduce(reduce, input, output);
  }
  std::int64_t line = 0;
  if (input.layout == Layout::row_major) {
    const std::int64_t beyond = std::max({window.stride[2], window.kernel[2], window.dilation[2], window.pad_begin[2]});
    if (window.pad_begin[2] < 0 || beyond > most || window.kernel[2] * window.dilation[2] > most || window.out[2] * window.stride[2] > most)
      return nullptr;
    line = plan.line();
  }
  return std::make_unique<VectorPool>(vector_pool(pool.kind == PoolKind::max, input.layout == Layout::channels_last), std::move(plan),
                                      line);
}

}  // namespace

std::unique_ptr<Kernel> make_pool(const primitive::Pool& pool, const Operand& input, const Operand& output) {
  if (input.dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "pool does not change the dtype");
  const Window window = make_window("pool", input, output, pool.kernel, pool.strides, pool.dilations, pool.pads_begin, pool.pads_end);
  if (pool.kernel.size() != window.spatial || input.shape[1] != output.shape[1]) {
    throw Error(ErrorKind::invalid_argument, "pool of " + to_string(input.shape) + " cannot give " + to_string(output.shape));
  }
  if (input.dtype == DType::f32) {
    if (auto kernel = make_vector_pool(pool, window, input, output)) return kernel;
  }
  return visit_dtype(input.dtype, [&](auto type) -> std::unique_ptr<Kernel> {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool>)
      refuse_dtype("pool", input.dtype);
    else
      return std::make_unique<PlainPool<T>>(pool.kind, window, input.shape[1]);
  });
}

}  // namespace lazyfx::kernels
