// Single kernels against what the machine can do: arithmetic in GFLOP/s, movement in GB/s, and the time to make each.
//
//     bench_kernels_bench --benchmark_filter='conv|matmul'
//
// LAZYFX_MAX_ISA=avx2 measures the narrower code.
#include <benchmark/benchmark.h>

#include <cstring>
#include <new>
#include <numeric>
#include <string>

#include "kernels/kernel.hpp"
#include "kernels/placement.hpp"

namespace {

using namespace lazyfx;
using namespace lazyfx::kernels;

struct Aligned {
  explicit Aligned(std::size_t bytes) : data(static_cast<std::byte*>(::operator new[](bytes + 64, std::align_val_t(64)))) {}
  ~Aligned() { ::operator delete[](data, std::align_val_t(64)); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  std::byte* data;
};

struct Job {
  Primitive primitive;
  std::vector<Operand> inputs;
  Operand output;
  std::vector<bool> constant{};
  double flops = 0;
  std::shared_ptr<Epilogue> epilogue{};
};

Tensor numbers(const Operand& operand) {
  Tensor t = Tensor::zeros(operand.dtype, operand.shape);
  if (operand.dtype == DType::f32) {
    float x = 0.1f;
    for (float& v : t.mutable_values<float>()) v = x = x > 0.9f ? -0.9f : x + 0.013f;
  }
  return t;
}

void run(benchmark::State& state, const Job& job) {
  std::vector<Tensor> values, constants(job.inputs.size());
  std::vector<Operand> all = job.inputs;
  if (job.epilogue) all.insert(all.end(), job.epilogue->operands.begin(), job.epilogue->operands.end());
  double bytes = static_cast<double>(bytes_of(job.output));
  for (std::size_t i = 0; i < all.size(); ++i) {
    values.push_back(numbers(all[i]));
    bytes += static_cast<double>(bytes_of(all[i]));
    if (i < job.constant.size() && job.constant[i]) constants[i] = values.back();
  }
  const auto kernel = make_kernel({job.primitive, job.inputs, job.output, constants, job.epilogue.get()});
  std::vector<const void*> addresses;
  for (const Tensor& t : values) addresses.push_back(t.raw());
  Aligned out(bytes_of(job.output)), scratch(kernel->scratch_bytes());
  const SingleThreadScope one_thread;
  for (auto _ : state) kernel->run(addresses.data(), out.data, scratch.data);
  state.SetLabel(kernel->describe());
  if (job.flops > 0) state.counters["GFLOP/s"] = benchmark::Counter(job.flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void make(benchmark::State& state, const Job& job) {
  std::vector<Tensor> constants(job.inputs.size());
  for (std::size_t i = 0; i < job.constant.size(); ++i) {
    if (job.constant[i]) constants[i] = numbers(job.inputs[i]);
  }
  for (auto _ : state) benchmark::DoNotOptimize(make_kernel({job.primitive, job.inputs, job.output, constants, job.epilogue.get()}));
}

void add(const std::string& name, const Job& job) {
  benchmark::RegisterBenchmark(("run/" + name).c_str(), [job](benchmark::State& s) { run(s, job); });
  benchmark::RegisterBenchmark(("make/" + name).c_str(), [job](benchmark::State& s) { make(s, job); });
}

Operand f32(Shape shape, Layout layout = Layout::row_major) { return {DType::f32, shape, layout}; }

struct Conv {
  std::int64_t in, out, height, width, kernel, stride, groups;
};

Job convolution(const Conv& c, const std::string& tail = {}) {
  const std::int64_t pad = c.kernel / 2, h = (c.height + 2 * pad - c.kernel) / c.stride + 1,
                     w = (c.width + 2 * pad - c.kernel) / c.stride + 1;
  Job job;
  job.primitive = primitive::Convolution{
      .strides = {c.stride, c.stride}, .dilations = {1, 1}, .pads_begin = {pad, pad}, .pads_end = {pad, pad}, .groups = c.groups};
  job.inputs = {f32({1, c.in, c.height, c.width}, Layout::channels_last), f32({c.out, c.in / c.groups, c.kernel, c.kernel}),
                f32(Shape{c.out})};
  job.output = f32({1, c.out, h, w}, Layout::channels_last);
  job.constant = {false, true, true};
  job.flops = 2.0 * static_cast<double>(job.output.shape.size() * c.in / c.groups * c.kernel * c.kernel);
  if (!tail.empty()) {
    job.epilogue = std::make_shared<Epilogue>();
    auto& p = job.epilogue->body;
    p.inputs = {DType::f32};
    if (tail == "add_relu") {
      p.inputs.push_back(DType::f32);
      job.epilogue->operands = {job.output};
    }
    if (tail == "hardswish") {
      const auto a = p.add_constant(DType::f32, 1.0 / 6), b = p.add_constant(DType::f32, 0.5), low = p.add_constant(DType::f32, 0),
                 high = p.add_constant(DType::f32, 1);
      const auto ramp = p.add(ScalarOp::multiply_add, DType::f32, 0, a, b);
      p.add(ScalarOp::mul, DType::f32, 0, p.add(ScalarOp::clip, DType::f32, ramp, low, high));
    } else {
      const auto zero = p.add_constant(DType::f32, 0);
      p.add(ScalarOp::max, DType::f32, tail == "add_relu" ? p.add(ScalarOp::add, DType::f32, 0, 1) : std::uint16_t{0}, zero);
    }
  }
  return job;
}

void add_convolutions() {
  const std::vector<Conv> all{
      {3, 64, 224, 224, 7, 2, 1},   {64, 64, 56, 56, 3, 1, 1},     {128, 128, 28, 28, 3, 1, 1},   {256, 256, 14, 14, 3, 1, 1},
      {512, 512, 7, 7, 3, 1, 1},    {64, 256, 56, 56, 1, 1, 1},    {256, 64, 56, 56, 1, 1, 1},    {1024, 256, 14, 14, 1, 1, 1},
      {2048, 512, 7, 7, 1, 1, 1},   {256, 512, 56, 56, 1, 2, 1},   {3, 32, 224, 224, 3, 2, 1},    {32, 32, 112, 112, 3, 1, 32},
      {96, 96, 112, 112, 3, 2, 96}, {144, 144, 56, 56, 3, 1, 144}, {576, 576, 14, 14, 3, 1, 576}, {960, 960, 7, 7, 3, 1, 960},
      {16, 96, 112, 112, 1, 1, 1},  {24, 144, 56, 56, 1, 1, 1},    {192, 32, 28, 28, 1, 1, 1},    {576, 96, 14, 14, 1, 1, 1},
      {960, 320, 7, 7, 1, 1, 1},    {320, 1280, 7, 7, 1, 1, 1},    {960, 240, 1, 1, 1, 1, 1},     {96, 24, 1, 1, 1, 1, 1},
      {120, 480, 3, 80, 1, 1, 1},   {240, 240, 3, 80, 5, 1, 240},  {64, 24, 160, 160, 3, 1, 1},
  };
  for (const Conv& c : all) {
    add("conv/ic" + std::to_string(c.in) + "_oc" + std::to_string(c.out) + "_" + std::to_string(c.height) + "x" + std::to_string(c.width) +
            "_k" + std::to_string(c.kernel) + "_s" + std::to_string(c.stride) + "_g" + std::to_string(c.groups),
        convolution(c));
  }
  for (const std::string tail : {"relu", "add_relu", "hardswish"}) {
    add("conv/3x3_" + tail, convolution({64, 64, 56, 56, 3, 1, 1}, tail));
    add("conv/1x1_" + tail, convolution({64, 256, 56, 56, 1, 1, 1}, tail));
    add("conv/depthwise_" + tail, convolution({144, 144, 56, 56, 3, 1, 144}, tail));
  }
}

void add_transposed_convolutions() {
  for (const Conv& c : {Conv{24, 24, 80, 80, 2, 2, 1}, {24, 1, 160, 160, 2, 2, 1}, {64, 64, 40, 40, 2, 2, 1}, {64, 64, 40, 40, 4, 2, 1}}) {
    const std::int64_t pad = (c.kernel - c.stride) / 2, h = c.height * c.stride, w = c.width * c.stride;
    Job job;
    job.primitive = primitive::Convolution{
        .strides = {c.stride, c.stride}, .dilations = {1, 1}, .pads_begin = {pad, pad}, .pads_end = {pad, pad}, .transposed = true};
    job.inputs = {f32({1, c.in, c.height, c.width}, Layout::channels_last), f32({c.in, c.out, c.kernel, c.kernel}), f32(Shape{c.out})};
    job.output = f32({1, c.out, h, w}, Layout::channels_last);
    job.constant = {false, true, true};
    job.flops = 2.0 * static_cast<double>(c.in * c.out * c.height * c.width * c.kernel * c.kernel);
    add("transposed_conv/ic" + std::to_string(c.in) + "_oc" + std::to_string(c.out) + "_" + std::to_string(c.height) + "x" +
            std::to_string(c.width) + "_k" + std::to_string(c.kernel) + "_s" + std::to_string(c.stride),
        job);
  }
}

void add_products() {
  struct Size {
    std::int64_t m, k, n;
  };
  for (const Size s : {Size{1, 64, 64},
                       {1, 64, 1},
                       {8, 64, 64},
                       {32, 64, 64},
                       {128, 64, 64},
                       {1, 512, 512},
                       {1, 2048, 1000},
                       {64, 256, 256},
                       {128, 128, 128},
                       {256, 256, 256},
                       {384, 768, 768},
                       {384, 768, 3072},
                       {1024, 1024, 1024},
                       {1020, 1000, 1000},
                       {40, 120, 6625},
                       {3136, 64, 256}}) {
    for (const bool constant : {true, false}) {
      Job job;
      job.primitive = primitive::Matmul{};
      job.inputs = {f32({s.m, s.k}), f32({s.k, s.n}), f32(Shape{s.n})};
      job.output = f32({s.m, s.n});
      job.constant = {false, constant, constant};
      job.flops = 2.0 * static_cast<double>(s.m * s.n * s.k);
      add("matmul/" + std::to_string(s.m) + "x" + std::to_string(s.k) + "x" + std::to_string(s.n) + (constant ? "" : "_variable"), job);
    }
  }
  Job scores;
  scores.primitive = primitive::Matmul{.transpose_b = true};
  scores.inputs = {f32({1, 8, 128, 64}), f32({1, 8, 128, 64})};
  scores.output = f32({1, 8, 128, 128});
  scores.flops = 2.0 * 8 * 128 * 128 * 64;
  add("matmul/attention_scores", scores);
}

ScalarProgram program(std::size_t inputs, const std::vector<ScalarOp>& chain) {
  ScalarProgram p;
  p.inputs.assign(inputs, DType::f32);
  const auto c = p.add_constant(DType::f32, 0.7), d = p.add_constant(DType::f32, 0.1);
  std::uint16_t r = 0;
  for (const ScalarOp op : chain) {
    const std::uint16_t other = inputs > 1 ? 1 : c;
    r = p.add(op, DType::f32, r, operand_count(op) == 3 ? d : other, c);
  }
  return p;
}

void add_elementwise() {
  const auto unary = [](const std::string& name, ScalarOp op, std::int64_t n) {
    Job job;
    job.primitive = primitive::Elementwise{program(1, {op})};
    job.inputs = {f32(Shape{n})};
    job.output = f32(Shape{n});
    add("elementwise/" + name + "_" + std::to_string(n), job);
  };
  for (const std::int64_t n : {64, 4096, 262144, 4194304}) {
    unary("relu_like_max", ScalarOp::max, n);
    unary("exp", ScalarOp::exp, n);
    unary("tanh", ScalarOp::tanh, n);
    unary("sigmoid", ScalarOp::sigmoid, n);
    unary("erf", ScalarOp::erf, n);
    unary("log", ScalarOp::log, n);
    unary("sin", ScalarOp::sin, n);
    unary("pow", ScalarOp::pow, n);
    Job sum;
    sum.primitive = primitive::Elementwise{program(2, {ScalarOp::add})};
    sum.inputs = {f32(Shape{n}), f32(Shape{n})};
    sum.output = f32(Shape{n});
    add("elementwise/add_" + std::to_string(n), sum);
  }
  Job chain;
  std::vector<ScalarOp> ops;
  for (int i = 0; i < 5; ++i) ops.insert(ops.end(), {ScalarOp::tanh, ScalarOp::sigmoid, ScalarOp::mul, ScalarOp::add});
  chain.primitive = primitive::Elementwise{program(1, ops)};
  chain.inputs = {f32({1024, 1024})};
  chain.output = f32({1024, 1024});
  add("elementwise/chain20_1024x1024", chain);
  const auto broadcast = [](const std::string& name, Shape x, Shape b, Layout layout) {
    Job job;
    job.primitive = primitive::Elementwise{program(2, {ScalarOp::mul})};
    job.inputs = {f32(x, layout), f32(b, b.rank() == x.rank() ? layout : Layout::row_major)};
    job.output = f32(x, layout);
    add("elementwise/broadcast_" + name, job);
  };
  broadcast("channel_nchw", {1, 96, 56, 56}, {1, 96, 1, 1}, Layout::row_major);
  broadcast("channel_nhwc", {1, 96, 56, 56}, {1, 96, 1, 1}, Layout::channels_last);
  broadcast("channel_nhwc_16", {1, 16, 112, 112}, {1, 16, 1, 1}, Layout::channels_last);
  broadcast("row", {1024, 256}, {256}, Layout::row_major);
  broadcast("column", {1024, 256}, {1024, 1}, Layout::row_major);
  broadcast("outer_8", {4096, 8}, {4096, 1}, Layout::row_major);
}

void add_others() {
  const auto reduce = [](const std::string& name, primitive::ReduceKind kind, Shape x, std::vector<std::size_t> axes, Layout layout) {
    std::vector<std::int64_t> out(x.begin(), x.end());
    for (const std::size_t a : axes) out[a] = 1;
    Job job{primitive::Reduce{kind, std::move(axes)}, {f32(x, layout)}, f32(Shape(std::span<const std::int64_t>(out)), layout)};
    add("reduce/" + name, job);
  };
  using primitive::ReduceKind;
  reduce("mean_nhwc", ReduceKind::mean, {1, 1280, 7, 7}, {2, 3}, Layout::channels_last);
  reduce("mean_nhwc_large", ReduceKind::mean, {1, 64, 112, 112}, {2, 3}, Layout::channels_last);
  reduce("mean_nchw", ReduceKind::mean, {1, 1280, 7, 7}, {2, 3}, Layout::row_major);
  reduce("sum_last", ReduceKind::sum, {1024, 1024}, {1}, Layout::row_major);
  reduce("max_last", ReduceKind::max, {1024, 1024}, {1}, Layout::row_major);
  reduce("sum_first", ReduceKind::sum, {1024, 1024}, {0}, Layout::row_major);
  reduce("mean_last_small", ReduceKind::mean, {128, 64}, {1}, Layout::row_major);
  const auto softmax = [](const std::string& name, Shape x, std::size_t axis, Layout layout) {
    add("softmax/" + name, Job{primitive::Softmax{axis, false}, {f32(x, layout)}, f32(x, layout)});
  };
  softmax("last_40x6625", {40, 6625}, 1, Layout::row_major);
  softmax("last_1024x128", {1024, 128}, 1, Layout::row_major);
  softmax("first_128x1024", {128, 1024}, 0, Layout::row_major);
  softmax("last_10", {1000, 10}, 1, Layout::row_major);
  const auto pool = [](const std::string& name, primitive::PoolKind kind, std::int64_t c, std::int64_t size, std::int64_t k, std::int64_t s,
                       std::int64_t pad, Layout layout) {
    const std::int64_t out = (size + 2 * pad - k) / s + 1;
    add("pool/" + name, Job{primitive::Pool{kind, {k, k}, {s, s}, {1, 1}, {pad, pad}, {pad, pad}},
                            {f32({1, c, size, size}, layout)},
                            f32({1, c, out, out}, layout)});
  };
  pool("max3s2_nhwc", primitive::PoolKind::max, 64, 112, 3, 2, 1, Layout::channels_last);
  pool("max3s2_nchw", primitive::PoolKind::max, 64, 112, 3, 2, 1, Layout::row_major);
  pool("average2s2_nhwc", primitive::PoolKind::average_exclude_pad, 64, 56, 2, 2, 0, Layout::channels_last);
  const auto change = [](const std::string& name, Shape shape, Layout from, Layout to) {
    add("transfer/" + name, Job{layout_change(shape, from, to), {f32(Shape{shape.size()})}, f32(Shape{shape.size()})});
  };
  change("nchw_to_nhwc_3", {1, 3, 224, 224}, Layout::row_major, Layout::channels_last);
  change("nchw_to_nhwc_64", {1, 64, 56, 56}, Layout::row_major, Layout::channels_last);
  change("nhwc_to_nchw_64", {1, 64, 56, 56}, Layout::channels_last, Layout::row_major);
  change("nhwc_to_nchw_512", {1, 512, 40, 40}, Layout::channels_last, Layout::row_major);
  change("nhwc_to_nchw_3", {1, 3, 320, 320}, Layout::channels_last, Layout::row_major);
  change("nchw_to_nhwc_3_320", {1, 3, 320, 320}, Layout::row_major, Layout::channels_last);
  change("nchw_to_nhwc_512", {1, 512, 40, 40}, Layout::row_major, Layout::channels_last);
  change("nchw_to_nhwc_24", {1, 24, 80, 80}, Layout::row_major, Layout::channels_last);
  const auto transposed = [](const std::string& name, DType dtype, std::int64_t rows, std::int64_t columns) {
    primitive::Transfer t;
    t.regions = {{{rows, columns}, {1, rows}, {columns, 1}, 0, 0}};
    add("transfer/" + name, Job{t, {{dtype, {columns, rows}}}, {dtype, {rows, columns}}});
  };
  transposed("transpose_u8_1000", DType::u8, 1000, 1000);
  transposed("transpose_u16_1000", DType::u16, 1000, 1000);
  transposed("transpose_f32_1000", DType::f32, 1000, 1000);
  transposed("transpose_f32_1024", DType::f32, 1024, 1024);
  transposed("transpose_f64_1000", DType::f64, 1000, 1000);
  transposed("transpose_f32_7", DType::f32, 40000, 7);
  transposed("image_u8", DType::u8, 320 * 320, 3);
  primitive::Transfer shuffled;  // depth to space
  shuffled.regions = {{{32, 80, 2, 80, 2}, {25600, 80, 12800, 1, 6400}, {25600, 320, 160, 2, 1}, 0, 0}};
  add("transfer/depth_to_space", Job{shuffled, {f32({1, 128, 80, 80})}, f32({1, 32, 160, 160})});
  primitive::Transfer stretched;
  stretched.regions = {{{100000, 3}, {1, 0}, {3, 1}, 0, 0}};
  add("transfer/expand_3", Job{stretched, {f32({100000, 1})}, f32({100000, 3})});
  primitive::Transfer concat;
  concat.regions = {{{3136, 64}, {64, 1}, {128, 1}, 0, 0}, {{3136, 64}, {64, 1}, {128, 1}, 0, 64}};
  add("transfer/concat_channels", Job{concat, {f32({3136, 64}), f32({3136, 64})}, f32({3136, 128})});
  primitive::Transfer heads;
  heads.regions = {{{8, 128, 64}, {64, 512, 1}, {128 * 64, 64, 1}, 0, 0}};
  add("transfer/split_heads", Job{heads, {f32({128, 512})}, f32({8, 128, 64})});
  const auto resize = [](const std::string& name, primitive::ResizeMode mode, Layout layout, std::int64_t channels = 96) {
    primitive::Resize r;
    r.mode = mode;
    r.coordinates = mode == primitive::ResizeMode::nearest ? primitive::CoordinateMode::asymmetric : primitive::CoordinateMode::half_pixel;
    r.nearest = primitive::NearestMode::floor;
    r.scales = {1, 1, 2, 2};
    add("resize/" + name, Job{r, {f32({1, channels, 40, 40}, layout)}, f32({1, channels, 80, 80}, layout)});
  };
  resize("nearest_nhwc", primitive::ResizeMode::nearest, Layout::channels_last);
  resize("nearest_nchw", primitive::ResizeMode::nearest, Layout::row_major);
  resize("linear_nhwc", primitive::ResizeMode::linear, Layout::channels_last);
  resize("linear_nchw", primitive::ResizeMode::linear, Layout::row_major);
  resize("linear_nhwc_3", primitive::ResizeMode::linear, Layout::channels_last, 3);
  resize("cubic_nhwc", primitive::ResizeMode::cubic, Layout::channels_last);
  resize("cubic_nchw", primitive::ResizeMode::cubic, Layout::row_major);
  add("gather/elements", Job{primitive::Gather{0}, {f32(Shape{100000}), {DType::i64, Shape{100000}}}, f32(Shape{100000})});
  add("gather/columns", Job{primitive::Gather{1}, {f32({1000, 128}), {DType::i64, Shape{64}}}, f32({1000, 64})});
  add("gather/rows_of_4", Job{primitive::Gather{0}, {f32({1000, 4}), {DType::i64, Shape{8192}}}, f32({8192, 4})});
  add("gather/rows_of_64", Job{primitive::Gather{0}, {f32({1000, 64}), {DType::i64, Shape{512}}}, f32({512, 64})});
}

}  // namespace

int main(int argc, char** argv) {
  add_convolutions();
  add_transposed_convolutions();
  add_products();
  add_elementwise();
  add_others();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
