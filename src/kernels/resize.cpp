#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "kernels/families.hpp"
#include "kernels/placement.hpp"
#include "kernels/resize_taps.hpp"
#include "kernels/resize_vector.hpp"
#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

/// Dimensions in memory order, with runs of untouched axes merged.
std::vector<AxisTaps> axes_in_memory_order(const primitive::Resize& resize, const Operand& input, const Operand& output) {
  const std::size_t rank = input.shape.rank();
  const AxisOrder order = memory_order(input.layout, rank);
  std::vector<AxisTaps> axes;
  for (std::size_t i = 0; i < rank; ++i) {
    AxisTaps taps = make_taps(resize, input.shape[order[i]], output.shape[order[i]], resize.scales[order[i]]);
    if (taps.identity() && !axes.empty() && axes.back().identity()) {
      axes.back().in *= taps.in;
      axes.back().out *= taps.out;
    } else {
      axes.push_back(std::move(taps));
    }
  }
  return axes;
}

/// Copies elements of one size by index tables, one per axis.
template <class T>
class NearestResize final : public Kernel {
 public:
  explicit NearestResize(std::vector<AxisTaps> axes) : axes_(std::move(axes)) {
    if (axes_.empty() || axes_.back().identity() == false) axes_.push_back({});
    in_strides_.resize(axes_.size());
    out_strides_.resize(axes_.size());
    std::int64_t in = 1, out = 1;
    for (std::size_t i = axes_.size(); i-- > 0;) {
      in_strides_[i] = in;
      out_strides_[i] = out;
      in *= axes_[i].in;
      out *= axes_[i].out;
    }
    empty_ = out == 0;
  }

  std::string describe() const override { return "resize nearest"; }
  std::size_t resident_bytes() const override {
    std::size_t bytes = 0;
    for (const auto& a : axes_) bytes += a.index.size() * sizeof(std::int32_t);
    return bytes;
  }

  void run(const void* const* inputs, void* output, void*) const override {
    if (!empty_) copy(0, static_cast<const T*>(inputs[0]), static_cast<T*>(output));
  }

 private:
  void copy(std::size_t axis, const T* in, T* out) const {
    const AxisTaps& a = axes_[axis];
    if (axis + 1 == axes_.size()) {
      std::memcpy(out, in, static_cast<std::size_t>(a.out) * sizeof(T));
      return;
    }
    const std::int64_t in_stride = in_strides_[axis], out_stride = out_strides_[axis];
    if (axis + 2 == axes_.size() && in_stride == 1 && !a.identity()) {
      for (std::int64_t i = 0; i < a.out; ++i) out[i] = in[a.index[static_cast<std::size_t>(i)]];
      return;
    }
    std::int64_t previous = -1;
    for (std::int64_t i = 0; i < a.out; ++i) {
      const std::int64_t from = a.identity() ? i : a.index[static_cast<std::size_t>(i)];
      if (from == previous) {
        std::memcpy(out + i * out_stride, out + (i - 1) * out_stride, static_cast<std::size_t>(out_stride) * sizeof(T));
      } else {
        copy(axis + 1, in + from * in_stride, out + i * out_stride);
      }
      previous = from;
    }
  }

  std::vector<AxisTaps> axes_;
  std::vector<std::int64_t> in_strides_, out_strides_;
  bool empty_ = false;
};

/// One weighted pass along one axis of a dense [outer, axis, inner] array.
template <class S>
void resample_plainly(const AxisTaps& axis, std::int64_t outer, std::int64_t inner, const S* in, S* out) {
  for (std::int64_t o = 0; o < outer; ++o, in += axis.in * inner) {
    const std::int32_t* index = axis.index.data();
    const float* weight = axis.weight.data();
    for (std::int64_t i = 0; i < axis.out; ++i, index += axis.taps, weight += axis.taps, out += inner) {
      if (axis.taps == 2) {
        const S *a = in + index[0] * inner, *b = in + index[1] * inner;
        const S wa = weight[0], wb = weight[1];
        for (std::int64_t k = 0; k < inner; ++k) out[k] = wa * a[k] + wb * b[k];
      } else {
        const S *a = in + index[0] * inner, *b = in + index[1] * inner, *c = in + index[2] * inner, *d = in + index[3] * inner;
        const S wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
        for (std::int64_t k = 0; k < inner; ++k) out[k] = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
      }
    }
  }
}

/// Linear and cubic, one axis after the other, computed in f32 (in f64 for f64).
template <class T>
class WeightedResize final : public Kernel {
  using S = std::conditional_t<std::is_same_v<T, double>, double, float>;
  static constexpr bool converts = !std::is_same_v<T, S>;

  struct Pass {
    std::size_t axis;
    std::int64_t outer, inner;
    ResampleFunction vector = nullptr;
    AxisTaps rows{};  ///< what the function over rows takes instead of the axis
  };

