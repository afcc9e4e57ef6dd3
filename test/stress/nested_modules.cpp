// Modules that call each other in random directed graphs, edited, marked, broken, mended, replaced and destroyed by several threads while others
// call any of them. Every module adds a counter of its own to an element of its own, so an answer tells of each module below which generation
// it is of: one that is at least as new as the call, and the same on every way that leads there.
//
//   nested_modules [--seconds S] [--count GRAPHS] [--seed N]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <boost/system/system_error.hpp>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"

using namespace lazyfx;

namespace {

using Random = std::mt19937_64;
using Lazy = std::shared_ptr<LazyGraphModule>;

std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

constexpr std::size_t most = 14;  // modules of a graph
constexpr std::size_t editors = 2, callers = 3;
constexpr int marks = 40;  // of each editor
const char* const unknown = "stress::unknown";

Tensor element(std::size_t at, double value) {
  Tensor tensor = Tensor::empty(DType::f32, Shape{static_cast<std::int64_t>(most)});
  for (float& v : tensor.mutable_values<float>()) v = 0;
  tensor.mutable_values<float>()[at] = static_cast<float>(value);
  return tensor;
}

/// Where a module stands, and what its editor made of it.
struct Place {
  std::vector<std::size_t> children;  // places, some of them twice
  std::vector<std::size_t> ways;  // how many lead to each place
  std::size_t editor = 0;
  std::optional<std::size_t> only_child;  // called by nobody else, and edited by the same
  std::atomic<int> begun{0}, done{0};  // its counter: in an edit that was begun, and in the last that was marked
  std::atomic<bool> broken{false};  // from before it is marked so until after it is marked mended
  std::atomic<bool> surely_broken{false};
  std::atomic<int> breaks{0};

  Lazy module() const {
    const std::lock_guard lock(mutex_);
    return module_;
  }
  void set_module(Lazy module) {
    const std::lock_guard lock(mutex_);
    module_.swap(module);
  }

