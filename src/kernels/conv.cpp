#include "kernels/conv.hpp"

#include <algorithm>
#include <string>

#include "kernels/families.hpp"
#include "kernels/gemm_kernel.hpp"
#include "kernels/isa.hpp"
#include "kernels/onednn.hpp"
#include "kernels/packing.hpp"
#include "kernels/tail.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

using dnnl::memory;
using Dims = memory::dims;

memory::format_tag tag_of(Layout layout, std::size_t rank) {
  using Tag = memory::format_tag;
  constexpr Tag row_major[] = {Tag::ncw, Tag::nchw, Tag::ncdhw}, channels_last[] = {Tag::nwc, Tag::nhwc, Tag::ndhwc};
  return (layout == Layout::row_major ? row_major : channels_last)[rank - 3];
}

Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

/// The attributes in oneDNN's terms: dilations count from 0, and the end pads are what makes the sizes meet exactly.
struct Steps {
  Dims strides, dilations, pads_begin, pads_end;
};

Steps steps_of(const ConvolutionGeometry& g) {
  Steps s;
  for (std::size_t i = 3 - g.window.spatial; i < 3; ++i) {
    const Window& w = g.window;
    const std::int64_t reach = (w.kernel[i] - 1) * w.dilation[i] + 1;
    const std::int64_t wide = g.transposed ? w.in[i] : w.out[i], narrow = g.transposed ? w.out[i] : w.in[i];
    s.strides.push_back(w.stride[i]);
    s.dilations.push_back(w.dilation[i] - 1);
    s.pads_begin.push_back(w.pad_begin[i]);
    // The given end pad, unless the size it leads to is another one (output padding, uneven division).
    const std::int64_t given = (narrow + w.pad_begin[i] + w.pad_end[i] - reach) / w.stride[i] + 1;
    s.pads_end.push_back(given == wide ? w.pad_end[i] : (wide - 1) * w.stride[i] + reach - narrow - w.pad_begin[i]);
  }
  return s;
}

/// The weights as oneDNN names them, (groups,) out, in, kernel..., over the row-major elements as ONNX orders them.
memory::desc given_weights(const ConvolutionGeometry& g) {
  const std::int64_t in = g.in_channels / g.groups, out = g.out_channels / g.groups;
  Dims kernel(g.window.kernel.end() - static_cast<std::ptrdiff_t>(g.window.spatial), g.window.kernel.end());
  std::int64_t taps = 1;
  for (const auto k : kernel) taps *= k;
  Dims dims{out, in}, strides{g.transposed ? taps : in * taps, g.transposed ? out * taps : taps};
  if (g.groups > 1) {
    dims.insert(dims.begin(), g.groups);
    strides.insert(strides.begin(), in * out * taps);
  }
  std::int64_t stride = taps;
  for (const auto k : kernel) {
    stride /= k;
    dims.push_back(k);
    strides.push_back(stride);
  }
  return {dims, memory::data_type::f32, strides};
}

dnnl::algorithm algorithm_of(Tail::Op op) {
  using Algorithm = dnnl::algorithm;
  switch (op) {
    case Tail::Op::relu: return Algorithm::eltwise_relu;
    case Tail::Op::clip: return Algorithm::eltwise_clip;
    case Tail::Op::linear: return Algorithm::eltwise_linear;
    case Tail::Op::abs: return Algorithm::eltwise_abs;
    case Tail::Op::sqrt: return Algorithm::eltwise_sqrt;
    case Tail::Op::exp: return Algorithm::eltwise_exp;
    case Tail::Op::tanh: return Algorithm::eltwise_tanh;
    case Tail::Op::sigmoid: return Algorithm::eltwise_logistic;
    case Tail::Op::square: return Algorithm::eltwise_square;
    case Tail::Op::swish: return Algorithm::eltwise_swish;
    case Tail::Op::hard_swish: return Algorithm::eltwise_hardswish;
    case Tail::Op::gelu: return Algorithm::eltwise_gelu_erf;
    case Tail::Op::elu: return Algorithm::eltwise_elu;
    case Tail::Op::add: return Algorithm::binary_add;
    case Tail::Op::sub: return Algorithm::binary_sub;
    case Tail::Op::mul: return Algorithm::binary_mul;
  }
  return Algorithm::undef;
}