 public:
  explicit WeightedResize(std::vector<AxisTaps> axes) : axes_(std::move(axes)) {
    std::vector<std::int64_t> dims;
    for (const auto& a : axes_) dims.push_back(a.in);
    const auto size = [&](std::size_t from, std::size_t to) {
      std::int64_t n = 1;
      for (std::size_t i = from; i < to; ++i) n *= dims[i];
      return n;
    };
    in_size_ = size(0, dims.size());
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (!axes_[i].identity() || axes_[i].in != axes_[i].out) order.push_back(i);
    }
    // What shrinks most goes first, so that later passes see less.
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const double x = double(axes_[a].out) / double(axes_[a].in), y = double(axes_[b].out) / double(axes_[b].in);
      return x != y ? x < y : a < b;
    });
    for (const std::size_t i : order) {
      passes_.push_back({i, size(0, i), size(i + 1, dims.size())});
      if constexpr (std::is_same_v<S, float>) find_vector(passes_.back());
      dims[i] = axes_[i].out;
      if (i != order.back() || converts) buffer_ = std::max(buffer_, size(0, dims.size()));
    }
    if (converts) buffer_ = std::max(buffer_, in_size_);
    out_size_ = size(0, dims.size());
  }

  std::string describe() const override { return "resize in " + std::to_string(passes_.size()) + " passes"; }
  std::size_t scratch_bytes() const override { return 2 * buffer_bytes(); }
  std::size_t resident_bytes() const override {
    std::size_t bytes = 0;
    const auto add = [&](const AxisTaps& a) { bytes += a.index.size() * sizeof(std::int32_t) + a.weight.size() * sizeof(float); };
    for (const auto& a : axes_) add(a);
    for (const auto& p : passes_) add(p.rows);
    return bytes;
  }

  void run(const void* const* inputs, void* output, void* scratch) const override {
    if (out_size_ == 0) return;
    auto* const first = static_cast<S*>(scratch);
    auto* const second = reinterpret_cast<S*>(static_cast<std::byte*>(scratch) + buffer_bytes());
    const auto* in = static_cast<const T*>(inputs[0]);
    auto* out = static_cast<T*>(output);
    const S* from;
    if constexpr (converts) {
      for (std::int64_t i = 0; i < in_size_; ++i) first[i] = convert<S>(in[i]);
      from = first;
    } else {
      from = in;
    }
    for (std::size_t p = 0; p < passes_.size(); ++p) {
      S* to = from == first ? second : first;
      if constexpr (!converts) {
        if (p + 1 == passes_.size()) to = out;
      }
      resample(passes_[p], from, to);
      from = to;
    }
    if constexpr (converts) {
      for (std::int64_t i = 0; i < out_size_; ++i) out[i] = convert<T>(from[i]);
    } else {
      if (passes_.empty()) std::memcpy(out, in, static_cast<std::size_t>(out_size_) * sizeof(T));
    }
  }

 private:
  void find_vector(Pass& pass) const {
    const AxisTaps& axis = axes_[pass.axis];
    if (pass.inner >= least_resample_run) {
      pass.vector = vector_resample(axis.taps);
    } else if (pass.inner > 0 && axis.in <= std::numeric_limits<std::int32_t>::max() / pass.inner) {
      pass.rows = taps_of_rows(axis, pass.inner);
      pass.vector = vector_resample_rows(axis.taps);
    }
  }

  void resample(const Pass& pass, const S* in, S* out) const {
    const AxisTaps& axis = axes_[pass.axis];
    if constexpr (std::is_same_v<S, float>) {
      if (pass.vector != nullptr) return pass.vector(pass.rows.identity() ? axis : pass.rows, pass.outer, pass.inner, in, out);
    }
    resample_plainly<S>(axis, pass.outer, pass.inner, in, out);
  }

  std::size_t buffer_bytes() const { return (static_cast<std::size_t>(buffer_) * sizeof(S) + 63) / 64 * 64; }

  std::vector<AxisTaps> axes_;
  std::vector<Pass> passes_;
  std::int64_t buffer_ = 0, in_size_ = 0, out_size_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_resize(const primitive::Resize& resize, const Operand& input, const Operand& output) {
  const std::size_t rank = input.shape.rank();
  if (output.shape.rank() != rank || resize.scales.size() != rank || input.dtype != output.dtype) {
    throw Error(ErrorKind::invalid_argument, "resize of " + to_string(input.shape) + " cannot give " + to_string(output.shape));
  }
  if (input.layout != output.layout) throw Error(ErrorKind::unsupported, "resize does not change the layout");
  std::vector<AxisTaps> axes = axes_in_memory_order(resize, input, output);
  if (resize.mode == primitive::ResizeMode::nearest) {
    switch (input.dtype == DType::string ? 0 : size_of(input.dtype)) {
      case 1: return std::make_unique<NearestResize<std::uint8_t>>(std::move(axes));
      case 2: return std::make_unique<NearestResize<std::uint16_t>>(std::move(axes));
      case 4: return std::make_unique<NearestResize<std::uint32_t>>(std::move(axes));
      case 8: return std::make_unique<NearestResize<std::uint64_t>>(std::move(axes));
      default: refuse_dtype("resize", input.dtype);
    }
  }
  return visit_dtype(input.dtype, [&](auto type) -> std::unique_ptr<Kernel> {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool>)
      refuse_dtype("resize", input.dtype);
    else
      return std::make_unique<WeightedResize<T>>(std::move(axes));
  });
}

}  // namespace lazyfx::kernels
