// Seeded schedules of marks, calls, cancellations, failures, destructions and stops in a simulated world of one thread. What must hold is
// looked at after every step; a seed that shows a fault shows it again.
//
//   seeded_schedules [--seconds S] [--count SCHEDULES] [--seed N]
//
// Runs schedules N, N + 1, ... (default 10,000 from 1). Exit status 1 and the seed in words when something did not hold.
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>

#include "lazyfx/compile/simulation.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;

void must(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// One call in flight. Its answer tells the generation it belongs to: generation g of module m adds m * 1,000,000 + g, or what an equal
/// module added.
struct Call {
  asio::cancellation_signal signal;
  std::uint64_t oldest = 0;
  std::uint64_t ends_at_call = 0;  ///< compiles of its module that had ended
  bool waits_only = false;         ///< for its compile, and for nothing on the pool after it
  bool cancelled = false;
  bool done = false;
};

class History {
 public:
  explicit History(std::uint64_t seed) : world_(seed, how(seed)) {
    RuntimeOptions options = world_.options();
    if (chance(4)) options.max_queued(1 + world_.random(3));
    if (chance(4)) options.cache_bytes(world_.random(3) * 2000);
    if (chance(4)) options.ageing(std::chrono::microseconds(world_.random(3)));
    runtime_ = std::make_unique<Runtime>(options);
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
    for (const auto& call : calls_) must(call->done, "a call never completed");
    if (!runtime_) return;
    const RuntimeStats s = runtime_->stats();
    must(s.waiting == 0, "somebody waits although nothing will happen any more");
    must(s.queued == 0 && s.running == 0 && world_.compiling() == 0, "work is left although nothing will happen any more");
    must(s.compiles_started <= s.compiles_finished + s.compiles_failed + s.compiles_cancelled, "a compile has ended nowhere");
    must(s.compiles_started >= s.compiles_finished + s.compiles_failed + s.compiles_cancelled, "a compile has ended twice");
    must(s.wait_time.count() == s.waits, "a wait has ended nowhere or twice");
  }

 private:
  struct Subject {
    std::string name;
    std::shared_ptr<Graph> graph;
    std::unique_ptr<LazyGraphModule> module;
    std::uint64_t id = 0;
    std::vector<std::uint64_t> value_of;  ///< by generation
    std::uint64_t ends = 0;               ///< of its compiles
    std::size_t compiling = 0;
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
    s->value_of = {0, value(s->id, 1)};
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
        if (!marks_for_ever_) destroy(s);
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
      default: break;
    }
    if (!s.module) return;
    if (world_.random(3) == 0) return mark(s, !chance(4));
    if (world_.random(5) == 0) return cancel_one();
    call(s);
  }

  void mark(Subject& s, bool edited) {
    const std::uint64_t next = s.module->generation() + 1;
    const std::uint64_t v = edited ? value(s.id, next) : s.value_of.back();
    if (edited) support::set_plus(*s.graph, static_cast<double>(v));
    s.value_of.push_back(v);
    s.module->recompile();
    must(s.module->generation() == next, "a mark did not raise the generation by one");
  }

  void destroy(Subject& s) { s.module.reset(); }

  void stop() {
    if (chance(2)) {
      runtime_->stop(asio::bind_executor(world_.executor(), [](std::exception_ptr error) { must(!error, "stop failed"); }));
      stopped_ = true;
    } else {
      runtime_.reset();
      stopped_ = true;
    }
  }

  void cancel_one() {
    if (calls_.empty()) return;
    const auto call = calls_[world_.random(calls_.size())];
    if (call->done) return;
    call->cancelled = true;
    call->signal.emit(asio::cancellation_type::terminal);
  }

  void call(Subject& s) {
    auto call = std::make_shared<Call>();
    ForwardOptions options;
    std::uint64_t lag = 0;
    call->waits_only = true;
    switch (world_.random(6)) {
      case 0:
        lag = world_.random(4);
        options.freshness(Freshness::last_good(lag));
        call->waits_only = false;
        break;
      case 1:
        options.freshness(Freshness::interpret_until_ready());
        call->waits_only = false;
        break;
      default: break;
    }
    if (chance(3)) {
      const bool on_pool = chance(2);
      options.run_on(on_pool ? RunOn::pool : RunOn::caller);
      if (on_pool) call->waits_only = false;
    }
    const std::uint64_t now = s.module->generation();
    call->oldest = now > lag ? now - lag : 1;
    call->ends_at_call = s.ends;
    calls_.push_back(call);
    Subject* subject = &s;
    inside_ = true;
    s.module->forward(
        Inputs(support::vec({0, 0, 0, 0})), options,
        asio::bind_cancellation_slot(call->signal.slot(),
                                     asio::bind_executor(world_.executor(), [this, call, subject](std::exception_ptr error, Value y) {
                                       must(!inside_, "a handler was called inside of forward");
                                       completed(*call, *subject, error, y);
                                     })));
    inside_ = false;
  }

  void completed(Call& call, Subject& s, const std::exception_ptr& error, const Value& y) {
    must(!call.done, "a call completed twice");
    call.done = true;
    if (!error) {
      const auto answer = static_cast<std::uint64_t>(y.as_tensor().values<float>()[0]);
      bool known = false;
      for (std::uint64_t g = call.oldest; g < s.value_of.size(); ++g) known = known || s.value_of[g] == answer;
      must(known, "an answer belongs to a generation before its call, or to none");
      // The rest of one compile plus one more, and one whose publication it came just too late for.
      must(!call.waits_only || s.ends <= call.ends_at_call + 3, "a call waited for more than the rest of one compile and one more");
      return;
    }
    try {
      std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      must(e.code() == asio::error::operation_aborted && call.cancelled, "a call was aborted that nobody cancelled");
    } catch (const Error& e) {
      const bool expected =
          e.kind() == ErrorKind::backend || (e.kind() == ErrorKind::stopped && stopped_) || e.kind() == ErrorKind::overloaded;
      must(expected, e.what());
    }
  }

  void step() {
    world_.step();
    check();
  }

  void check() {
    for (const auto& s : subjects_) {
      const std::size_t now = world_.compiling(s->name);
      must(now <= 1, "two compiles of one module run at once");
      if (now < s->compiling) ++s->ends;
      s->compiling = now;
      if (s->module && !s->module->needs_recompile())
        must(s->module->state() == ModuleState::clean, "a module is clean and says it is not");
    }
  }

  // A mark before every step, and calls among them; whoever called must be answered while marks go on, within so many compiles.
  void while_marks_go_on(int rounds) {
    constexpr int patience = 3000;
    std::vector<std::pair<std::shared_ptr<Call>, int>> watched;
    for (const auto& c : calls_) watched.emplace_back(c, 0);
    for (int round = 0; round < rounds; ++round) {
      for (const auto& s : subjects_) {
        if (!s->module || s->module->generation() >= 9000) continue;
        mark(*s, true);
        if (!chance(16)) continue;
        call(*s);
        watched.emplace_back(calls_.back(), round);
      }
      step();
      std::erase_if(watched, [](const auto& w) { return w.first->done; });
      must(watched.empty() || round - watched.front().second < patience, "marks that never end starve a call");
    }
  }

  Simulation world_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<std::shared_ptr<Call>> calls_;
  bool inside_ = false;
  bool stopped_ = false;
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
