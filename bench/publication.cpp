// What it costs a call to take hold of what a module publishes, while nobody publishes: a hazard pointer, as lazyfx does it, beside
// std::atomic<std::shared_ptr>, a shared_ptr behind a mutex, and behind a shared mutex. The ground of docs/decisions/publication.md.
#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "compile/hazard.hpp"

namespace {

struct Published {
  long generation = 1;
};

const std::shared_ptr<const Published> owner = std::make_shared<const Published>();
std::atomic<const Published*> hot{owner.get()};
std::atomic<std::shared_ptr<const Published>> atomic_pointer{owner};
std::shared_ptr<const Published> locked_pointer = owner;
std::mutex mutex;
std::shared_mutex shared_mutex;

void hazard_pointer(benchmark::State& state) {
  for (auto _ : state) {
    lazyfx::hazard::Guard guard;
    benchmark::DoNotOptimize(guard.protect(hot)->generation);
  }
}

void atomic_shared_ptr(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(atomic_pointer.load()->generation);
}

template <class Lock, class Mutex>
void behind(benchmark::State& state, Mutex& m) {
  for (auto _ : state) {
    std::shared_ptr<const Published> held;
    {
      const Lock lock(m);
      held = locked_pointer;
    }
    benchmark::DoNotOptimize(held->generation);
  }
}
void behind_mutex(benchmark::State& state) { behind<std::lock_guard<std::mutex>>(state, mutex); }
void behind_shared_mutex(benchmark::State& state) { behind<std::shared_lock<std::shared_mutex>>(state, shared_mutex); }

}  // namespace

BENCHMARK(hazard_pointer)->ThreadRange(1, 4);
BENCHMARK(atomic_shared_ptr)->ThreadRange(1, 4);
BENCHMARK(behind_mutex)->ThreadRange(1, 4);
BENCHMARK(behind_shared_mutex)->ThreadRange(1, 4);
BENCHMARK_MAIN();
