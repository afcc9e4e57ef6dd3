// Seeded schedules of modules that call each other, in a simulated world of one thread: marks, calls, waits, deadlines, cancellations, failures,
// children replaced and destroyed, and stops. What must hold (schedule_checks.hpp, schedule_nest_checks.hpp) is looked at after every step; a
// seed that shows a fault shows it again. Eager modules are not among them: their editors would compile, and a simulation has no thread for that.
//
//   nested_schedules [--seconds S] [--count SCHEDULES] [--seed N]
//
// Runs schedules N, N + 1, ... (default 10,000 from 1). Exit status 1 and the seed in words when something did not hold.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "stress/schedule_history.hpp"
#include "stress/schedule_nest_checks.hpp"

namespace {

using namespace lazyfx;
using schedules::most_modules;
using schedules::must;
using schedules::NestedCall;

Tensor element(std::size_t at, double value) {
  std::vector<double> values(most_modules);
  values[at] = value;
  return Tensor::from<double>(values, Shape{most_modules});
}
std::span<const double> shown(const Value& y) { return y.as_tensor().values<double>(); }
std::string child_name(std::size_t k) { return "c" + std::to_string(k); }

/// forward(x): x, its number, and what so many children make of x.
std::shared_ptr<Graph> sum_of(std::size_t children) {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType{DType::f64, {Dim(std::int64_t{most_modules})}});
  Node sum = graph->call_function("onnx::Add", {x, graph->get_attr("number")});
  for (std::size_t k = 0; k < children; ++k) sum = graph->call_function("onnx::Add", {sum, graph->call_module(child_name(k), {x})});
  graph->output(sum);
  return graph;
}

class NestedHistory final : public schedules::History {
 public:
  explicit NestedHistory(std::uint64_t seed) : History(seed), nest_(expected_.failures) {
    for (std::size_t i = 0, n = 2 + world_.random(6); i < n; ++i) add_module(static_cast<double>(i));
    if (chance(2)) always_marked_ = world_.random(nest_.size());
  }

 private:
  struct Subject {
    std::string name;
    std::shared_ptr<LazyGraphModule> module;  ///< null once let go of; those above it may still hold it
    std::weak_ptr<LazyGraphModule> held;
  };

