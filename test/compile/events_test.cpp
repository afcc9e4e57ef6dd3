// The event hook and the list of compiles under way.
#define BOOST_TEST_MODULE compile_events
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_executor.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::chain;
using support::held_plus;
using support::plus;

namespace {

const Tensor zeros = support::vec({0, 0, 0, 0});

using Kind = CompileEventKind;

/// Keeps what it hears. Lives until the runtime has stopped.
class Log {
 public:
  CompileHook hook() {
    return [this](const CompileEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
      heard_.notify_all();
    };
  }
  std::vector<CompileEvent> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  void wait_for(Kind kind) {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [&] { return std::any_of(events_.begin(), events_.end(), [&](const CompileEvent& e) { return e.kind == kind; }); });
  }
  /// "started 1 finished 1 ...", without steps.
  std::string story() const { return story_of(""); }
  /// Of one module; of all without its name.
  std::string story_of(const std::string& module) const {
    std::string text;
    for (const CompileEvent& event : events()) {
      if (event.kind == Kind::step || (!module.empty() && event.module != module)) continue;
      text += std::string(to_string(event.kind)) + " " + std::to_string(event.generation) + ". ";
    }
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<CompileEvent> events_;
};

LazyGraphModuleOptions named(const char* name) { return LazyGraphModuleOptions().class_name(name); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_compile_is_scheduled_started_finished_and_published) {
  Log log;
  Runtime runtime(RuntimeOptions().on_event(log.hook()));
  LazyGraphModule module(runtime, plus(1), nullptr, named("Plus"));
  module.recompile();
  support::Loop loop;
  support::Call(loop, module, zeros).get();
  runtime.stop();
  BOOST_TEST(log.story() == "scheduled 2. started 2. finished 2. published 2. ");
  std::chrono::nanoseconds last{0};
  for (const CompileEvent& event : log.events()) {
    BOOST_TEST(event.module == "Plus");
    BOOST_TEST((event.at >= last));
    BOOST_TEST((event.error == nullptr));
    last = event.at;
  }
}

BOOST_AUTO_TEST_CASE(steps_count_up_to_all_of_them) {
  Log log;
  Runtime runtime(RuntimeOptions().on_event(log.hook()));
  LazyGraphModule module(runtime, chain({"onnx::Softmax", "onnx::Softmax", "onnx::Softmax"}));
  module.real_recompile();
  runtime.stop();
  std::size_t steps = 0, in_all = 0, kernels = 0;
  CompileEvent finished;
  for (const CompileEvent& event : log.events()) {
    if (event.kind == Kind::finished) finished = event;
    if (event.kind != Kind::step) continue;
    BOOST_TEST(event.steps_done == ++steps);
    BOOST_TEST(event.steps_in_all >= in_all);
    BOOST_TEST(event.steps_in_all >= event.steps_done);
    in_all = event.steps_in_all;
    kernels += event.step == "kernel" ? 1 : 0;
  }
  BOOST_TEST(kernels == 3u);
  BOOST_TEST(steps == 8u + kernels);
  BOOST_TEST(finished.steps_done == steps);
  BOOST_TEST(finished.steps_in_all == steps);
}

BOOST_AUTO_TEST_CASE(a_failure_comes_with_its_error) {
  Log log;
  Runtime runtime(RuntimeOptions().on_event(log.hook()));
  LazyGraphModule module(runtime, chain({"my::unheard"}));
  BOOST_CHECK_THROW(module(Inputs(zeros)), CompileError);
  runtime.stop();
  BOOST_TEST(log.story() == "scheduled 1. started 1. failed 1. ");
  const auto error = std::dynamic_pointer_cast<const CompileError>(log.events().back().error);
  BOOST_REQUIRE(error);
  BOOST_TEST(error->op() == "my::unheard");
}

BOOST_AUTO_TEST_CASE(a_superseded_compile_says_so_before_it_is_cancelled_and_the_newest_is_published) {
  const auto gate = std::make_shared<support::Gate>();
  Log log;
  Runtime runtime(
      RuntimeOptions().threads(1).on_event(log.hook()).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule module(runtime, held_plus(1));
  module.recompile();
  gate->wait_for_arrivals(1);
  support::set_plus(module.graph(), 2);
  module.recompile();
  gate->open();
  support::Loop loop;
  support::Call(loop, module, zeros).get();
  runtime.stop();
  BOOST_TEST(log.story() == "scheduled 2. started 2. superseded 2. cancelled 2. scheduled 3. started 3. finished 3. published 3. ");
}

BOOST_AUTO_TEST_CASE(a_module_that_goes_away_cancels_what_is_queued) {
  const auto gate = std::make_shared<support::Gate>();
  Log log;
  Runtime runtime(
      RuntimeOptions().threads(1).on_event(log.hook()).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule busy(runtime, held_plus(1));
  busy.prefetch();
  gate->wait_for_arrivals(1);
  {
    LazyGraphModule module(runtime, plus(1), nullptr, named("Gone"));
    module.recompile();
  }
  log.wait_for(Kind::cancelled);
  std::string story;
  for (const CompileEvent& event : log.events()) {
    if (event.module == "Gone") story += to_string(event.kind) + std::string(" ");
  }
  BOOST_TEST(story == "scheduled cancelled ");
  gate->open();
}

BOOST_AUTO_TEST_CASE(a_hit_is_published_without_a_start) {
  Log log;
  Runtime runtime(RuntimeOptions().on_event(log.hook()));
  LazyGraphModule one(runtime, plus(1), nullptr, named("One")), other(runtime, plus(1), nullptr, named("Other"));
  one.real_recompile();
  other.real_recompile();
  runtime.stop();
  BOOST_TEST(log.story() == "scheduled 1. started 1. finished 1. published 1. scheduled 1. published 1. ");
  BOOST_TEST(log.events().back().module == "Other");
}

BOOST_AUTO_TEST_CASE(a_generation_of_content_that_is_known_not_to_compile_fails_without_a_start) {
  Log log;
  Runtime runtime(RuntimeOptions().on_event(log.hook()));
  LazyGraphModule one(runtime, chain({"my::unheard"}), nullptr, named("One")),
      other(runtime, chain({"my::unheard"}), nullptr, named("Other"));
  BOOST_CHECK_THROW(one(Inputs(zeros)), CompileError);
  BOOST_CHECK_THROW(other(Inputs(zeros)), CompileError);
  runtime.stop();
  BOOST_TEST(log.story() == "scheduled 1. started 1. failed 1. scheduled 1. failed 1. ");
  const CompileEvent last = log.events().back();
  BOOST_TEST(last.module == "Other");
  const auto error = std::dynamic_pointer_cast<const CompileError>(last.error);
  BOOST_REQUIRE(error);
  BOOST_TEST(error->op() == "my::unheard");
}

BOOST_AUTO_TEST_CASE(everyone_whose_content_one_compile_is_made_for_fails_with_it) {
  const auto gate = std::make_shared<support::Gate>();
  Log log;
  Runtime runtime(
      RuntimeOptions().threads(2).on_event(log.hook()).operators(support::standard_and(support::acts_in_compile("t::broken", [gate] {
        gate->pass(), throw std::runtime_error("no");
      }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule one(runtime, chain({"t::broken"}), nullptr, named("One")), other(runtime, chain({"t::broken"}), nullptr, named("Other"));
  one.prefetch();
  gate->wait_for_arrivals(1);
  other.recompile();
  while (runtime.stats().flights_joined == 0) std::this_thread::yield();
  gate->open();
  BOOST_CHECK_THROW(other(Inputs(zeros)), CompileError);
  runtime.stop();
  BOOST_TEST(log.story_of("One") == "scheduled 1. started 1. failed 1. ");
  BOOST_TEST(log.story_of("Other") == "scheduled 2. failed 2. ");
  for (const CompileEvent& event : log.events()) BOOST_TEST((event.error != nullptr) == (event.kind == Kind::failed));
}

BOOST_AUTO_TEST_CASE(everyone_whose_content_a_stopped_compile_was_made_for_is_cancelled_with_it) {
  const auto gate = std::make_shared<support::Gate>();
  Log log;
  Runtime runtime(
      RuntimeOptions().threads(2).on_event(log.hook()).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule one(runtime, held_plus(1), nullptr, named("One")), other(runtime, held_plus(1), nullptr, named("Other"));
  one.prefetch();
  gate->wait_for_arrivals(1);
  other.prefetch();
  while (runtime.stats().flights_joined == 0) std::this_thread::yield();
  support::Loop loop;
  runtime.stop(boost::asio::bind_executor(loop, [](std::exception_ptr) {}));
  gate->open();
  loop.run();
  runtime.stop();
  BOOST_TEST(log.story_of("One") == "scheduled 1. started 1. cancelled 1. ");
  BOOST_TEST(log.story_of("Other") == "scheduled 1. cancelled 1. ");
}

BOOST_AUTO_TEST_CASE(the_hook_is_called_on_one_thread_that_is_nobodys_and_may_look_at_everything) {
  std::vector<std::thread::id> threads;
  std::atomic<int> looked{0};
  std::shared_ptr<LazyGraphModule> module;
  Runtime* seen = nullptr;
  Runtime runtime(RuntimeOptions().on_event([&](const CompileEvent&) {
    threads.push_back(std::this_thread::get_id());
    static_cast<void>(module->state());
    static_cast<void>(module->code());
    static_cast<void>(seen->stats());
    static_cast<void>(seen->compiles());
    looked.fetch_add(1);
  }));
  seen = &runtime;
  module = std::make_shared<LazyGraphModule>(runtime, plus(1));
  for (int i = 0; i < 20; ++i) {
    support::set_plus(module->graph(), i);
    module->recompile();
  }
  module->real_recompile();
  runtime.stop();
  BOOST_TEST(looked.load() >= 4);
  for (const auto& thread : threads) {
    BOOST_TEST((thread == threads[0]));
    BOOST_TEST((thread != std::this_thread::get_id()));
  }
}

BOOST_AUTO_TEST_CASE(a_hook_that_throws_harms_nobody_and_is_counted) {
  std::atomic<std::uint64_t> called{0};
  Runtime runtime(RuntimeOptions().on_event([&](const CompileEvent& event) {
    called.fetch_add(1);
    if (event.kind == Kind::step) throw 42;
    throw std::runtime_error("no");
  }));
  LazyGraphModule module(runtime, plus(1));
  BOOST_TEST(equal(module(Inputs(zeros)).as_tensor(), support::vec({1, 1, 1, 1})));
  runtime.stop();
  BOOST_TEST(called.load() >= 4u);
  BOOST_TEST(runtime.stats().hook_failures == called.load());
  BOOST_TEST(runtime.stats().compiles_finished == 1u);
}

BOOST_AUTO_TEST_CASE(a_slow_hook_holds_up_nobody_and_loses_what_it_cannot_hear) {
  support::Gate gate;
  std::atomic<std::uint64_t> called{0};
  Runtime runtime(RuntimeOptions().on_event([&](const CompileEvent&) {
    gate.pass();
    called.fetch_add(1);
  }));
  const support::OpenAtEnd open(gate);
  LazyGraphModule module(runtime, plus(0));
  int compiles = 0;
  while (runtime.stats().events_lost == 0) {
    support::set_plus(module.graph(), ++compiles);
    module.recompile();
    module.real_recompile();
    BOOST_REQUIRE(compiles < 10000);
  }
  BOOST_TEST(called.load() == 0u);
  gate.open();
  runtime.stop();
  BOOST_TEST(called.load() >= 2048u);
  BOOST_TEST(called.load() <= 4097u);
}

BOOST_AUTO_TEST_CASE(a_runtime_that_is_stopped_inside_the_hook_does_not_hang) {
  const auto stopped = std::make_shared<support::Gate>();
  stopped->open();
  Runtime* seen = nullptr;
  Runtime runtime(RuntimeOptions().on_event([&seen, stopped](const CompileEvent& event) {
    if (event.kind != Kind::published) return;
    seen->stop();
    stopped->pass();
  }));
  seen = &runtime;
  LazyGraphModule module(runtime, plus(1));
  module.prefetch();
  stopped->wait_for_arrivals(1);
  module.recompile();
  BOOST_CHECK_THROW(module.real_recompile(), Error);
}

BOOST_AUTO_TEST_CASE(compiles_under_way_are_listed_with_their_step) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  BOOST_TEST(runtime.compiles().empty());
  LazyGraphModule one(runtime, held_plus(1), nullptr, named("One")), two(runtime, held_plus(2), nullptr, named("Two"));
  one.recompile();
  gate->wait_for_arrivals(1);
  two.recompile();
  gate->wait_for_arrivals(2);
  const auto compiles = runtime.compiles();
  BOOST_REQUIRE(compiles.size() == 2u);
  BOOST_TEST(compiles[0].module == "One");
  BOOST_TEST(compiles[1].module == "Two");
  for (const CompileProgress& compile : compiles) {
    BOOST_TEST(compile.generation == 2u);
    BOOST_TEST(compile.step == "lower");
    BOOST_TEST(compile.steps_done == 1u);
    BOOST_TEST(compile.steps_in_all == 8u);
    BOOST_TEST((compile.elapsed > std::chrono::nanoseconds(0)));
  }
  gate->open();
  one.real_recompile();
  two.real_recompile();
  BOOST_TEST(runtime.compiles().empty());
}
