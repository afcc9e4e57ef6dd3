// What it takes from a package on disk to a module, to its first answer, and into memory; each sample in a fresh process, the file in the
// system's cache. Prints medians, --json as one object; --two prints what two processes that have both answered hold of the mapped
// package instead: package_bench PACKAGE.lfx [SAMPLES] [--json] [--two]. Make the package with `lazyfx pack MODEL PACKAGE.lfx`.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace {

using namespace lazyfx;
using Clock = std::chrono::steady_clock;

struct Sample {
  double import_ms, first_ms, before_mb, imported_mb, answered_mb;
};

struct Mapped {
  double rss_mb, pss_mb;
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

// What this process has in memory of a mapped file, and that divided by the processes that have it too.
Mapped mapped_of(const char* file) {
  const std::string name = std::filesystem::canonical(file).string();
  std::ifstream maps("/proc/self/smaps");
  Mapped mapped{};
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    double kb = 0;
    words >> first;
    if (!first.ends_with(':')) ours = line.ends_with(name);
    if (!ours || !(words >> kb)) continue;
    if (first == "Rss:") mapped.rss_mb += kb / 1024;
    if (first == "Pss:") mapped.pss_mb += kb / 1024;
  }
  return mapped;
}

// Calls `while_there` after the answer.
template <class Work>
Sample measure(const char* file, Work while_there) {
  const double begun = resident_mb();
  const auto start = Clock::now();
  Runtime runtime(RuntimeOptions().threads(1));
  const PackageImporter package(file);
  const auto module = package.load_graph_module(package.modules().at(0), runtime);
  const auto imported = Clock::now();
  const double loaded = resident_mb();
  const auto inputs = inputs_of(module->graph());
  const auto asked = Clock::now();
  module->call(inputs);
  const auto answered = Clock::now();
  const double after = resident_mb();
  while_there();
  return {ms(imported - start), ms(imported - start) + ms(answered - asked), begun, loaded, after};
}

// What `work` returns in a child, which begins with nothing warm.
template <class Work>
auto apart(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  decltype(work()) result{};
  const auto child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      result = work();
      if (::write(ends[1], &result, sizeof result) == sizeof result) status = 0;
    } catch (const std::exception& e) { std::fprintf(stderr, "%s\n", e.what()); }
    ::_exit(status);
  }
  ::close(ends[1]);
  const bool whole = ::read(ends[0], &result, sizeof result) == sizeof result;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!whole) std::exit(1);
  return result;
}

// What a process that has answered has of the mapped file while another is in the same state.
Mapped beside_another(const char* file) {
  int ready[2], gate[2];
  if (::pipe(ready) != 0 || ::pipe(gate) != 0) std::abort();
  const auto other = ::fork();
  char byte = 0;
  if (other == 0) {
    ::close(gate[1]);
    int status = 1;
    try {
      measure(file, [&] {
        if (::write(ready[1], &byte, 1) == 1 && ::read(gate[0], &byte, 1) == 0) status = 0;
      });
    } catch (const std::exception& e) { std::fprintf(stderr, "%s\n", e.what()); }
    ::_exit(status);
  }
  ::close(ready[1]);
  if (::read(ready[0], &byte, 1) != 1) std::exit(1);
  const Mapped mapped = apart([&] {
    Mapped found{};
    measure(file, [&] { found = mapped_of(file); });
    return found;
  });
  ::close(gate[1]);
  ::waitpid(other, nullptr, 0);
  return mapped;
}

template <class Field>
double median(std::vector<Sample> samples, Field field) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end(), [field](const Sample& a, const Sample& b) { return a.*field < b.*field; });
  return (*middle).*field;
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = [&](const char* option) {
    return std::any_of(argv + 1, argv + argc, [&](const char* word) { return std::strcmp(word, option) == 0; });
  };
  if (argc < 2) {
    std::fprintf(stderr, "usage: package_bench PACKAGE.lfx [SAMPLES] [--json] [--two]\n");
    return 2;
  }
  if (given("--two")) {
    const Mapped mapped = beside_another(argv[1]);
    std::printf("{\"mapped_rss_mb\":%.2f,\"mapped_pss_mb\":%.2f}\n", mapped.rss_mb, mapped.pss_mb);
    return 0;
  }
  const int count = argc > 2 ? std::max(1, std::atoi(argv[2])) : 11;
  std::vector<Sample> samples;
  for (int i = 0; i < count; ++i) samples.push_back(apart([&] { return measure(argv[1], [] {}); }));
  const auto of = [&](double Sample::* field) { return median(samples, field); };
  const char* const form =
      given("--json")
          ? "{\"import_ms\":%.4f,\"first_ms\":%.4f,\"before_mb\":%.2f,\"imported_mb\":%.2f,\"answered_mb\":%.2f}\n"
          : "import %.3f ms, first answer %.3f ms, resident %.1f MB before, %.1f MB after import and %.1f MB after the answer\n";
  std::printf(form, of(&Sample::import_ms), of(&Sample::first_ms), of(&Sample::before_mb), of(&Sample::imported_mb),
              of(&Sample::answered_mb));
}
