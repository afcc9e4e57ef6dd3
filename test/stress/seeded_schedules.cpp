// Seeded schedules of marks, calls, waits, deadlines, cancellations, failures, destructions and stops in a simulated world of one thread. What
// must hold (schedule_checks.hpp) is looked at after every step; a seed that shows a fault shows it again.
//
//   seeded_schedules [--seconds S] [--count SCHEDULES] [--seed N]
//
// Runs schedules N, N + 1, ... (default 10,000 from 1). Exit status 1 and the seed in words when something did not hold.
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "stress/schedule_call.hpp"
#include "stress/schedule_checks.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;

using schedules::Call;
using schedules::must;
using schedules::Waits;

class History {
 public:
  explicit History(std::uint64_t seed) : world_(seed, how(seed)) {
    expected_.failures = how(seed).failures() > 0;
    RuntimeOptions options = world_.options();
    expected_.overload = chance(4);
    if (expected_.overload) options.max_queued(1 + world_.random(3));
    if (chance(4)) options.cache_bytes(world_.random(3) * 2000);
    if (chance(4)) options.ageing(std::chrono::microseconds(world_.random(3)));
    runtime_ = std::make_unique<Runtime>(options);
    figures_ = {options.threads(), options.cache_bytes()};
    const std::uint64_t modules = 1 + world_.random(4);
    for (std::uint64_t m = 0; m < modules; ++m) add_module();
  }

  /// The first of a program marks longer than the others.
  void run(bool first) {
    marks_for_ever_ = chance(8) || first;
    const std::uint64_t actions = 20 + world_.random(60);
    for (std::uint64_t i = 0; i < actions; ++i) {
      act();
      for (std::uint64_t steps = world_.random(4); steps > 0; --steps) step();
    }
    if (marks_for_ever_) while_marks_go_on(first ? 5000 : 50 + static_cast<int>(world_.random(200)));
    while (world_.step()) check();
    must(calls_.empty(), "a call never completed");
    if (!runtime_) return;
    const RuntimeStats last = runtime_->stats();
    must(last.waiting == 0, "somebody waits although nothing will happen any more");
    must(last.queued == 0 && last.running == 0 && world_.compiling() == 0, "work is left although nothing will happen any more");
  }

 private:
  struct Subject {
    std::string name;
    std::shared_ptr<Graph> graph;
    std::unique_ptr<LazyGraphModule> module;
    std::uint64_t id = 0;
    schedules::ModuleChecks seen;
  };
  struct InFlight {
    std::shared_ptr<Call> call;
    Subject* subject = nullptr;
  };

