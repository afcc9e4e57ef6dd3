#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "stress/schedule_call.hpp"
#include "stress/schedule_checks.hpp"
#include "support/counts.hpp"

/// What programs of seeded schedules have in common: a world, a runtime in it, calls in flight, and how a schedule goes.
namespace schedules {

class History {
 public:
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  virtual ~History() = default;

  /// `at_length`: marks longer than others do.
  void run(bool at_length) {
    marks_for_ever_ = chance(8) || at_length;
    const std::uint64_t actions = 20 + world_.random(60);
    for (std::uint64_t i = 0; i < actions; ++i) {
      act();
      for (std::uint64_t steps = world_.random(4); steps > 0; --steps) step();
    }
    if (marks_for_ever_) while_marks_go_on(at_length ? 5000 : 50 + static_cast<int>(world_.random(200)));
    while (world_.step()) check();
    must(calls_.empty(), "a call never completed");
    if (!runtime_) return;
    const lazyfx::RuntimeStats last = runtime_->stats();
    must(last.waiting == 0, "somebody waits although nothing will happen any more");
    must(last.queued == 0 && last.running == 0 && world_.compiling() == 0, "work is left although nothing will happen any more");
    at_rest(last);
  }

 protected:
  explicit History(std::uint64_t seed) : world_(seed, how(seed)) {
    expected_.failures = how(seed).failures() > 0;
    lazyfx::RuntimeOptions options = world_.options();
    expected_.overload = chance(4);
    if (expected_.overload) options.max_queued(1 + world_.random(3));
    if (chance(4)) options.cache_bytes(world_.random(3) * 2000);
    if (chance(4)) options.ageing(std::chrono::microseconds(world_.random(3)));
    options.inline_budget_ns(1e12);  // where a call runs is for the schedule to draw
    runtime_ = std::make_unique<lazyfx::Runtime>(options);
    figures_ = {options.threads(), options.cache_bytes()};
  }

  virtual void act() = 0;
  /// One round of those in which marks never end.
  virtual void mark_and_call() = 0;
  /// After every step: at the modules, and at a call that surely waits.
  virtual void look_at_modules() = 0;
  virtual void look_at_waiting(const Call& call) = 0;
  /// Nothing will happen any more.
  virtual void at_rest(const lazyfx::RuntimeStats& /*last*/) {}

  bool chance(std::uint64_t one_in) { return world_.random(one_in) == 0; }

  /// When a module's marks start its compile.
  lazyfx::LazyGraphModuleOptions module_options(const std::string& name) {
    lazyfx::LazyGraphModuleOptions options;
    options.class_name(name);
    switch (world_.random(4)) {
      case 0: options.schedule(lazyfx::Schedule::on_demand); break;
      case 1: options.schedule(lazyfx::Schedule::debounced).quiet_time(std::chrono::microseconds(world_.random(500))); break;
      default: break;
    }
    return options;
  }

  void stop() {
    expected_.stop = true;
    if (chance(2))
      runtime_->stop(boost::asio::bind_executor(world_.executor(), [](const std::exception_ptr& error) { must(!error, "stop failed"); }));
    else
      runtime_.reset();
  }

  void cancel_one() {
    if (calls_.empty()) return;
    const auto call = calls_[world_.random(calls_.size())];
    if (call->done) return;
    call->cancelled = true;
    call->signal.emit(boost::asio::cancellation_type::terminal);
  }

  /// A call of `module`, or of what its answer may be where it is not the newest.
  lazyfx::ForwardOptions draw_call(Call& call, const lazyfx::GraphModule& module) {
    const bool is_clean = !module.needs_recompile();
    call.waits = is_clean ? Waits::no : Waits::yes;
    call.shows_published = true;
    lazyfx::ForwardOptions options;
    draw_deadline(call, options);
    switch (world_.random(6)) {
      case 0:
        call.lag = world_.random(4);
        options.freshness(lazyfx::Freshness::last_good(*call.lag));
        break;
      case 1:
        options.freshness(lazyfx::Freshness::interpret_until_ready());
        call.waits = Waits::no;
        call.shows_published = false;
        break;
      default: break;
    }
    if (chance(6)) {
      options.run_on(lazyfx::RunOn::pool);
      call.shows_published = false;
      if (call.waits == Waits::yes) call.waits = Waits::maybe;
    } else if (chance(6)) {
      options.run_on(lazyfx::RunOn::caller);
    }
    call.at_once = is_clean && call.shows_published;
    return options;
  }

