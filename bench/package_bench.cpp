// What it takes from a package on disk to a module, to its first answer, and into memory; each sample in a fresh process, the file in the
// system's cache. Prints medians: package_bench PACKAGE.lfx [SAMPLES]. Make the package with `lazyfx pack MODEL PACKAGE.lfx`.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace {

using namespace lazyfx;
using Clock = std::chrono::steady_clock;

struct Sample {
  double import_ms, first_ms, resident_mb, answered_mb;
};

double ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double resident_mb() {
  long total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

std::vector<Value> inputs_of(const Graph& graph) {
  std::vector<Value> inputs;
  for (const Node node : graph.placeholders()) {
    if (!node.type() || !node.type()->dims) throw Error(ErrorKind::unsupported, "input " + node.name() + " has no shape");
    std::vector<std::int64_t> dims;
    for (const Dim& dim : *node.type()->dims) dims.push_back(dim.known() ? dim.size : 1);
    inputs.emplace_back(Tensor::zeros(node.type()->dtype, Shape(dims)));
  }
  return inputs;
}

Sample measure(const char* file) {
  const auto start = Clock::now();
  Runtime runtime(RuntimeOptions().threads(1));
  const PackageImporter package(file);
  const auto module = package.load_graph_module(package.modules().at(0), runtime);
  const auto imported = Clock::now();
  const double before = resident_mb();
  const auto inputs = inputs_of(module->graph());
  const auto asked = Clock::now();
  module->call(inputs);
  const auto answered = Clock::now();
  return {ms(imported - start), ms(imported - start) + ms(answered - asked), before, resident_mb()};
}

// Measures in a child, which begins with nothing warm.
Sample measure_apart(const char* file) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const auto child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      const Sample sample = measure(file);
      if (::write(ends[1], &sample, sizeof sample) == sizeof sample) status = 0;
    } catch (const std::exception& e) { std::fprintf(stderr, "%s\n", e.what()); }
    ::_exit(status);
  }
  ::close(ends[1]);
  Sample sample{};
  const bool whole = ::read(ends[0], &sample, sizeof sample) == sizeof sample;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!whole) std::exit(1);
  return sample;
}

template <class Field>
double median(std::vector<Sample> samples, Field field) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end(), [field](const Sample& a, const Sample& b) { return a.*field < b.*field; });
  return (*middle).*field;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: package_bench PACKAGE.lfx [SAMPLES]\n");
    return 2;
  }
  const int count = argc > 2 ? std::max(1, std::atoi(argv[2])) : 11;
  std::vector<Sample> samples;
  for (int i = 0; i < count; ++i) samples.push_back(measure_apart(argv[1]));
  std::printf("%s: import %.3f ms, first answer %.3f ms, resident %.1f MB after import and %.1f MB after the answer (medians of %d)\n",
              argv[1], median(samples, &Sample::import_ms), median(samples, &Sample::first_ms), median(samples, &Sample::resident_mb),
              median(samples, &Sample::answered_mb), count);
}
