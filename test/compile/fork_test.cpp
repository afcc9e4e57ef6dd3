// A forked child has none of the pool's threads: what needs none goes on, the rest says so, and nothing waits for who is not there.
#define BOOST_TEST_MODULE compile_fork
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/observed_executor.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using support::plus;
using support::set_plus;
using support::vec;

namespace {

const Tensor zeros = vec({0, 0, 0, 0});

bool holds(const Value& value, float x) { return equal(value.as_tensor(), vec({x, x, x, x})); }

Value call(GraphModule& module, RunOn where = RunOn::caller) {
  const std::vector<Value> inputs{Value(zeros)};
  return module.call(inputs, ForwardOptions().run_on(where));
}

/// A call as an event loop makes it, with a loop of its own.
Value forward(GraphModule& module, const ForwardOptions& options = ForwardOptions()) {
  support::Loop loop;
  return support::Call(loop, module, zeros, options).get();
}

/// forward(x): inner(x).
std::unique_ptr<LazyGraphModule> calls(Runtime& runtime, const std::shared_ptr<Module>& inner) {
  Container root;
  root.set_submodule("inner", inner);
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", support::f32(4));
  graph->output(graph->call_module("inner", {x}));
  return std::make_unique<LazyGraphModule>(runtime, graph, &root);
}

/// What a child looks at: the first thing that is wrong is its exit status, by line.
class Child {
 public:
  void wants(bool right, int line) const {
    if (!right) ::_exit(line % 251 + 1);
  }
  /// Throws Error(stopped), which speaks of the fork.
  template <class Function>
  void is_refused(Function function, int line) const {
    try {
      function();
    } catch (const Error& e) {
      return wants(e.kind() == ErrorKind::stopped && std::string(e.what()).find("forked") != std::string::npos, line);
    }
    wants(false, line);
  }
};
#define WANTS(condition) child.wants(condition, __LINE__)
#define IS_REFUSED(...) child.is_refused([&] { static_cast<void>(__VA_ARGS__); }, __LINE__)

/// 0 if all was right in a child; one that waits for longer than it may is killed by its own alarm.
int status_of_child(const std::function<void(const Child&)>& body) {
  const pid_t process = ::fork();
  if (process == 0) {
    ::alarm(60);
    try {
      body(Child());
    } catch (...) { ::_exit(255); }
    ::_exit(0);
  }
  int status = -1;
  BOOST_REQUIRE(::waitpid(process, &status, 0) == process);
  return status;
}

}  // namespace

BOOST_AUTO_TEST_CASE(in_a_child_clean_modules_answer_and_what_needs_the_pool_is_refused) {
  auto runtime = std::make_unique<Runtime>(RuntimeOptions().threads(1).trace(16));
  auto clean = std::make_unique<LazyGraphModule>(*runtime, plus(1));
  auto dirty = std::make_unique<LazyGraphModule>(*runtime, plus(2));
  call(*clean);
  const int status = status_of_child([&](const Child& child) {
    WANTS(holds(call(*clean), 1));
    WANTS(holds(forward(*clean), 1));
    WANTS(!clean->needs_recompile());
    IS_REFUSED(call(*dirty));
    IS_REFUSED(forward(*dirty));
    IS_REFUSED(forward(*dirty, ForwardOptions().freshness(Freshness::interpret_until_ready())));
    IS_REFUSED(forward(*clean, ForwardOptions().run_on(RunOn::pool)));
    IS_REFUSED(dirty->real_recompile());
    IS_REFUSED(clean->recompile());
    IS_REFUSED(clean->state());
    IS_REFUSED(clean->code());
    IS_REFUSED(LazyGraphModule(*runtime, plus(3)));
    IS_REFUSED(GraphModule(*runtime, plus(3)));
    IS_REFUSED(runtime->stats());
    IS_REFUSED(runtime->compiles());
    std::ostringstream trace;
    IS_REFUSED(runtime->write_trace(trace));
    dirty->prefetch();
    dirty->retry();
    runtime->trim();
    WANTS(holds(call(*clean), 1));
  });
  BOOST_TEST(status == 0);
  BOOST_TEST(holds(call(*dirty), 2));
}