  /// Up to three of those that are ranked below.
  std::vector<std::size_t> draw_children(double rank) {
    std::vector<std::size_t> below;
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      if (subjects_[i].module && nest_.at(i).rank < rank) below.push_back(i);
    }
    std::vector<std::size_t> children;
    if (below.empty()) return children;
    if (chance(2)) children.push_back(below.back());  // makes it deep
    for (std::uint64_t k = world_.random(3); k > 0; --k) children.push_back(below[world_.random(below.size())]);
    return children;
  }

  std::size_t add_module(double rank) {
    std::vector<std::size_t> children = draw_children(rank);
    const std::uint64_t number = 1 + world_.random(1000);
    const std::size_t at = subjects_.size();
    Container root;
    root.set_tensor("number", element(at, static_cast<double>(number)));
    for (std::size_t k = 0; k < children.size(); ++k) root.set_submodule(child_name(k), subjects_[children[k]].module);
    const auto graph = sum_of(children.size());
    Subject s;
    s.name = "M" + std::to_string(at);
    s.module = std::make_shared<LazyGraphModule>(*runtime_, graph, &root, module_options(s.name));
    s.held = s.module;
    nest_.add(rank, std::move(children), number);
    subjects_.push_back(std::move(s));
    return at;
  }

  void act() override {
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
        if (runtime_) runtime_->trim(world_.random(2) * 1000);
        return;
      case 3:
        if (s.module) s.module->prefetch();
        return;
      case 4:
        if (s.module) s.module->retry();
        return;
      case 5:
        if (s.module) must(!s.module->code().empty(), "no code");
        return;
      case 6:
        if (s.module) peek(at);
        return;
      case 7:
        if (s.module && runtime_ && !expected_.stop) replace_children(at);
        return;
      default: break;
    }
    if (!s.module) return;
    if (world_.random(3) == 0) return mark(at, !chance(4));
    if (chance(6)) return cancel_one();
    if (chance(5)) return wait(at);
    call(at);
  }

  std::uint64_t next_number(std::size_t at) { return nest_.at(at).seen.newest_answer() + 1 + world_.random(1000); }

  void mark(std::size_t at, bool edited) {
    const std::uint64_t number = edited ? next_number(at) : nest_.at(at).seen.newest_answer();
    if (edited) subjects_[at].module->set_attr("number", element(at, static_cast<double>(number)));
    const std::uint64_t before = visits();
    recompile(at, number);
    if (!runtime_ || expected_.stop || expected_.overload) return;  // refusals have to be told above
    // Once to be marked, and once for each priority at which it is wanted more than before.
    must(visits() - before <= 3 * nest_.size(), "a mark visited a module more often than it had to");
    if (!chance(4)) return;
    const std::uint64_t again = visits();
    recompile(at, number);
    must(visits() == again, "a mark visited modules above that had heard of the one before");
  }
  std::uint64_t visits() const { return runtime_ ? runtime_->stats().nest_visits : 0; }

  void recompile(std::size_t at, std::uint64_t number) {
    LazyGraphModule& module = *subjects_[at].module;
    nest_.at(at).seen.mark(number);
    module.recompile();
    must(module.generation() == nest_.at(at).seen.generation(), "a mark did not raise the generation by one");
  }

  /// It calls others than before, among them perhaps one that was never called.
  void replace_children(std::size_t at) {
    const double rank = nest_.at(at).rank;
    std::vector<std::size_t> children = draw_children(rank);
    if (subjects_.size() < most_modules && chance(2)) children.push_back(add_module(rank - 0.5 / static_cast<double>(nest_.size())));
    LazyGraphModule& module = *subjects_[at].module;
    for (std::size_t k = 0; k < children.size(); ++k) module.set_submodule(child_name(k), subjects_[children[k]].module);
    const std::uint64_t number = next_number(at);
    module.set_attr("number", element(at, static_cast<double>(number)));
    const bool is_as_many = children.size() == nest_.at(at).children().size();
    nest_.at(at).wirings.push_back({nest_.at(at).seen.generation() + 1, std::move(children)});
    if (is_as_many) {
      recompile(at, number);
    } else {
      nest_.at(at).seen.mark(number);
      module.set_graph(sum_of(nest_.at(at).children().size()));
    }
    for (const auto& call : calls_) nest_.wait_anew(static_cast<NestedCall&>(*call));
  }

  std::shared_ptr<NestedCall> new_call(std::size_t at) const {
    auto call = std::make_shared<NestedCall>();
    call->module = at;
    return call;
  }

  void call(std::size_t at) {
    const auto call = new_call(at);
    LazyGraphModule& module = *subjects_[at].module;
    const ForwardOptions options = draw_call(*call, module);
    nest_.set_oldest(*call);
    give(
        call, [&](auto handler) { module.forward(Inputs(element(0, 0)), options, std::move(handler)); },
        [this, call](const Value& y) { nest_.see_answer(*call, shown(y)); });
    if (call->is_waiting()) nest_.must_wait(*call);
  }

  void wait(std::size_t at) {
    const auto call = new_call(at);
    LazyGraphModule& module = *subjects_[at].module;
    const WaitOptions options = draw_wait(*call, module);
    nest_.set_oldest(*call);
    const auto begin = [&](auto handler) {
      if (chance(2))
        module.wait_ready(Tier::baseline, options, std::move(handler));
      else
        module.real_recompile(options, std::move(handler));
    };
    give(call, begin, [this, call] {
      nest_.at(call->module).seen.see_published(call->oldest_of[call->module]);
      if (subjects_[call->module].module)
        must(schedules::NestChecks::is_as_new(peek(call->module), call->oldest_of), "what was waited for is not published");
    });
  }

  /// What is published now, if anything is.
  schedules::Moment peek(std::size_t at) {
    if (nest_.at(at).seen.published() == 0) return {};
    const Value zeros = element(0, 0);
    return nest_.see_publication(at, shown(subjects_[at].module->call({&zeros, 1}, ForwardOptions().freshness(Freshness::last_good()))));
  }

  void look_at_modules() override {
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      auto& member = nest_.at(i);
      member.seen.see_compiling(world_.compiling(subjects_[i].name));
      const auto module = subjects_[i].held.lock();
      member.is_alive = module != nullptr;
      if (!module) continue;
      member.is_clean = !module->needs_recompile();
      member.seen.see_generation(module->generation(), !member.is_clean);
    }
    nest_.look();
    const std::size_t one = world_.random(subjects_.size());  // it walks over all below
    if (nest_.at(one).is_alive) schedules::ModuleChecks::agree(!nest_.at(one).is_clean, subjects_[one].held.lock()->state());
  }
  void look_at_waiting(const schedules::Call& call) override { nest_.see_waiting(static_cast<const NestedCall&>(call)); }

  // A mark before every step, of any module or always of the same, and calls of those above and below.
  void mark_and_call() override {
    mark(always_marked_.value_or(world_.random(subjects_.size())), true);
    if (chance(8)) call(world_.random(subjects_.size()));
  }

  void at_rest(const RuntimeStats& /*last*/) override {
    if (expected_.failures || expected_.overload || expected_.stop) return;
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      const Subject& s = subjects_[i];
      const bool follows = s.module && s.module->schedule() != Schedule::on_demand && s.module->generation() > 1;
      must(!follows || nest_.at(i).is_clean, "a mark was never compiled");
    }
  }

  schedules::NestChecks nest_;
  std::vector<Subject> subjects_;
  std::optional<std::size_t> always_marked_;
};

}  // namespace

int main(int argc, char** argv) { return schedules::run_all<NestedHistory>(argc, argv); }
