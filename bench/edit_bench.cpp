// What it costs to change one tensor of a model: set_attr, recompile() and the first call of the new generation, beside the first call of the
// model and a clean one. The smallest and the largest tensor take turns in two columns. Run it pinned:
// taskset -c 0 build/release/bin/bench/edit_bench MODEL.onnx [DIMENSIONS...]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace {

using namespace lazyfx;
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

Tensor input_of(const onnx::Port& port, std::span<const std::int64_t> given) {
  std::vector<std::int64_t> dims;
  for (const Dim& dim : *port.type->dims) { dims.push_back(dims.size() < given.size() ? given[dims.size()] : dim.known() ? dim.size : 1); }
  Tensor t = Tensor::empty(DType::f32, Shape(dims));
  std::uint32_t seed = 1;
  for (float& v : t.mutable_values<float>()) v = static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) / 16777216.0F;
  return t;
}

/// The same elements but one, so that no two generations are equal.
Tensor changed(const Tensor& tensor, int round) {
  Tensor next = tensor.clone();
  next.mutable_values<float>()[0] += static_cast<float>(round) * 1e-3F;
  return next;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: edit_bench MODEL.onnx [DIMENSIONS...]\n");
    return 1;
  }
  constexpr int rounds = 21;
  const onnx::ImportedModel model = onnx::import_model(argv[1], OperatorRegistry::standard());
  std::vector<std::int64_t> given;
  for (int i = 2; i < argc; ++i) given.push_back(std::atoll(argv[i]));
  const std::vector<Value> inputs{input_of(model.inputs.at(0), given)};

  Runtime runtime(RuntimeOptions().threads(1));
  const auto t0 = Clock::now();
  LazyGraphModule module(runtime, model.graph, model.root.get());
  static_cast<void>(module.call(inputs));
  const double first = milliseconds(Clock::now() - t0);

  std::vector<double> clean;
  for (int i = 0; i < rounds; ++i) {
    const auto t1 = Clock::now();
    static_cast<void>(module.call(inputs));
    clean.push_back(milliseconds(Clock::now() - t1));
  }

  auto tensors = module.named_tensors();
  std::erase_if(tensors, [](const auto& named) { return named.second.tensor.dtype() != DType::f32 || named.second.tensor.size() == 0; });
  if (tensors.empty()) {
    std::fprintf(stderr, "the model has no f32 tensors\n");
    return 1;
  }
  const auto by_size = [](const auto& a, const auto& b) { return a.second.tensor.size() < b.second.tensor.size(); };
  const auto edit = [&](const auto& named) {
    std::vector<double> times;
    for (int i = 1; i <= rounds; ++i) {
      const Tensor next = changed(named.second.tensor, i);
      const auto t1 = Clock::now();
      module.set_attr(named.first, next);
      module.recompile();
      static_cast<void>(module.call(inputs));
      times.push_back(milliseconds(Clock::now() - t1));
    }
    return median(times);
  };
  const auto before = runtime.stats();
  const double small = edit(*std::min_element(tensors.begin(), tensors.end(), by_size));
  const auto middle = runtime.stats();
  const double large = edit(*std::max_element(tensors.begin(), tensors.end(), by_size));
  const auto after = runtime.stats();
  const auto per_round = [](std::uint64_t from, std::uint64_t to) { return static_cast<double>(to - from) / rounds; };
  std::printf("first call %.2f ms, clean call %.2f ms\n", first, median(clean));
  std::printf("smallest tensor changed: %.2f ms, %.1f kernels made and %.1f constants packed per edit\n", small,
              per_round(before.kernels_made, middle.kernels_made), per_round(before.constants_packed, middle.constants_packed));
  std::printf("largest tensor changed:  %.2f ms, %.1f kernels made and %.1f constants packed per edit\n", large,
              per_round(middle.kernels_made, after.kernels_made), per_round(middle.constants_packed, after.constants_packed));
  return 0;
}