  /// A wait for `module`.
  lazyfx::WaitOptions draw_wait(Call& call, const lazyfx::GraphModule& module) {
    call.waits = Waits::yes;
    call.at_once = !module.needs_recompile();
    lazyfx::WaitOptions options;
    draw_deadline(call, options);
    return options;
  }

  /// `begin` gives its argument to the library, which calls it when `call` completes; `answered` gets what it completes with, if that is no error.
  template <class Begin, class Answered>
  void give(const std::shared_ptr<Call>& call, Begin begin, Answered answered) {
    calls_.push_back(call);
    inside_ = true;
    begin(boost::asio::bind_cancellation_slot(
        call->signal.slot(),
        boost::asio::bind_executor(AnswersTo(world_, call), [this, call, answered](const std::exception_ptr& error, const auto&... answer) {
          must(!inside_, "a handler was called inside of what it was given to");
          must(call->answered && !call->done, "a call completed twice");
          call->done = true;
          expected_.look(*call, world_.now(), error);
          if (!error) answered(answer...);
        })));
    inside_ = false;
    must(call->answered || !call->at_once, "a call of a clean module is not answered at once");
  }

  void step() {
    world_.step();
    check();
  }

  lazyfx::Simulation world_;
  std::unique_ptr<lazyfx::Runtime> runtime_;
  std::vector<std::shared_ptr<Call>> calls_;  ///< not done at the last look
  FigureChecks figures_;
  Expected expected_;
  bool marks_for_ever_ = false;

 private:
  static lazyfx::SimulationOptions how(std::uint64_t seed) {
    lazyfx::SimulationOptions options;
    options.threads(1 + seed % 3).compile_time(std::chrono::microseconds(1 + seed % 1000), seed % 7);
    if (seed % 5 == 0) options.failures(0.3);
    return options;
  }

  template <class Options>
  void draw_deadline(Call& call, Options& options) {
    if (!chance(4)) return;
    call.deadline = world_.now() + std::chrono::microseconds(world_.random(2000));
    options.deadline(*call.deadline);
  }

  void check() {
    Account account{0, 0, world_.compiling()};
    look_at_modules();
    for (const auto& call : calls_) {
      must(call->answered || !call->deadline || world_.now() <= *call->deadline, "a call outlives its deadline");
      if (call->is_waiting()) {
        ++account.waiting;
        look_at_waiting(*call);
      } else if (call->may_be_waiting()) {
        ++account.maybe_waiting;
      }
    }
    if (runtime_) figures_.look(runtime_->stats(), account);
    std::erase_if(calls_, [](const auto& call) { return call->done; });
  }

  // Whoever called must be answered while marks go on, within so many compiles.
  void while_marks_go_on(int rounds) {
    constexpr int patience = 3000;
    std::vector<std::pair<std::shared_ptr<Call>, int>> watched;
    for (const auto& call : calls_) watched.emplace_back(call, 0);
    for (int round = 0; round < rounds; ++round) {
      const std::size_t before = calls_.size();
      mark_and_call();
      for (std::size_t i = before; i < calls_.size(); ++i) watched.emplace_back(calls_[i], round);
      step();
      std::erase_if(watched, [](const auto& w) { return w.first->done; });
      must(watched.empty() || round - watched.front().second < patience, "marks that never end starve a call");
    }
  }

  bool inside_ = false;
};

/// Runs schedules `--seed`, the next, ... as the arguments say; that of seed 1 at length. Exit status 1 and the seed in words when something did not hold.
template <class Program>
int run_all(int argc, char** argv) {
  support::Counts counts(10'000);
  if (!counts.read(argc, argv)) return 2;
  std::uint64_t done = 0;
  for (; !counts.enough(done); ++done) {
    try {
      Program(counts.seed + done).run(counts.seed + done == 1);
    } catch (const std::exception& e) {
      std::cerr << "seed " << counts.seed + done << ": " << e.what() << "\n";
      return 1;
    }
  }
  std::cout << done << " schedules from seed " << counts.seed << ": everything held\n";
  return 0;
}

}  // namespace schedules
