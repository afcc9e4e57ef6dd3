// Random graphs are edited and marked while many threads call them; every answer must be the interpreter's on a generation between the one
// current when the call was made and the newest when it returned. Some generations do not compile, some calls are cancelled.
//
//   forward_while_editing [--seconds S] [--count MARKS] [--seed N] [--callers N]
//
// Runs until every editor has made MARKS marks (default 300) and S seconds (default 0) have passed. Exit status 1 when an answer was wrong.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/system/system_error.hpp>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/random_graph.hpp"
#include "support/values.hpp"

namespace {

using namespace lazyfx;
using support::Random;

struct Settings {
  double seconds = 0;
  std::uint64_t count = 300;
  std::uint64_t seed = 1;
  std::size_t callers = 8;
};

/// Of numbers of about one, which an output may be the small difference of: relu(-cos(matmul)).
constexpr float rounding = 4e-6F;
constexpr std::uint64_t nothing = ~std::uint64_t{0};
constexpr std::uint64_t patience[] = {0, 1, 0, 0, 3, 0, 12, 0, 0, 0, 2};  // calls that an editor lets pass after a mark, in turn

/// One module, its editor's graph, and what every generation was that some call may still answer for.
class Subject {
 public:
  Subject(Runtime& runtime, std::uint64_t seed, std::size_t callers) : random_(seed), made_(seed, options(random_)), pinned_(callers) {
    for (auto& pin : pinned_) pin.store(nothing);
    generations_[1] = {made_.graph()->freeze(), false};
    module_ = std::make_unique<LazyGraphModule>(runtime, made_.graph(), &made_.root());
  }

  LazyGraphModule& module() { return *module_; }
  const support::RandomGraph& made() const { return made_; }
  std::uint64_t calls() const { return calls_.load(); }

  // Editor's thread.
  void edit_and_mark() {
    if (!broken_.empty()) {
      made_.graph()->find(broken_).set_target(intact_);
      broken_.clear();
    } else if (support::chance(random_, 20)) {
      Node node = support::pick(random_, made_.graph()->find_nodes(Opcode::call_function));
      broken_ = node.name();
      intact_ = node.target();
      node.set_target("stress::unknown");
    } else {
      for (std::size_t i = support::below(random_, 3); i > 0; --i) made_.edit();
    }
    remember({made_.graph()->freeze(), !broken_.empty()});
    module_->recompile();
    if (support::chance(random_, 10)) module_->prefetch();
  }

  // A caller's thread: one call in one of the ways there are. False if its answer was no generation's.
  bool call(std::size_t caller, Random& random, support::Loop& loop) {
    auto& pin = pinned_[caller];
    pin.store(module_->generation());
    const auto inputs = made_.inputs(random);
    const std::uint64_t before = module_->generation();
    Value answer;
    bool failed = false;
    try {
      answer = ask(random, loop, inputs);
    } catch (const CompileError& e) {
      failed = e.op() == "stress::unknown";
      if (!failed) return complain(before, before, e.what());
    } catch (const boost::system::system_error&) {
      pin.store(nothing);
      return true;  // cancelled
    }
    const std::uint64_t after = module_->generation();
    const bool right = explained(before, after, inputs, answer, failed);
    pin.store(nothing);
    calls_.fetch_add(1);
    return right || complain(before, after, failed ? "a compile error" : to_string(answer));
  }

 private:
  struct Generation {
    Snapshot graph;
    bool broken = false;
  };

  static support::RandomGraphOptions options(Random& random) {
    support::RandomGraphOptions o;
    o.nodes = 5 + support::below(random, 25);
    o.typed = support::chance(random, 2);
    return o;
  }

  Value ask(Random& random, support::Loop& loop, const std::vector<Value>& inputs) {
    if (support::chance(random, 3)) return module_->call(inputs);
    constexpr RunOn places[] = {RunOn::automatic, RunOn::caller, RunOn::pool};
    support::Call call(loop, *module_, inputs, ForwardOptions().run_on(places[support::below(random, 3)]));
    if (support::chance(random, 8)) {
      loop.restart();
      for (std::size_t i = support::below(random, 3); i > 0; --i) loop.poll_one();
      call.cancel();
    }
    return call.get();
  }

