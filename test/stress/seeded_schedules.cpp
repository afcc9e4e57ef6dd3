// Seeded schedules of marks, calls, waits, deadlines, cancellations, failures, destructions and stops in a simulated world of one thread. What
// must hold (schedule_checks.hpp) is looked at after every step; a seed that shows a fault shows it again.
//
//   seeded_schedules [--seconds S] [--count SCHEDULES] [--seed N]
//
// Runs schedules N, N + 1, ... (default 10,000 from 1). Exit status 1 and the seed in words when something did not hold.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "stress/schedule_history.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

namespace {

using namespace lazyfx;
using schedules::Call;
using schedules::must;

class FlatHistory final : public schedules::History {
 public:
  explicit FlatHistory(std::uint64_t seed) : History(seed) {
    const std::uint64_t modules = 1 + world_.random(4);
    for (std::uint64_t m = 0; m < modules; ++m) add_module();
  }

 private:
  struct Subject {
    std::string name;
    std::shared_ptr<Graph> graph;
    std::unique_ptr<LazyGraphModule> module;
    std::uint64_t id = 0;
    schedules::ModuleChecks seen;
  };

  std::uint64_t value(std::uint64_t id, std::uint64_t generation) const { return id * 10'000 + generation; }

  void add_module() {
    auto s = std::make_unique<Subject>();
    // Some modules have equal content for a while.
    s->id = chance(3) && !subjects_.empty() ? subjects_.back()->id : subjects_.size() + 1;
    s->name = "M" + std::to_string(subjects_.size());
    s->graph = support::plus(static_cast<double>(value(s->id, 1)));
    s->seen.mark(value(s->id, 1));
    s->module = std::make_unique<LazyGraphModule>(*runtime_, s->graph, nullptr, module_options(s->name));
    subjects_.push_back(std::move(s));
  }

  void act() override {
    const std::size_t at = world_.random(subjects_.size());
    Subject& s = *subjects_[at];
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
    if (chance(5)) return wait(at);
    call(at);
  }

  void mark(Subject& s, bool edited) {
    const std::uint64_t v = edited ? value(s.id, s.seen.generation() + 1) : s.seen.newest_answer();
    if (edited) support::set_plus(*s.graph, static_cast<double>(v));
    s.seen.mark(v);
    s.module->recompile();
    must(s.module->generation() == s.seen.generation(), "a mark did not raise the generation by one");
  }

  std::shared_ptr<Call> new_call(std::size_t at) const {
    auto call = std::make_shared<Call>();
    call->module = at;
    call->oldest = subjects_[at]->module->generation();
    call->ends_before = subjects_[at]->seen.ends();
    return call;
  }

  void call(std::size_t at) {
    Subject& s = *subjects_[at];
    const auto call = new_call(at);
    const ForwardOptions options = draw_call(*call, *s.module);
    if (call->lag) call->oldest = call->oldest > *call->lag ? call->oldest - *call->lag : 1;
    give(
        call, [&](auto handler) { s.module->forward(Inputs(support::vec({0, 0, 0, 0})), options, std::move(handler)); },
        [call, &s](const Value& y) { s.seen.see_answer(*call, shown(y)); });
    if (!call->is_waiting()) return;
    must(call->oldest > s.seen.published(), "a call waits although what is published would do");
    call->oldest = s.module->generation();  // what is not there at once is awaited fresh
  }

  void wait(std::size_t at) {
    Subject& s = *subjects_[at];
    const auto call = new_call(at);
    const WaitOptions options = draw_wait(*call, *s.module);
    const auto begin = [&](auto handler) {
      if (chance(2))
        s.module->wait_ready(Tier::baseline, options, std::move(handler));
      else
        s.module->real_recompile(options, std::move(handler));
    };
    give(call, begin, [call, &s] { s.seen.see_published(call->oldest); });
  }

  /// What is published now, if anything is.
  void peek(Subject& s) {
    if (s.seen.published() == 0) return;
    const Value zeros = support::vec({0, 0, 0, 0});
    s.seen.see_publication(shown(s.module->call({&zeros, 1}, ForwardOptions().freshness(Freshness::last_good()))));
  }
  static std::uint64_t shown(const Value& y) { return static_cast<std::uint64_t>(y.as_tensor().values<float>()[0]); }

  void look_at_modules() override {
    for (const auto& s : subjects_) {
      s->seen.see_compiling(world_.compiling(s->name));
      if (s->module) s->seen.see_state(s->module->generation(), s->module->needs_recompile(), s->module->state());
    }
  }
  void look_at_waiting(const Call& call) override { subjects_[call.module]->seen.see_waiting(call); }

  // A mark of every module before every step, and calls among them.
  void mark_and_call() override {
    for (std::size_t at = 0; at < subjects_.size(); ++at) {
      Subject& s = *subjects_[at];
      if (!s.module || s.module->generation() >= 9000) continue;
      mark(s, true);
      if (chance(16)) call(at);
    }
  }

  std::vector<std::unique_ptr<Subject>> subjects_;
};

}  // namespace

int main(int argc, char** argv) { return schedules::run_all<FlatHistory>(argc, argv); }