BOOST_AUTO_TEST_CASE(in_a_child_a_graph_is_edited_checked_and_interpreted) {
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, plus(1));
  call(module);
  const int status = status_of_child([&](const Child& child) {
    const Snapshot before = module.graph().freeze();
    set_plus(module.graph(), 2);
    module.lint();
    WANTS(module.print_readable().find("2.0") != std::string::npos);
    WANTS(holds(Interpreter(module).run(std::vector<Value>{Value(zeros)}), 2));
    WANTS(holds(Interpreter(before, &module, module.operators()).run(std::vector<Value>{Value(zeros)}), 1));
    WANTS(holds(call(module), 1));
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(in_a_child_a_graph_is_edited_whose_snapshots_another_thread_was_freeing) {
  const auto graph = plus(1);
  int status = 0;
  for (int i = 0; i < 20 && status == 0; ++i) {
    std::vector<Snapshot> old;
    for (int edit = 0; edit < 60'000; ++edit) {
      set_plus(*graph, edit);
      old.push_back(graph->freeze());
    }
    const Snapshot kept = old.back();
    std::atomic<bool> freeing{false};
    std::thread freer([&freeing, old = std::move(old)]() mutable {
      freeing = true;
      old.clear();
    });
    while (!freeing) {}
    status = status_of_child([&](const Child& child) {
      const auto is = [](const Snapshot& snapshot, int c) {
        return render_code(snapshot).text.find("(x, " + std::to_string(c) + ".0)") != std::string::npos;
      };
      set_plus(*graph, -1);
      const Snapshot own = graph->freeze();
      set_plus(*graph, -2);
      WANTS(is(kept, 59'999));
      WANTS(is(own, -1));
      WANTS(is(graph->freeze(), -2));
    });
    freer.join();
  }
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_child_has_a_runtime_of_its_own) {
  Runtime runtime(RuntimeOptions().threads(1));
  LazyGraphModule module(runtime, plus(1));
  call(module);
  const int status = status_of_child([&](const Child& child) {
    Runtime own(RuntimeOptions().threads(2));
    LazyGraphModule mine(own, module.graph_ptr());
    for (int c = 2; c < 20; ++c) {
      set_plus(mine.graph(), c);
      mine.recompile();
      WANTS(holds(call(mine), static_cast<float>(c)));
      WANTS(holds(forward(mine, ForwardOptions().run_on(RunOn::pool)), static_cast<float>(c)));
    }
    own.trim();
    WANTS(own.stats().waiting == 0);
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(in_a_child_a_runtime_and_its_modules_are_destroyed_while_a_compile_was_under_way) {
  const auto gate = std::make_shared<support::Gate>();
  auto runtime = std::make_unique<Runtime>(RuntimeOptions()
                                               .threads(2)
                                               .on_event([](const CompileEvent&) {})
                                               .operators(support::standard_and(support::held_in_compile("t::held", gate))));
  const support::OpenAtEnd open(*gate);
  auto held = std::make_unique<LazyGraphModule>(*runtime, support::held_plus(1));
  auto parent = std::make_unique<LazyGraphModule>(*runtime, plus(1));
  call(*parent);
  held->recompile();
  gate->wait_for_arrivals(1);
  const int status = status_of_child([&](const Child& child) {
    boost::asio::io_context loop;
    bool stopped = false;
    runtime->stop(boost::asio::bind_executor(loop, [&](std::exception_ptr error) { stopped = !error; }));
    loop.run();
    WANTS(stopped);
    IS_REFUSED(call(*held));
    held.reset();
    runtime.reset();
    WANTS(holds(call(*parent), 1));
    parent.reset();
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(in_a_child_a_context_is_destroyed_that_a_thread_of_the_pool_was_posting_to) {
  auto loop = std::make_unique<boost::asio::io_context>();
  support::Gate inside;
  support::Seen seen;
  seen.after_post = [&] { inside.pass(); };
  Runtime runtime(RuntimeOptions().threads(1));
  const support::OpenAtEnd open(inside);
  LazyGraphModule module(runtime, plus(1));
  bool ready = false;
  module.wait_ready(Tier::baseline, boost::asio::bind_executor(support::Observed(*loop, seen), [&](std::exception_ptr e) { ready = !e; }));
  inside.wait_for_arrivals(1);
  const int status = status_of_child([&](const Child& child) {
    loop->run();
    WANTS(ready);
    loop.reset();
  });
  BOOST_TEST(status == 0);
  loop->run();
  inside.open();
}

BOOST_AUTO_TEST_CASE(a_child_forked_while_others_compile_call_and_free_never_hangs) {
  constexpr int children = 200;
  auto runtime = std::make_unique<Runtime>(RuntimeOptions().threads(2).max_signatures(2));
  auto clean = std::make_unique<LazyGraphModule>(*runtime, plus(1));
  auto open = std::make_unique<LazyGraphModule>(*runtime, plus(7, std::nullopt));  // plans come and go
  auto mine = std::make_unique<LazyGraphModule>(*runtime, plus(200));  // edited by this thread
  std::vector<std::shared_ptr<LazyGraphModule>> edited;
  for (int i = 0; i < 2; ++i) edited.push_back(std::make_shared<LazyGraphModule>(*runtime, plus(100)));
  auto caller = calls(*runtime, edited[0]);
  call(*clean);
  call(*open);
  call(*caller);
  for (const auto& module : edited) call(*module);
  std::atomic<bool> enough{false};
  std::vector<std::thread> threads;
  for (const auto& module : edited) {
    threads.emplace_back([&enough, &module = *module, i = 0]() mutable {
      for (; !enough.load(std::memory_order_relaxed); ++i) {
        set_plus(module.graph(), 100 + i % 1000);
        module.recompile();
        if (i % 2 == 0) call(module);
      }
    });
  }
  threads.emplace_back([&] {
    for (int n = 1; !enough.load(std::memory_order_relaxed); n = n % 16 + 1) {
      const std::vector<Value> inputs{Value(Tensor::zeros(DType::f32, Shape{n}))};
      open->call(inputs);
      runtime->trim();
    }
  });
  // Threads that come and go: each has a record of hazards and a block of scratch memory.
  threads.emplace_back([&] {
    while (!enough.load(std::memory_order_relaxed)) std::thread([&] { call(*clean); }).join();
  });
  int wrong = 0, status = 0;
  for (int i = 0; i < children && wrong == 0; ++i) {
    set_plus(mine->graph(), 200 + i);
    mine->recompile();
    status = status_of_child([&](const Child& child) {
      WANTS(holds(call(*clean), 1));
      WANTS(holds(forward(*clean), 1));
      for (const auto& module : edited) {
        try {
          const Value y = call(*module);
          WANTS(y.as_tensor().values<float>()[0] >= 100);
        } catch (const Error& e) { WANTS(e.kind() == ErrorKind::stopped); }
        IS_REFUSED(module->real_recompile(), module->recompile());
      }
      set_plus(mine->graph(), 300);
      WANTS(mine->print_readable().find("300.0") != std::string::npos);
      IS_REFUSED(mine->recompile());
      mine.reset();
      runtime->trim();
      {
        Runtime own(RuntimeOptions().threads(1));
        LazyGraphModule module(own, plus(5));
        WANTS(holds(call(module), 5));
        set_plus(module.graph(), 6);
        module.recompile();
        WANTS(holds(forward(module), 6));
      }
      open.reset();
      caller.reset();
      runtime->stop();
      runtime.reset();
      WANTS(holds(call(*clean), 1));
      clean.reset();
    });
    wrong += status != 0;
  }
  enough = true;
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(wrong == 0, "a child ended with status " << status);
}
