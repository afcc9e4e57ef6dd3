// Seeded schedules of modules that call each other, in a simulated world of one thread: marks, calls, cancellations, failures, destructions and
// stops. Every module adds a counter of its own to an element of its own, so an answer tells of each module below which mark it is of. What must
// hold is looked at after every step; a seed that shows a fault shows it again.
//
//   nested_schedules [--seed N] [--count SCHEDULES]
//
// Runs schedules N, N + 1, ... (default 3,000 from 1). Exit status 1 and the seed in words when something did not hold.
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

namespace {

using namespace lazyfx;
namespace asio = boost::asio;

constexpr std::size_t most = 7;  // modules

void must(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

Tensor element(std::size_t at, double value) {
  std::vector<float> values(most);
  values[at] = static_cast<float>(value);
  return Tensor::from<float>(values, Shape{most});
}

struct Subject {
  std::string name;
  std::shared_ptr<LazyGraphModule> module;  // null once destroyed; those above it may still hold it
  std::vector<std::uint64_t> ways;  // how many lead to each module
  std::uint64_t counter = 0;  // as marked last
};

struct Call {
  asio::cancellation_signal signal;
  std::size_t at = 0;
  std::vector<std::uint64_t> oldest;  // counters that the answer may show
  bool cancelled = false, done = false;
};

class History {
 public:
  explicit History(std::uint64_t seed) : failing_(seed % 5 == 0), world_(seed, how(seed)) {
    RuntimeOptions options = world_.options();
    if (chance(4)) options.cache_bytes(world_.random(3) * 2000);
    runtime_ = std::make_unique<Runtime>(options);
    for (std::size_t i = 0, n = 2 + world_.random(most - 1); i < n; ++i) add_module();
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
    if (!failing_) must(s.compiles_finished <= generations_, "a module was compiled more than once for a generation of its own");
  }

 private:
  static SimulationOptions how(std::uint64_t seed) {
    SimulationOptions options;
    options.threads(1 + seed % 3).compile_time(std::chrono::microseconds(1 + seed % 1000), seed % 7);
    if (seed % 5 == 0) options.failures(0.3);
    return options;
  }
  bool chance(std::uint64_t one_in) { return world_.random(one_in) == 0; }

  // forward(x): x, its counter, and what up to three of the modules before it make of x.
  void add_module() {
    const std::size_t at = subjects_.size();
    Subject s;
    s.name = "M" + std::to_string(at);
    s.ways.assign(most, 0);
    s.ways[at] = 1;
    Container root;
    root.set_tensor("counter", element(at, 0));
    const auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", support::f32(most));
    Node sum = graph->call_function("onnx::Add", {x, graph->get_attr("counter")});
    for (std::uint64_t k = 0, n = at == 0 ? 0 : world_.random(4); k < n; ++k) {
      const Subject& child = subjects_[world_.random(at)];
      const std::string name = "c" + std::to_string(k);
      root.set_submodule(name, child.module);
      sum = graph->call_function("onnx::Add", {sum, graph->call_module(name, {x})});
      for (std::size_t i = 0; i < most; ++i) s.ways[i] += child.ways[i];
    }
    graph->output(sum);
    LazyGraphModuleOptions options;
    options.class_name(s.name);
    switch (world_.random(4)) {
      case 0: options.schedule(Schedule::on_demand); break;
      case 1: options.schedule(Schedule::debounced).quiet_time(std::chrono::microseconds(world_.random(500))); break;
      default: break;
    }
    s.module = std::make_shared<LazyGraphModule>(*runtime_, graph, &root, options);
    ++generations_;
    subjects_.push_back(std::move(s));
  }

  void act() {
    const std::size_t at = world_.random(subjects_.size());
    Subject& s = subjects_[at];
    switch (world_.random(40)) {
      case 0:
        if (!marks_for_ever_ && chance(3)) s.module.reset();
        return;
      case 1:
        if (runtime_ && !marks_for_ever_ && chance(6)) stop();
        return;
      case 2:
        if (runtime_ && failing_) runtime_->trim();  // what is thrown out may be compiled again
        return;
      case 3:
        if (s.module) s.module->prefetch();
        return;
      case 4:
        if (s.module && failing_) s.module->retry();
        return;
      default: break;
    }
    if (!s.module) return;
    if (world_.random(3) == 0) return mark(at);
    if (world_.random(5) == 0) return cancel_one();
    call(at);
  }

  void mark(std::size_t at) {
    Subject& s = subjects_[at];
    if (!chance(4)) s.module->set_attr("counter", element(at, static_cast<double>(++s.counter)));
    s.module->recompile();
    ++generations_;
  }

  void stop() {
    stopped_ = true;
    if (chance(2))
      runtime_->stop(asio::bind_executor(world_.executor(), [](std::exception_ptr error) { must(!error, "stop failed"); }));
    else
      runtime_.reset();
  }

  void cancel_one() {
    if (calls_.empty()) return;
    const auto call = calls_[world_.random(calls_.size())];
    if (call->done) return;
    call->cancelled = true;
    call->signal.emit(asio::cancellation_type::terminal);
  }

  void call(std::size_t at) {
    const auto call = std::make_shared<Call>();
    call->at = at;
    for (const Subject& s : subjects_) call->oldest.push_back(s.counter);
    ForwardOptions options;
    switch (world_.random(6)) {
      case 0:
        options.freshness(Freshness::last_good(1'000'000));
        call->oldest.assign(subjects_.size(), 0);
        break;
      case 1: options.freshness(Freshness::interpret_until_ready()); break;
      default: break;
    }
    if (chance(3)) options.run_on(chance(2) ? RunOn::pool : RunOn::caller);
    calls_.push_back(call);
    inside_ = true;
    subjects_[at].module->forward(
        Inputs(element(0, 0)), options,
        asio::bind_cancellation_slot(call->signal.slot(),
                                     asio::bind_executor(world_.executor(), [this, call](std::exception_ptr error, const Value& y) {
                                       must(!inside_, "a handler was called inside of forward");
                                       must(!call->done, "a call completed twice");
                                       call->done = true;
                                       if (error)
                                         expected(*call, error);
                                       else
                                         explained(*call, y.as_tensor().values<float>());
                                     })));
    inside_ = false;
  }

  void explained(const Call& call, std::span<const float> answer) const {
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      const auto seen = static_cast<std::uint64_t>(answer[i]);
      const std::uint64_t ways = subjects_[call.at].ways[i];
      if (ways == 0) {
        must(seen == 0, "an answer shows a module that is not called");
        continue;
      }
      must(seen % ways == 0, "an answer shows a module at two marks at once");
      must(seen / ways <= subjects_[i].counter, "an answer shows a mark that was never made");
      must(seen / ways >= call.oldest[i], "an answer shows a module as it was before the call");
    }
  }

  void expected(const Call& call, const std::exception_ptr& error) const {
    try {
      std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      must(e.code() == asio::error::operation_aborted && call.cancelled, "a call was aborted that nobody cancelled");
    } catch (const Error& e) {
      must((e.kind() == ErrorKind::backend && failing_) || (e.kind() == ErrorKind::stopped && stopped_), e.what());
    }
  }

  void step() {
    world_.step();
    check();
  }

  void check() {
    for (const Subject& s : subjects_) {
      must(world_.compiling(s.name) <= 1, "two compiles of one module run at once");
      if (s.module && !s.module->needs_recompile()) must(s.module->state() == ModuleState::clean, "a module is clean and says it is not");
    }
  }

  // A mark before every step, anywhere above or below, and calls among them; whoever called must be answered while marks go on.
  void while_marks_go_on(int rounds) {
    constexpr int patience = 3000;
    std::vector<std::pair<std::shared_ptr<Call>, int>> watched;
    for (const auto& c : calls_) watched.emplace_back(c, 0);
    for (int round = 0; round < rounds; ++round) {
      mark(world_.random(subjects_.size()));
      if (chance(8)) {
        call(world_.random(subjects_.size()));
        watched.emplace_back(calls_.back(), round);
      }
      step();
      std::erase_if(watched, [](const auto& w) { return w.first->done; });
      must(watched.empty() || round - watched.front().second < patience, "marks that never end starve a call");
    }
  }

  const bool failing_;
  Simulation world_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<Subject> subjects_;
  std::vector<std::shared_ptr<Call>> calls_;
  std::uint64_t generations_ = 0;  // of all modules together
  bool inside_ = false, stopped_ = false, marks_for_ever_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(3'000);
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
