#include "lazyfx/compile/simulation.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "compile/environment.hpp"

namespace lazyfx {

using compile::Failure;
using detail::CompileTask;

struct Simulation::World : std::enable_shared_from_this<World> {
  /// A compile that takes its time.
  struct Compile {
    std::shared_ptr<CompileTask> task;
    std::size_t steps = 0;
    std::chrono::nanoseconds step_time{0};
    bool fails = false;
  };

  struct Timer {
    std::function<void()> function;
    std::weak_ptr<void> owner;
    bool is_owned = false;

    bool is_void() const noexcept { return is_owned && owner.expired(); }
  };

  World(std::uint64_t seed, SimulationOptions how) : options(how), draw(seed) {}

  std::uint64_t below(std::uint64_t limit) { return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(draw); }

  void post(std::function<void()> function) { ready.push_back(std::move(function)); }
  void post_at(Time when, std::function<void()> function) { timers.emplace(when, Timer{std::move(function), {}, false}); }

  void begin(std::shared_ptr<CompileTask> task) {
    auto compile = std::make_shared<Compile>();
    compile->task = std::move(task);
    compile->steps = 1 + below(options.most_steps() + 1);
    const auto longest = static_cast<std::uint64_t>(std::max<std::int64_t>(1, options.longest().count()));
    compile->step_time = std::chrono::nanoseconds(below(longest) / compile->steps);
    compile->fails = options.failures() > 0 && std::uniform_real_distribution<double>(0, 1)(draw) < options.failures();
    compiles.push_back(compile);
    try {
      next_step(compile);
    } catch (...) {
      compiles.pop_back();
      throw;
    }
  }

  void next_step(const std::shared_ptr<Compile>& compile) {
    post_at(time + compile->step_time, [weak = weak_from_this(), compile] {
      const auto world = weak.lock();
      if (!world || !compile->task) return;
      try {
        if (--compile->steps > 0 && !compile->task->flight().stop.load()) return world->next_step(compile);
      } catch (const std::bad_alloc&) {
        // There is no memory for another step: this was the last.
      }
      world->end(compile);
    });
  }

  void end(const std::shared_ptr<Compile>& compile) {
    std::erase(compiles, compile);
    const auto task = std::exchange(compile->task, nullptr);
    if (compile->fails && !task->flight().stop.load())
      task->fail({ErrorKind::backend, "the simulation lets this compile fail"});
    else
      task->compile();
  }

  /// What still compiles for a runtime that stops sees its flag and ends at once. Between its steps one may yet give way to another.
  void end_stopped() {
    const auto is_stopped = [](const auto& compile) { return compile->task->flight().stop.load(); };
    for (;;) {
      const auto next = std::ranges::find_if(compiles, is_stopped);
      if (next == compiles.end()) return;
      const auto compile = *next;
      end(compile);
    }
  }

  bool step() {
    for (;;) {
      while (!timers.empty() && (timers.begin()->first <= time || timers.begin()->second.is_void())) {
        if (!timers.begin()->second.is_void()) ready.emplace_back() = std::move(timers.begin()->second.function);
        timers.erase(timers.begin());
      }
      // The handlers' loop is one of the things that may go on.
      const std::uint64_t choices = ready.size() + 1;
      const std::uint64_t drawn = below(choices);
      if (drawn < ready.size()) {
        std::swap(ready[drawn], ready.back());
        const auto function = std::move(ready.back());
        ready.pop_back();
        function();
        return true;
      }
      handlers.restart();
      if (handlers.poll_one() > 0) return true;
      if (!ready.empty()) continue;
      if (timers.empty()) return false;
      time = timers.begin()->first;
    }
  }

  const SimulationOptions options;
  std::mt19937_64 draw;
  Time time{};
  boost::asio::io_context handlers{1};
  std::vector<std::function<void()>> ready;
  std::multimap<Time, Timer> timers;
  std::vector<std::shared_ptr<Compile>> compiles;
};

Simulation::Simulation(std::uint64_t seed, SimulationOptions options) : world_(std::make_shared<World>(seed, options)) {}

Simulation::~Simulation() {
  // What is posted may hold, and when destroyed post, more: nothing of it runs any more.
  while (!world_->ready.empty() || !world_->timers.empty()) {
    const auto ready = std::exchange(world_->ready, {});
    const auto timers = std::exchange(world_->timers, {});
  }
}

RuntimeOptions Simulation::options() const {
  auto environment = std::make_shared<detail::Environment>();
  const std::weak_ptr<World> weak = world_;
  environment->workplace.post = [weak](std::function<void()> function) {
    if (const auto world = weak.lock()) world->post(std::move(function));
  };
  environment->workplace.post_at = [weak](Time when, std::function<void()> function) {
    if (const auto world = weak.lock()) world->post_at(when, std::move(function));
  };
  environment->at_deadline = [weak](Time when, std::weak_ptr<void> owner, std::function<void()> function) {
    if (const auto world = weak.lock()) world->timers.emplace(when, World::Timer{std::move(function), std::move(owner), true});
  };
  environment->workplace.now = [weak] {
    const auto world = weak.lock();
    return world ? world->time : Time();
  };
  environment->compile = [weak](std::shared_ptr<CompileTask> task) {
    if (const auto world = weak.lock())
      world->begin(std::move(task));
    else
      task->compile();
  };
  environment->stop = [weak] {
    if (const auto world = weak.lock()) world->end_stopped();
  };
  RuntimeOptions options;
  options.threads(world_->options.threads());
  options.environment_ = std::move(environment);
  return options;
}

boost::asio::any_io_executor Simulation::executor() const { return world_->handlers.get_executor(); }
bool Simulation::step() { return world_->step(); }

std::size_t Simulation::run(std::size_t most) {
  std::size_t steps = 0;
  while (steps < most && step()) ++steps;
  return steps;
}

void Simulation::post(std::function<void()> function) { world_->post(std::move(function)); }
Simulation::Time Simulation::now() const noexcept { return world_->time; }
std::uint64_t Simulation::random(std::uint64_t below) { return world_->below(below); }
std::size_t Simulation::compiling() const noexcept { return world_->compiles.size(); }

std::size_t Simulation::compiling(const std::string& name) const {
  return static_cast<std::size_t>(std::count_if(world_->compiles.begin(), world_->compiles.end(),
                                                [&](const auto& c) { return c->task->flight().source.class_name == name; }));
}

}  // namespace lazyfx