  void remember(Generation generation) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = module_->generation() + 1;
    generations_[number] = std::move(generation);
    if (generations_.size() < 4096) return;
    std::uint64_t oldest = number - 1;
    for (const auto& pin : pinned_) oldest = std::min(oldest, pin.load());
    generations_.erase(generations_.begin(), generations_.lower_bound(oldest));
  }

  bool explained(std::uint64_t before, std::uint64_t after, const std::vector<Value>& inputs, const Value& answer, bool failed) {
    for (std::uint64_t g = before; g <= after; ++g) {
      Generation generation;
      {
        const std::lock_guard lock(mutex_);
        generation = generations_.at(g);
      }
      if (generation.broken || failed) {
        if (generation.broken && failed) return true;
        continue;
      }
      Interpreter interpreter(generation.graph, &made_.root(), module_->runtime().operators());
      if (support::close(answer, interpreter.run(inputs), rounding)) return true;
    }
    return false;
  }

  bool complain(std::uint64_t before, std::uint64_t after, const std::string& got) {
    const std::lock_guard lock(mutex_);
    std::cerr << "wrong answer for generations " << before << " to " << after << ": " << got << "\n";
    if (const auto at = generations_.find(before); at != generations_.end()) std::cerr << render_code(at->second.graph).text << "\n";
    return false;
  }

  Random random_;
  support::RandomGraph made_;
  std::unique_ptr<LazyGraphModule> module_;
  std::string broken_, intact_;  // the node that does not compile now, and its right target
  std::vector<std::atomic<std::uint64_t>> pinned_;
  std::atomic<std::uint64_t> calls_{0};
  std::mutex mutex_;
  std::map<std::uint64_t, Generation> generations_;
};

bool read(int argc, char** argv, Settings& settings) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) return false;
    char* end = nullptr;
    const double value = std::strtod(argv[i + 1], &end);
    if (*end != '\0' || !(value >= 0 && value < 1e15)) return false;
    if (name == "--seconds")
      settings.seconds = value;
    else if (name == "--count")
      settings.count = static_cast<std::uint64_t>(value);
    else if (name == "--seed")
      settings.seed = static_cast<std::uint64_t>(value);
    else if (name == "--callers")
      settings.callers = static_cast<std::size_t>(value);
    else
      return false;
  }
  return settings.callers >= 1;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  if (!read(argc, argv, settings)) {
    std::cerr << "usage: forward_while_editing [--seconds S] [--count MARKS] [--seed N] [--callers N]\n";
    return 2;
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(settings.seconds);
  std::atomic<bool> wrong{false};
  std::uint64_t calls = 0;
  RuntimeStats stats;
  {
    Runtime runtime(RuntimeOptions().threads(2));
    std::vector<std::unique_ptr<Subject>> subjects;
    for (std::uint64_t i = 0; i < 2; ++i)
      subjects.push_back(std::make_unique<Subject>(runtime, settings.seed * 1000 + i, settings.callers));
    std::atomic<std::size_t> editing{subjects.size()};
    std::vector<std::thread> threads;
    for (auto& subject : subjects) {
      threads.emplace_back([&, s = subject.get()] {
        for (std::uint64_t mark = 0; !wrong && (mark < settings.count || std::chrono::steady_clock::now() < deadline); ++mark) {
          s->edit_and_mark();
          // Some marks come in bursts, after others several calls return first.
          const std::uint64_t enough = s->calls() + patience[mark % std::size(patience)];
          while (s->calls() < enough && !wrong) std::this_thread::yield();
        }
        editing.fetch_sub(1);
      });
    }
    for (std::size_t c = 0; c < settings.callers; ++c) {
      threads.emplace_back([&, c] {
        Random random(settings.seed * 7919 + c);
        support::Loop loop;
        while (editing.load() > 0 && !wrong) {
          if (!support::pick(random, subjects)->call(c, random, loop)) wrong = true;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& subject : subjects) calls += subject->calls();
    stats = runtime.stats();
  }
  std::cout << "seed " << settings.seed << ": " << calls << " calls, " << stats.marks << " marks, " << stats.compiles_started
            << " compiles started, " << stats.compiles_finished << " finished, " << stats.compiles_cancelled << " cancelled, "
            << stats.compiles_dropped << " dropped, " << stats.compiles_failed << " failed, " << stats.cache_hits << " hits, "
            << stats.specializations << " specializations\n";
  if (wrong) std::cerr << "seed " << settings.seed << " gave a wrong answer\n";
  return wrong ? 1 : 0;
}