dnnl::post_ops post_ops_of(const Tail& tail, std::span<const memory::desc> operands) {
  dnnl::post_ops ops;
  for (const auto& step : tail.steps) {
    if (step.binary())
      ops.append_binary(algorithm_of(step.op), operands[step.operand]);
    else
      ops.append_eltwise(1.0f, algorithm_of(step.op), step.alpha, step.beta);
  }
  return ops;
}

memory::desc describe_tail_operand(TailPlace place, const Operand& output) {
  const std::size_t rank = output.shape.rank();
  if (place == TailPlace::like_output) return {dims_of(output.shape), memory::data_type::f32, tag_of(output.layout, rank)};
  Dims dims(rank, 1), strides(rank, 1);
  if (place == TailPlace::per_channel) strides[0] = dims[1] = output.shape[1];
  return {dims, memory::data_type::f32, strides};
}

/// What oneDNN chose: a forward convolution or a deconvolution.
struct Chosen {
  dnnl::primitive primitive;
  memory::desc weights, scratchpad;
  std::string name;
};

template <class Forward>
Chosen choose_as(const ConvolutionGeometry& g, const memory::desc& x, const memory::desc& y, const dnnl::primitive_attr& attr) {
  const Steps s = steps_of(g);
  const memory::desc weights(given_weights(g).dims(), memory::data_type::f32, memory::format_tag::any);
  constexpr auto algorithm =
      std::is_same_v<Forward, dnnl::convolution_forward> ? dnnl::algorithm::convolution_direct : dnnl::algorithm::deconvolution_direct;
  constexpr auto inference = dnnl::prop_kind::forward_inference;
  const auto make = [&] {
    if (!g.has_bias) return typename Forward::desc(inference, algorithm, x, weights, y, s.strides, s.dilations, s.pads_begin, s.pads_end);
    const memory::desc bias = onednn::describe({g.out_channels}, memory::format_tag::a);
    return typename Forward::desc(inference, algorithm, x, weights, bias, y, s.strides, s.dilations, s.pads_begin, s.pads_end);
  };
  const typename Forward::primitive_desc pd(make(), attr, onednn::engine());
  return {Forward(pd), pd.weights_desc(), pd.scratchpad_desc(), pd.impl_info_str()};
}

Chosen choose(const ConvolutionGeometry& g, const memory::desc& x, const memory::desc& y, const dnnl::primitive_attr& attr) {
  return g.transposed ? choose_as<dnnl::deconvolution_forward>(g, x, y, attr) : choose_as<dnnl::convolution_forward>(g, x, y, attr);
}