  static SimulationOptions how(std::uint64_t seed) {
    SimulationOptions options;
    options.threads(1 + seed % 3).compile_time(std::chrono::microseconds(1 + seed % 1000), seed % 7);
    if (seed % 5 == 0) options.failures(0.3);
    return options;
  }
  bool chance(std::uint64_t one_in) { return world_.random(one_in) == 0; }
  std::uint64_t value(std::uint64_t id, std::uint64_t generation) const { return id * 10'000 + generation; }

  void add_module() {
    auto s = std::make_unique<Subject>();
    // Some modules have equal content for a while.
    s->id = chance(3) && !subjects_.empty() ? subjects_.back()->id : subjects_.size() + 1;
    s->name = "M" + std::to_string(subjects_.size());
    s->graph = support::plus(static_cast<double>(value(s->id, 1)));
    s->seen.mark(value(s->id, 1));
    LazyGraphModuleOptions options;
    options.class_name(s->name);
    switch (world_.random(4)) {
      case 0: options.schedule(Schedule::on_demand); break;
      case 1: options.schedule(Schedule::debounced).quiet_time(std::chrono::microseconds(world_.random(500))); break;
      default: break;
    }
    s->module = std::make_unique<LazyGraphModule>(*runtime_, s->graph, nullptr, options);
    subjects_.push_back(std::move(s));
  }

  void act() {
    if (subjects_.empty()) return;
    Subject& s = *subjects_[world_.random(subjects_.size())];
    switch (world_.random(40)) {
      case 0:
        if (!marks_for_ever_) s.module.reset();
        return;
      case 1:
        if (runtime_ && !marks_for_ever_ && chance(6)) stop();
        return;
      case 2:
        if (runtime_) runtime_->trim(world_.random(2) * 1000);
        return;
      case 3:
      case 4:
        if (s.module) s.module->prefetch();
        return;
      case 5:
        if (s.module) s.module->retry();
        return;
      case 6:
        if (s.module) must(!s.module->code().empty(), "no code");
        return;
      case 7:
        if (s.module) peek(s);
        return;
      default: break;
    }
    if (!s.module) return;
    if (world_.random(3) == 0) return mark(s, !chance(4));
    if (chance(8)) return cancel_one();
    if (chance(5)) return wait(s);
    call(s);
  }

  void mark(Subject& s, bool edited) {
    const std::uint64_t v = edited ? value(s.id, s.seen.generation() + 1) : s.seen.newest_answer();
    if (edited) support::set_plus(*s.graph, static_cast<double>(v));
    s.seen.mark(v);
    s.module->recompile();
    must(s.module->generation() == s.seen.generation(), "a mark did not raise the generation by one");
  }

  void stop() {
    expected_.stop = true;
    if (chance(2))
      runtime_->stop(asio::bind_executor(world_.executor(), [](std::exception_ptr error) { must(!error, "stop failed"); }));
    else
      runtime_.reset();
  }

  void cancel_one() {
    if (calls_.empty()) return;
    const auto call = calls_[world_.random(calls_.size())].call;
    if (call->done) return;
    call->cancelled = true;
    call->signal.emit(asio::cancellation_type::terminal);
  }

  std::shared_ptr<Call> new_call(Subject& s) {
    auto call = std::make_shared<Call>();
    call->oldest = s.module->generation();
    call->ends_before = s.seen.ends();
    if (chance(4)) call->deadline = world_.now() + std::chrono::microseconds(world_.random(2000));
    calls_.push_back({call, &s});
    return call;
  }

  template <class Handler>
  auto answers(const std::shared_ptr<Call>& call, Handler handler) {
    return asio::bind_cancellation_slot(call->signal.slot(), asio::bind_executor(schedules::AnswersTo(world_, call), std::move(handler)));
  }

  void call(Subject& s) {
    const auto call = new_call(s);
    const bool is_clean = !s.module->needs_recompile();
    call->waits = is_clean ? Waits::no : Waits::yes;
    call->shows_published = true;
    ForwardOptions options;
    if (call->deadline) options.deadline(*call->deadline);
    switch (world_.random(6)) {
      case 0: {
        const std::uint64_t lag = world_.random(4);
        options.freshness(Freshness::last_good(lag));
        call->oldest = call->oldest > lag ? call->oldest - lag : 1;
        break;
      }
      case 1:
        options.freshness(Freshness::interpret_until_ready());
        call->waits = Waits::no;
        call->shows_published = false;
        break;
      default: break;
    }
    const bool on_pool = chance(6);
    if (on_pool) {
      options.run_on(RunOn::pool);
      call->shows_published = false;
      if (call->waits == Waits::yes) call->waits = Waits::maybe;
    } else if (chance(6)) {
      options.run_on(RunOn::caller);
    }
    inside_ = true;
    s.module->forward(Inputs(support::vec({0, 0, 0, 0})), options,
                      answers(call, [this, call, &s](std::exception_ptr error, const Value& y) {
                        ended(*call, error);
                        if (!error) s.seen.see_answer(*call, shown(y));
                      }));
    inside_ = false;
    if (call->is_waiting()) {
      must(call->oldest > s.seen.published(), "a call waits although what is published would do");
      call->oldest = s.module->generation();  // what is not there at once is awaited fresh
    }
    must(call->answered || !call->shows_published || !is_clean, "a call of a clean module is not answered at once");
  }

  void wait(Subject& s) {
    const auto call = new_call(s);
    call->waits = Waits::yes;
    WaitOptions options;
    if (call->deadline) options.deadline(*call->deadline);
    auto handler = answers(call, [this, call, &s](std::exception_ptr error) {
      ended(*call, error);
      if (!error) s.seen.see_published(call->oldest);
    });
    inside_ = true;
    if (chance(2))
      s.module->wait_ready(Tier::baseline, options, std::move(handler));
    else
      s.module->real_recompile(options, std::move(handler));
    inside_ = false;
  }

  /// What is published now, if anything is.
  void peek(Subject& s) {
    if (s.seen.published() == 0) return;
    const Value zeros = support::vec({0, 0, 0, 0});
    s.seen.see_publication(shown(s.module->call({&zeros, 1}, ForwardOptions().freshness(Freshness::last_good()))));
  }
  static std::uint64_t shown(const Value& y) { return static_cast<std::uint64_t>(y.as_tensor().values<float>()[0]); }

  void ended(Call& call, const std::exception_ptr& error) {
    must(!inside_, "a handler was called inside of what it was given to");
    must(call.answered && !call.done, "a call completed twice");
    call.done = true;
    expected_.look(call, world_.now(), error);
  }

  void step() {
    world_.step();
    check();
  }

  void check() {
    schedules::Account account{0, 0, world_.compiling()};
    for (const auto& s : subjects_) {
      s->seen.see_compiling(world_.compiling(s->name));
      if (s->module) s->seen.see_state(s->module->generation(), s->module->needs_recompile(), s->module->state());
    }
    for (const auto& [call, subject] : calls_) {
      must(call->answered || !call->deadline || world_.now() <= *call->deadline, "a call outlives its deadline");
      if (call->is_waiting()) {
        ++account.waiting;
        subject->seen.see_waiting(*call);
      } else if (call->may_be_waiting()) {
        ++account.maybe_waiting;
      }
    }
    if (runtime_) figures_.look(runtime_->stats(), account);
    std::erase_if(calls_, [](const InFlight& c) { return c.call->done; });
  }

  // A mark before every step, and calls among them; whoever called must be answered while marks go on, within so many compiles.
  void while_marks_go_on(int rounds) {
    constexpr int patience = 3000;
    std::vector<std::pair<std::shared_ptr<Call>, int>> watched;
    for (const auto& c : calls_) watched.emplace_back(c.call, 0);
    for (int round = 0; round < rounds; ++round) {
      for (const auto& s : subjects_) {
        if (!s->module || s->module->generation() >= 9000) continue;
        mark(*s, true);
        if (!chance(16)) continue;
        call(*s);
        watched.emplace_back(calls_.back().call, round);
      }
      step();
      std::erase_if(watched, [](const auto& w) { return w.first->done; });
      must(watched.empty() || round - watched.front().second < patience, "marks that never end starve a call");
    }
  }

  Simulation world_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<InFlight> calls_;  ///< not done at the last look
  schedules::FigureChecks figures_;
  schedules::Expected expected_;
  bool inside_ = false;
  bool marks_for_ever_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(10'000);
  if (!counts.read(argc, argv)) return 2;
  std::uint64_t done = 0;
  for (; !counts.enough(done); ++done) {
    try {
      History(counts.seed + done).run(done == 0);
    } catch (const std::exception& e) {
      std::cerr << "seed " << counts.seed + done << ": " << e.what() << "\n";
      return 1;
    }
  }
  std::cout << done << " schedules from seed " << counts.seed << ": everything held\n";
}
