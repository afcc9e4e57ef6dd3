// ONNX Runtime's side of bench/compare_ort.py: what `lazyfx bench` measures, measured there.
//
// ort_peer LIBONNXRUNTIME MODEL [--threads N] [--seconds S] [NAME=1x3x224x224 | NAME=FILE.pb]...
//
// Prints one JSON object. first_output_ms is the first session of the process from opening the file to its first output, with the file out
// of the system's cache unless --warm is given; start it anew for every sample.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "lazyfx/interop/onnx.hpp"
#include "onnx_runtime.hpp"

namespace {
using lazyfx::DType;
using lazyfx::Shape;
using lazyfx::Tensor;
using Clock = std::chrono::steady_clock;

double ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

Tensor pattern(DType dtype, const Shape& shape) {
  Tensor tensor = Tensor::zeros(dtype, shape);
  if (dtype == DType::f32) {
    std::size_t k = 0;
    for (float& v : tensor.mutable_values<float>()) v = static_cast<float>(k++ * 7919 % 1000) / 1000 - 0.5F;
  }
  return tensor;
}

Shape parse_shape(const std::string& text) {
  std::vector<std::int64_t> dims;
  std::stringstream sizes(text);
  for (std::string size; std::getline(sizes, size, 'x');) dims.push_back(std::stoll(size));
  return Shape(dims);
}

struct Plan {
  std::string library, model;
  int threads = 1;
  double seconds = 2;
  bool warm = false;
  std::map<std::string, Shape> shapes;
  std::map<std::string, Tensor> tensors;  ///< inputs whose elements matter
};

std::optional<Plan> parse(int argc, char** argv) {
  Plan plan;
  std::vector<std::string> operands;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--warm")
      plan.warm = true;
    else if (argument == "--threads" && i + 1 < argc)
      plan.threads = std::atoi(argv[++i]);
    else if (argument == "--seconds" && i + 1 < argc)
      plan.seconds = std::atof(argv[++i]);
    else if (const auto at = argument.find('='); at != std::string::npos && operands.size() == 2 && argument.ends_with(".pb"))
      plan.tensors.emplace(argument.substr(0, at), lazyfx::onnx::import_tensor(argument.substr(at + 1)));
    else if (at != std::string::npos && operands.size() == 2)
      plan.shapes.emplace(argument.substr(0, at), parse_shape(argument.substr(at + 1)));
    else
      operands.push_back(argument);
  }
  if (operands.size() != 2) return {};
  plan.library = operands[0];
  plan.model = operands[1];
  return plan;
}

void forget(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY);
  if (fd < 0) return;
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

void measure(const Plan& plan) {
  const peers::OnnxRuntime runtime(plan.library);
  if (!plan.warm) forget(plan.model);
  const auto opened = Clock::now();
  const peers::Session session(runtime, plan.model, plan.threads);
  const auto created = Clock::now();
  std::vector<Tensor> inputs;
  for (const auto& port : session.inputs()) {
    if (const auto file = plan.tensors.find(port.name); file != plan.tensors.end()) {
      inputs.push_back(file->second);
      continue;
    }
    std::vector<std::int64_t> dims;
    for (const auto& dim : *port.type.dims) dims.push_back(dim.known() ? dim.size : 1);
    const auto given = plan.shapes.find(port.name);
    inputs.push_back(pattern(port.type.dtype, given == plan.shapes.end() ? Shape(dims) : given->second));
  }
  const auto began = Clock::now();
  session.run(inputs);
  const auto first = Clock::now();
  for (int i = 0; i < 3; ++i) session.run(inputs);
  std::vector<double> runs;
  while (runs.size() < 10 || (runs.size() < 1000000 && ms(Clock::now() - first) < plan.seconds * 1e3)) {
    const auto from = Clock::now();
    session.run(inputs);
    runs.push_back(ms(Clock::now() - from));
  }
  std::sort(runs.begin(), runs.end());
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"load_ms\":%.5f,\"first_output_ms\":%.5f,\"run_ms_min\":%.5f,\"run_ms_median\":%.5f,\"peak_mb\":%.1f}\n",
              ms(created - opened), ms(created - opened) + ms(first - began), runs.front(), runs[runs.size() / 2],
              static_cast<double>(usage.ru_maxrss) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  const auto plan = parse(argc, argv);
  if (!plan) {
    std::fprintf(stderr, "usage: ort_peer LIBONNXRUNTIME MODEL [--threads N] [--seconds S] [--warm] [NAME=DIMS | NAME=FILE.pb]...\n");
    return 2;
  }
  try {
    measure(*plan);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ort_peer: %s\n", error.what());
    return 1;
  }
}