class OneDnnConvolution final : public Kernel {
 public:
  OneDnnConvolution(const KernelRequest& request, const ConvolutionGeometry& geometry, bool& applied) : has_bias_(geometry.has_bias) {
    const SingleThreadScope one_thread;
    const std::size_t rank = request.output.shape.rank();
    const memory::desc x(dims_of(request.inputs[0].shape), memory::data_type::f32, tag_of(request.inputs[0].layout, rank));
    const memory::desc y(dims_of(request.output.shape), memory::data_type::f32, tag_of(request.output.layout, rank));

    std::optional<Tail> tail;
    std::vector<memory::desc> tail_operands;
    if (request.epilogue != nullptr) tail = describe_tail(*request.epilogue, request.output, tail_operands);
    Chosen chosen = choose(geometry, x, y, onednn::attributes(tail ? post_ops_of(*tail, tail_operands) : dnnl::post_ops()));
    if (tail && !applies(chosen.name, *tail)) {
      tail.reset();
      chosen = choose(geometry, x, y, onednn::attributes());
    }
    applied = tail.has_value();
    name_ = chosen.name;

    std::vector<onednn::Executor::Argument> arguments{
        {DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, chosen.weights}, {DNNL_ARG_DST, y}, {DNNL_ARG_SCRATCHPAD, chosen.scratchpad}};
    if (has_bias_) arguments.push_back({DNNL_ARG_BIAS, onednn::describe({geometry.out_channels}, memory::format_tag::a)});
    if (tail) {
      for (std::size_t i = 0; i < tail->steps.size(); ++i) {
        if (!tail->steps[i].binary()) continue;
        const std::size_t operand = tail->steps[i].operand;
        arguments.push_back({DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(i)) | DNNL_ARG_SRC_1, tail_operands[operand]});
        tail_inputs_.push_back(request.inputs.size() + operand);
      }
    }
    if (arguments.size() > most_arguments) throw Error(ErrorKind::unsupported, "an epilogue has too many operands");
    executor_.emplace(chosen.primitive, std::move(arguments));
    scratch_bytes_ = (chosen.scratchpad.get_size() + 63) / 64 * 64;
    pack(request, geometry, chosen.weights);
  }

  std::string describe() const override { return "onednn " + name_; }
  std::size_t scratch_bytes() const override { return scratch_bytes_ + run_time_weights_bytes_; }
  bool packs(std::size_t i) const override { return (i == 1 && packed_weights_) || (i == 2 && packed_bias_); }
  std::size_t resident_bytes() const override { return resident_bytes_; }

  void run(const void* const* inputs, void* output, void* scratch) const override {
    auto* const pad = static_cast<std::byte*>(scratch);
    void* weights = const_cast<void*>(packed_weights_ ? packed_weights_.get() : inputs[1]);
    if (packer_) {
      weights = pad + scratch_bytes_;
      void* const copied[] = {const_cast<void*>(inputs[1]), weights, pad + scratch_bytes_ + weights_bytes_};
      packer_->run(copied);
    }
    std::array<void*, most_arguments> addresses{const_cast<void*>(inputs[0]), weights, output, pad};
    std::size_t n = 4;
    if (has_bias_) addresses[n++] = const_cast<void*>(packed_bias_ ? packed_bias_.get() : inputs[2]);
    for (const std::size_t i : tail_inputs_) addresses[n++] = const_cast<void*>(inputs[i]);
    executor_->run(std::span(addresses.data(), n));
  }

 private:
  static constexpr std::size_t most_arguments = 16;

  static std::optional<Tail> describe_tail(const Epilogue& epilogue, const Operand& output, std::vector<memory::desc>& operands) {
    auto tail = match_tail(epilogue.body);
    if (!tail || repeats_with_other_numbers(*tail)) return std::nullopt;
    for (const Operand& operand : epilogue.operands) {
      const auto place = place_of(operand, output);
      if (!place) return std::nullopt;
      operands.push_back(describe_tail_operand(*place, output));
    }
    return tail;
  }

  // The implementation over sgemm (oneDNN 2.6.3, seen at AVX2 and below) reads wrong elements of a binary post-operation's operand.
  static bool applies(const std::string& implementation, const Tail& tail) {
    const bool binary = std::any_of(tail.steps.begin(), tail.steps.end(), [](const auto& step) { return step.binary(); });
    return !onednn::is_reference(implementation.c_str()) && !(binary && implementation.find("gemm") != std::string::npos);
  }

  static Tensor constant_of(const KernelRequest& request, std::size_t i) {
    return i < request.constants.size() && request.constants[i].defined() ? request.constants[i].contiguous() : Tensor();
  }

  // Constant weights are brought into the order that the implementation likes once; others in scratch memory at every run.
  void pack(const KernelRequest& request, const ConvolutionGeometry& geometry, const memory::desc& wanted) {
    const memory::desc given = given_weights(geometry);
    weights_bytes_ = (wanted.get_size() + 63) / 64 * 64;
    if (const Tensor weights = constant_of(request, 1); weights.defined()) {
      packed_weights_ = pack_constant(request.packing, request.constants[1], order_of("onednn", given.data, wanted.data), weights_bytes_,
                                      [&](std::byte* to) { onednn::reorder(given, weights.raw(), wanted, to); });
      resident_bytes_ += weights_bytes_;
    } else if (given != wanted) {
      const dnnl::reorder::primitive_desc desc(onednn::engine(), given, onednn::engine(), wanted, onednn::attributes());
      packer_.emplace(dnnl::reorder(desc),
                      std::vector<onednn::Executor::Argument>{
                          {DNNL_ARG_FROM, given}, {DNNL_ARG_TO, wanted}, {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}});
      run_time_weights_bytes_ = weights_bytes_ + (desc.scratchpad_desc().get_size() + 63) / 64 * 64;
    }
    if (const Tensor bias = has_bias_ ? constant_of(request, 2) : Tensor(); bias.defined()) {
      packed_bias_ = pack_constant(request.packing, request.constants[2], "as it is", bias.byte_size(),
                                   [&](std::byte* to) { std::copy_n(static_cast<const std::byte*>(bias.raw()), bias.byte_size(), to); });
      resident_bytes_ += bias.byte_size();
    }
  }

  bool has_bias_;
  std::string name_;
  std::optional<onednn::Executor> executor_, packer_;
  std::vector<std::size_t> tail_inputs_;
  std::size_t scratch_bytes_ = 0, weights_bytes_ = 0, run_time_weights_bytes_ = 0, resident_bytes_ = 0;
  Packed packed_weights_, packed_bias_;
};