 private:
  mutable std::mutex mutex_;
  Lazy module_;
};

class World {
 public:
  explicit World(Random& random) : runtime_(RuntimeOptions().threads(1 + below(random, 3))), places_(3 + below(random, most - 3)) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      Place& place = places_[i];
      place.editor = below(random, editors);
      const std::size_t n = i == 0 ? 0 : below(random, 4);
      for (std::size_t k = 0; k < n; ++k) place.children.push_back(std::max(below(random, i), below(random, i)));
      place.ways.assign(places_.size(), 0);
      place.ways[i] = 1;
      for (const std::size_t child : place.children) {
        for (std::size_t j = 0; j < i; ++j) place.ways[j] += places_[child].ways[j];
      }
    }
    for (std::size_t i = places_.size(); i-- > 0;) {  // callers first: their editors are final
      Place& place = places_[i];
      if (place.children.empty() || callers_of(place.children[0]) != 1) continue;
      place.only_child = place.children[0];
      places_[place.children[0]].editor = place.editor;
    }
    for (std::size_t i = 0; i < places_.size(); ++i) places_[i].set_module(make(random, i));
  }

  bool run(std::uint64_t seed) {
    std::atomic<std::size_t> editing{editors};
    std::vector<std::thread> threads;
    for (std::size_t e = 0; e < editors; ++e) {
      threads.emplace_back([&, e] {
        Random random(seed * 31 + e);
        for (int mark = 0; mark < marks && !wrong_; ++mark) {
          edit(random, e);
          const std::uint64_t enough = calls_ + below(random, 3);
          while (calls_ < enough && !wrong_) std::this_thread::yield();
        }
        editing.fetch_sub(1);
      });
    }
    for (std::size_t c = 0; c < callers; ++c) {
      threads.emplace_back([&, c] {
        Random random(seed * 37 + c);
        support::Loop loop;
        while (editing > 0 && !wrong_) {
          if (!call(random, loop)) wrong_ = true;
          calls_.fetch_add(1);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    Random random(seed);
    return !wrong_ && settle(random) && destroy(random);
  }

  std::uint64_t calls() const { return calls_; }
  RuntimeStats stats() const { return runtime_.stats(); }

 private:
  std::size_t callers_of(std::size_t at) const {
    std::size_t n = 0;
    for (const Place& place : places_) n += static_cast<std::size_t>(std::count(place.children.begin(), place.children.end(), at));
    return n;
  }

  // forward(x): what the children make of x, or x, and the counter.
  Lazy make(Random& random, std::size_t at) {
    Place& place = places_[at];
    Container root;
    root.set_tensor("counter", element(at, place.begun));
    auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", below(random, 3) == 0 ? std::optional<TensorType>() : support::f32(most));
    Node sum = graph->call_function("onnx::Add", {x, graph->get_attr("counter")});
    for (std::size_t k = 0; k < place.children.size(); ++k) {
      const std::string name = "c" + std::to_string(k);
      root.set_submodule(name, places_[place.children[k]].module());
      sum = graph->call_function("onnx::Add", {sum, graph->call_module(name, {x})});
    }
    graph->output(graph->call_function("onnx::Abs", {sum}, {}, "last"));
    LazyGraphModuleOptions options;
    options.schedule(below(random, 2) == 0 ? Schedule::on_demand : Schedule::on_mark);
    if (below(random, 4) == 0) options.schedule(Schedule::debounced).quiet_time(std::chrono::microseconds(200));
    return std::make_shared<LazyGraphModule>(runtime_, graph, &root, options);
  }

  // A thread of the editor.
  void edit(Random& random, std::size_t editor) {
    const std::size_t at = below(random, places_.size());
    Place& place = places_[at];
    if (place.editor != editor) return;
    const Lazy module = place.module();
    if (place.broken) {
      mend(place, *module);
    } else if (below(random, 12) == 0) {
      place.breaks.fetch_add(1);
      place.broken = true;
      module->graph().find("last").set_target(unknown);
      module->recompile();
      place.surely_broken = true;
    } else if (place.only_child && below(random, 4) == 0 && !places_[*place.only_child].broken) {
      Place& child = places_[*place.only_child];
      const int next = ++child.begun;
      child.set_module(make(random, *place.only_child));
      module->set_submodule("c0", child.module());
      module->recompile();
      child.done = next;
    } else {
      const int next = ++place.begun;
      module->set_attr("counter", element(at, next));
      if (below(random, 2) == 0) module->graph().find("last").set_target(below(random, 2) == 0 ? "onnx::Abs" : "onnx::Relu");
      module->recompile();
      place.done = next;
    }
    if (below(random, 8) == 0) place.module()->prefetch();
    if (below(random, 16) == 0) place.module()->retry();
  }

  static void mend(Place& place, LazyGraphModule& module) {
    place.surely_broken = false;
    module.graph().find("last").set_target("onnx::Relu");
    module.recompile();
    place.broken = false;
  }

  struct Seen {
    explicit Seen(const std::vector<Place>& places) {
      for (const Place& place : places) {
        done.push_back(place.done);
        breaks.push_back(place.breaks);
        broken.push_back(place.broken);
        surely_broken.push_back(place.surely_broken);
      }
    }
    std::vector<int> done, breaks;
    std::vector<bool> broken, surely_broken;
  };

  bool call(Random& random, support::Loop& loop) {
    const std::size_t at = below(random, places_.size());
    const Seen before(places_);
    const Lazy module = places_[at].module();
    ForwardOptions options;
    const bool last_good = below(random, 8) == 0;
    if (last_good) options.freshness(Freshness::last_good());
    if (below(random, 8) == 0) options.freshness(Freshness::interpret_until_ready());
    const bool any_age = options.freshness().kind() == Freshness::Kind::last_good;
    std::optional<Value> answer;
    try {
      answer = ask(random, loop, *module, options);
    } catch (const CompileError& e) {
      if (e.op() != unknown) return complain(at, e.what());
    } catch (const boost::system::system_error&) {
      return true;  // cancelled
    } catch (const Error& e) { return complain(at, e.what()); }
    return answer ? explained(at, before, any_age, *answer) : may_fail(at, before);
  }

  static Value ask(Random& random, support::Loop& loop, LazyGraphModule& module, const ForwardOptions& options) {
    const std::vector<Value> inputs{element(0, 0)};
    if (below(random, 3) == 0) return module.call(inputs, options);
    constexpr RunOn places[] = {RunOn::automatic, RunOn::caller, RunOn::pool};
    support::Call call(loop, module, inputs, ForwardOptions(options).run_on(places[below(random, 3)]));
    if (below(random, 8) == 0) {
      loop.restart();
      for (std::size_t i = below(random, 3); i > 0; --i) loop.poll_one();
      call.cancel();
    }
    return call.get();
  }

  bool explained(std::size_t at, const Seen& before, bool any_age, const Value& answer) const {
    const auto values = answer.as_tensor().values<float>();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const Place& place = places_[i];
      const auto ways = places_[at].ways[i];
      if (ways == 0) {
        if (values[i] != 0) return complain(at, "element " + std::to_string(i) + " is of a module that it does not call");
        continue;
      }
      const double counter = static_cast<double>(values[i]) / static_cast<double>(ways);
      const std::string what =
          "module " + std::to_string(i) + " at " + std::to_string(counter) + ", marked " + std::to_string(before.done[i]);
      if (counter != static_cast<int>(counter) || counter > place.begun) return complain(at, "saw " + what);
      if (any_age) continue;
      if (counter < before.done[i]) return complain(at, "saw an old " + what);
      if (before.surely_broken[i] && place.surely_broken && place.breaks == before.breaks[i])
        return complain(at, "answered with a broken " + what);
    }
    return true;
  }

  bool may_fail(std::size_t at, const Seen& before) const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const Place& place = places_[i];
      if (places_[at].ways[i] > 0 && (before.broken[i] || place.breaks != before.breaks[i])) return true;
    }
    return complain(at, "failed though nothing below is broken");
  }

  // All is mended and quiet: exact answers, the interpreter's too.
  bool settle(Random& random) {
    for (Place& place : places_) {
      if (place.broken) mend(place, *place.module());
    }
    for (std::size_t n = 0; n < places_.size(); ++n) {
      const std::size_t at = below(random, places_.size());
      const Seen now(places_);
      const std::vector<Value> inputs{element(0, 0)};
      const Value answer = places_[at].module()->call(inputs);
      if (!explained(at, now, false, answer)) return false;
      Interpreter interpreter(*places_[at].module());
      if (!equal(answer.as_tensor(), interpreter.run(inputs).as_tensor())) return complain(at, "is not what the interpreter says");
      if (places_[at].module()->needs_recompile()) return complain(at, "is not clean");
    }
    return runtime_.stats().waiting == 0 || complain(0, "somebody still waits");
  }

  // In any order, while calls wait.
  bool destroy(Random& random) {
    support::Loop loop;
    std::vector<std::pair<std::size_t, std::unique_ptr<support::Call>>> waiting;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const int next = ++places_[i].begun;
      places_[i].module()->set_attr("counter", element(i, next));
      places_[i].module()->recompile();
      places_[i].done = next;
    }
    const Seen marked(places_);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      waiting.emplace_back(i, std::make_unique<support::Call>(loop, *places_[i].module(), Inputs(element(0, 0))));
    }
    std::vector<std::size_t> order(places_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) places_[i].set_module(nullptr);
    for (auto& [at, call] : waiting) {
      if (!explained(at, marked, false, call->get())) return false;
      if (call->completions() != 1) return complain(at, "completed more than once");
    }
    return true;
  }

  static bool complain(std::size_t at, const std::string& what) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    std::cerr << "module " << at << ": " << what << "\n";
    return false;
  }

  Runtime runtime_;
  std::vector<Place> places_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<bool> wrong_{false};
};

}  // namespace

int main(int argc, char** argv) {
  support::Counts counts(60);
  if (!counts.read(argc, argv)) return 2;
  std::uint64_t graphs = 0, calls = 0, compiles = 0, relinks = 0;
  for (; !counts.enough(graphs); ++graphs) {
    const std::uint64_t seed = counts.seed * 1'000'003 + graphs;
    Random random(seed);
    World world(random);
    if (!world.run(seed)) return std::cerr << "graph " << graphs << " of seed " << counts.seed << " gave a wrong answer\n", 1;
    calls += world.calls();
    compiles += world.stats().compiles_started;
    relinks += world.stats().relinks;
  }
  std::cout << graphs << " graphs, " << calls << " calls, " << compiles << " compiles, " << relinks << " relinks in " << counts.elapsed()
            << " s\n";
}
