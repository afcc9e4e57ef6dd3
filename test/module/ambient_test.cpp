#define BOOST_TEST_MODULE module_ambient
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "lazyfx/module/ambient.hpp"
#include "support/child.hpp"

using namespace lazyfx;

namespace {

bool lazy() { return graph_module_kind() == GraphModuleKind::lazy; }

std::shared_ptr<Graph> identity() {
  auto graph = std::make_shared<Graph>();
  graph->output(graph->placeholder("x"));
  return graph;
}

// What a child process that runs `act` wrote to standard error; the process must have aborted.
template <class Act>
std::string dying_words_of(Act&& act) {
  const support::Ended ended = support::in_a_child([&act](int to) {
    dup2(to, STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);
    act();
  });
  BOOST_TEST(WIFSIGNALED(ended.status));
  BOOST_TEST(WTERMSIG(ended.status) == SIGABRT);
  return ended.output;
}

}  // namespace

BOOST_AUTO_TEST_CASE(modules_are_eager_unless_a_guard_says_otherwise) {
  BOOST_TEST(!lazy());
  const UseLazyGraphModule use;
  BOOST_TEST(lazy());
}

BOOST_AUTO_TEST_CASE(guards_nest_and_restore_what_stood_before) {
  {
    const UseLazyGraphModule outer;
    {
      const UseLazyGraphModule off(false);
      BOOST_TEST(!lazy());
      {
        const UseLazyGraphModule on;
        BOOST_TEST(lazy());
      }
      BOOST_TEST(!lazy());
    }
    BOOST_TEST(lazy());
  }
  BOOST_TEST(!lazy());
}

BOOST_AUTO_TEST_CASE(guards_are_restored_when_an_exception_passes) {
  try {
    const UseLazyGraphModule use;
    const ForceSkipLazyGraphModule skip;
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {}
  BOOST_TEST(!lazy());
  const UseLazyGraphModule use;
  BOOST_TEST(lazy());
}

BOOST_AUTO_TEST_CASE(skip_overrides_a_use_outside_and_inside_of_it) {
  const UseLazyGraphModule outer;
  {
    const ForceSkipLazyGraphModule skip;
    BOOST_TEST(!lazy());
    {
      const UseLazyGraphModule inner;
      BOOST_TEST(!lazy());
      {
        const ForceSkipLazyGraphModule again;
        BOOST_TEST(!lazy());
      }
      BOOST_TEST(!lazy());
    }
  }
  BOOST_TEST(lazy());
}

BOOST_AUTO_TEST_CASE(guards_do_not_reach_other_threads) {
  const UseLazyGraphModule use;
  bool there = true;
  std::thread([&] { there = lazy(); }).join();
  BOOST_TEST(!there);
  std::thread([&] {
    const UseLazyGraphModule theirs;
    const ForceSkipLazyGraphModule skip;
    there = lazy();
  }).join();
  BOOST_TEST(!there);
  BOOST_TEST(lazy());
}

BOOST_AUTO_TEST_CASE(a_guard_destroyed_on_another_thread_ends_the_process_with_a_message) {
  const std::string use = dying_words_of([] {
    auto guard = std::make_unique<UseLazyGraphModule>();
    std::thread([&] { guard.reset(); }).join();
  });
  BOOST_TEST(use.find("UseLazyGraphModule was destroyed on another thread") != std::string::npos, use);
  const std::string skip = dying_words_of([] {
    auto guard = std::make_unique<ForceSkipLazyGraphModule>();
    std::thread([&] { guard.reset(); }).join();
  });
  BOOST_TEST(skip.find("ForceSkipLazyGraphModule was destroyed on another thread") != std::string::npos, skip);
}

BOOST_AUTO_TEST_CASE(make_graph_module_follows_the_guards) {
  Runtime runtime;
  BOOST_TEST(!make_graph_module(runtime, identity())->is_lazy());
  const UseLazyGraphModule use;
  const auto module = make_graph_module(runtime, identity());
  BOOST_TEST(module->is_lazy());
  BOOST_TEST(std::dynamic_pointer_cast<LazyGraphModule>(module) != nullptr);
  BOOST_TEST(module->class_name() == "GraphModule");
  const ForceSkipLazyGraphModule skip;
  BOOST_TEST(!make_graph_module(runtime, identity())->is_lazy());
}

BOOST_AUTO_TEST_CASE(an_explicit_kind_wins_over_the_guards_and_options_are_kept) {
  Runtime runtime;
  const auto options = LazyGraphModuleOptions().class_name("MyGraphModule").schedule(Schedule::on_demand);
  const auto lazy_one = make_graph_module(runtime, identity(), nullptr, options, GraphModuleKind::lazy);
  BOOST_TEST(lazy_one->is_lazy());
  BOOST_TEST(lazy_one->class_name() == "MyGraphModule");
  BOOST_TEST((std::dynamic_pointer_cast<LazyGraphModule>(lazy_one)->schedule() == Schedule::on_demand));
  const UseLazyGraphModule use;
  const auto eager = make_graph_module(runtime, identity(), nullptr, options, GraphModuleKind::eager);
  BOOST_TEST(!eager->is_lazy());
  BOOST_TEST(eager->class_name() == "MyGraphModule");
}