/// True if every output position reads one input position and both lie as rows of channels: then it is a product of matrices.
bool is_pointwise(const ConvolutionGeometry& g, const KernelRequest& request) {
  const Window& w = g.window;
  const std::array<std::int64_t, 3> one{1, 1, 1}, zero{};
  const auto rows = [](const Operand& operand) {
    const Shape& s = operand.shape;
    return operand.layout == Layout::channels_last || s.size() == s[0] * s[1];
  };
  // Beyond a few positions oneDNN's own are 3 to 10 percent faster, at twice the time to set them up.
  constexpr std::int64_t most_positions = 16;
  return !g.transposed && g.groups == 1 && w.batch * w.out[0] * w.out[1] * w.out[2] <= most_positions && w.kernel == one &&
         w.stride == one && w.pad_begin == zero && w.in == w.out && rows(request.inputs[0]) && rows(request.output);
}

std::unique_ptr<Kernel> make_pointwise(const KernelRequest& request, const ConvolutionGeometry& g, bool& applied) {
  GemmPlan plan;
  plan.k = plan.a_row = plan.b_column = g.in_channels;
  plan.n = g.out_channels;
  plan.m = request.output.shape.size() / plan.n;
  plan.a_column = plan.b_row = 1;
  plan.has_addend = g.has_bias;
  plan.c_column = plan.n == 1 ? 0 : 1;
  if (request.epilogue != nullptr) {
    auto tail = match_tail(request.epilogue->body);
    applied = tail && tail->steps.size() + 2 <= GemmPlan::most_steps && request.epilogue->operands.size() <= GemmPlan::most_operands;
    for (const Operand& operand : request.epilogue->operands) {
      const auto place = place_of(operand, request.output);
      applied = applied && place;
      if (!applied) break;
      plan.tail_operands.push_back({*place == TailPlace::like_output ? plan.n : 0, *place == TailPlace::single ? 0 : 1});
    }
    if (applied)
      plan.tail = std::move(*tail);
    else
      plan.tail_operands.clear();
  }
  plan.batch.rank = 1;
  plan.batch.extent[0] = 1;
  plan.batch.strides.resize(4 + plan.tail_operands.size());
  return make_gemm_kernel(std::move(plan), request.constants.size() > 1 ? request.constants[1] : Tensor(), request.packing);
}

}  // namespace

std::unique_ptr<Kernel> make_convolution(const KernelRequest& request, bool& applied) {
  const auto& conv = std::get<primitive::Convolution>(request.primitive);
  const ConvolutionGeometry geometry = make_geometry(conv, request.inputs, request.output);
  const bool empty = request.output.shape.size() == 0 || request.inputs[0].shape.size() == 0 || request.inputs[1].shape.size() == 0;
  if (request.output.dtype != DType::f32 || empty) return make_plain_convolution(geometry, request.output.dtype);
  if (is_pointwise(geometry, request)) return make_pointwise(request, geometry, applied);
  if (auto kernel = make_tiling_convolution(request, geometry, applied)) return kernel;
  onednn::engine();
  try {
    return onednn::guarded("convolution", [&] { return std::make_unique<OneDnnConvolution>(request, geometry, applied); });
  } catch (const Error& error) {
    // oneDNN has limits of its own (sizes, combinations); the plain loops have none.
    if (error.kind() != ErrorKind::unsupported) throw;
    applied = false;
    return make_plain_convolution(geometry, request.output.dtype);
  }
}

}  // namespace lazyfx::kernels
