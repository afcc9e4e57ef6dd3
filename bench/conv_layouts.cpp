// What the layout of activations costs oneDNN's convolutions: channels last (nhwc), channels in blocks as wide as a vector (blocked), and
// what oneDNN chooses when it is asked (any; the label says which). One thread, batch 1, f32, weights packed beforehand in every case;
// data already lies in the layout measured. The ground of docs/decisions/channels_last.md. As on a narrower machine:
// DNNL_MAX_CPU_ISA=AVX2 conv_layouts.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <unordered_map>

#include <oneapi/dnnl/dnnl.hpp>

// The OpenMP runtime that Debian's oneDNN runs on; its header comes with neither compiler.
extern "C" void omp_set_num_threads(int);

namespace {

using dnnl::memory;

struct Convolution {
  const char* name;
  memory::dim in, out, size, kernel, stride, groups;
};

// The convolutions that ResNet-50 and MobileNet-V2 spend their time in.
constexpr std::array convolutions{
    Convolution{"3x3_64ch_56", 64, 64, 56, 3, 1, 1},
    Convolution{"3x3_128ch_28", 128, 128, 28, 3, 1, 1},
    Convolution{"3x3_256ch_14", 256, 256, 14, 3, 1, 1},
    Convolution{"3x3_512ch_7", 512, 512, 7, 3, 1, 1},
    Convolution{"1x1_64to256ch_56", 64, 256, 56, 1, 1, 1},
    Convolution{"1x1_1024to256ch_14", 1024, 256, 14, 1, 1, 1},
    Convolution{"7x7_3to64ch_224_s2", 3, 64, 224, 7, 2, 1},
    Convolution{"3x3_512ch_14_s2", 512, 512, 14, 3, 2, 1},
    Convolution{"depthwise_3x3_96ch_112_s2", 96, 96, 112, 3, 2, 96},
    Convolution{"depthwise_3x3_384ch_14", 384, 384, 14, 3, 1, 384},
};

enum class Layout { nhwc, blocked, any };

// A picture's three channels fill no block: blocked networks read them as they come.
memory::format_tag tag_of(Layout layout, memory::dim channels) {
  if (layout == Layout::nhwc) return memory::format_tag::nhwc;
  if (layout == Layout::any) return memory::format_tag::any;
  if (channels < 8) return memory::format_tag::nchw;
  return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? memory::format_tag::nChw16c : memory::format_tag::nChw8c;
}

const char* name_of(const memory::desc& desc, memory::dim channels) {
  const auto& dims = desc.data.dims;
  const bool nhwc = desc == memory::desc({1, channels, dims[2], dims[3]}, memory::data_type::f32, memory::format_tag::nhwc);
  return nhwc ? " to nhwc" : " to blocked";
}

dnnl::convolution_forward::primitive_desc describe(const Convolution& c, Layout layout, const dnnl::engine& engine) {
  const memory::dim pad = c.kernel / 2;
  const memory::dim out_size = (c.size + 2 * pad - c.kernel) / c.stride + 1;
  const memory::dims weights = c.groups == 1 ? memory::dims{c.out, c.in, c.kernel, c.kernel}
                                             : memory::dims{c.groups, c.out / c.groups, c.in / c.groups, c.kernel, c.kernel};
  const memory::desc src({1, c.in, c.size, c.size}, memory::data_type::f32, tag_of(layout, c.in));
  const memory::desc packed(weights, memory::data_type::f32, memory::format_tag::any);
  const memory::desc dst({1, c.out, out_size, out_size}, memory::data_type::f32, tag_of(layout, c.out));
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src, packed, dst,
                                             {c.stride, c.stride}, {pad, pad}, {pad, pad});
  return {desc, engine};
}

memory filled(const memory::desc& desc, const dnnl::engine& engine) {
  memory m(desc, engine);
  auto* values = static_cast<float*>(m.get_data_handle());
  for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) values[i] = static_cast<float>(i % 17) / 17 - 0.4F;
  return m;
}

void run(benchmark::State& state, const Convolution& c, Layout layout) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto primitive_desc = describe(c, layout, engine);
  const dnnl::convolution_forward convolution(primitive_desc);
  const std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, filled(primitive_desc.src_desc(), engine)},
                                                  {DNNL_ARG_WEIGHTS, filled(primitive_desc.weights_desc(), engine)},
                                                  {DNNL_ARG_DST, memory(primitive_desc.dst_desc(), engine)}};
  for (auto _ : state) convolution.execute(stream, arguments);
  const auto& out = primitive_desc.dst_desc().data.dims;
  const double operations = 2.0 * static_cast<double>(out[1] * out[2] * out[3] * c.in / c.groups * c.kernel * c.kernel);
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(primitive_desc.impl_info_str()) + name_of(primitive_desc.dst_desc(), c.out));
}

// Choosing an implementation and generating its code, as at the first compile of a model.
void create(benchmark::State& state, const Convolution& c, Layout layout) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  for (auto _ : state) {
    const dnnl::convolution_forward convolution(describe(c, layout, engine));
    benchmark::DoNotOptimize(convolution.get());
  }
}

}  // namespace

int main(int argc, char** argv) {
  omp_set_num_threads(1);
  dnnl::set_primitive_cache_capacity(0);
  for (const Convolution& c : convolutions) {
    for (const Layout layout : {Layout::nhwc, Layout::blocked, Layout::any}) {
      const std::string name = std::string(c.name) + (layout == Layout::nhwc ? "/nhwc" : layout == Layout::blocked ? "/blocked" : "/any");
      benchmark::RegisterBenchmark(("run/" + name).c_str(), run, c, layout)->Unit(benchmark::kMicrosecond);
      benchmark::RegisterBenchmark(("create/" + name).c_str(), create, c, layout)->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
