// Cycles of mark, compile, call and evict, with the resident memory after every thousand: it must not grow by more than 1 KiB per 1000 cycles
// once the first quarter is over.
//
//   soak [--seconds S] [--count CYCLES] [--seed N]
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

double resident_kib() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return static_cast<double>(resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))) / 1024;
}

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(200'000);
  if (!counts.read(argc, argv)) return 2;
  std::mt19937_64 random(counts.seed);
  Runtime runtime(RuntimeOptions().threads(1).cache_bytes(20'000));
  LazyGraphModule module(runtime, support::plus(0));
  const Tensor zeros = support::vec({0, 0, 0, 0});
  std::vector<double> resident;
  resident.reserve(1'000'000);
  std::uint64_t cycles = 0;
  while (!counts.enough(cycles)) {
    const float c = static_cast<float>(cycles % 1'000'000);
    support::set_plus(module.graph(), c);
    module.recompile();
    if (module(zeros).as_tensor().values<float>()[0] != c) return std::cerr << "cycle " << cycles << ": a wrong answer\n", 1;
    if (random() % 50 == 0) runtime.trim(0);
    if (++cycles % 1000 != 0 || resident.size() == resident.capacity()) continue;
    resident.push_back(resident_kib());
    std::cout << cycles << " cycles: " << resident.back() << " KiB\n";
  }
  const std::size_t warm = std::max<std::size_t>(resident.size() / 4, 5);
  if (resident.size() < warm + 5) return std::cerr << "too few cycles to tell\n", 2;
  const double growth = (resident.back() - resident[warm]) / static_cast<double>(resident.size() - 1 - warm);
  std::cout << "grew by " << growth << " KiB per 1000 cycles after the first " << warm << "000, in " << counts.elapsed() << " s\n";
  return growth > 1 ? 1 : 0;
}
