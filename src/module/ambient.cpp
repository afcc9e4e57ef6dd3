#include "lazyfx/module/ambient.hpp"

#include <cstdio>
#include <cstdlib>

namespace lazyfx {

namespace {

thread_local bool use_lazy = false;
thread_local bool skip_lazy = false;

// Going on would leave one thread with a guard that never ends and give another a state it never had.
void check_thread(std::thread::id made_on, const char* guard) {
  if (made_on == std::this_thread::get_id()) return;
  std::fprintf(stderr, "lazyfx: a %s was destroyed on another thread than the one that made it; do not hold one across a suspension\n",
               guard);
  std::fflush(stderr);
  std::abort();
}

}  // namespace

UseLazyGraphModule::UseLazyGraphModule(bool use) : thread_(std::this_thread::get_id()), previous_(use_lazy) { use_lazy = use; }

UseLazyGraphModule::~UseLazyGraphModule() {
  check_thread(thread_, "UseLazyGraphModule");
  use_lazy = previous_;
}

ForceSkipLazyGraphModule::ForceSkipLazyGraphModule() : thread_(std::this_thread::get_id()), previous_(skip_lazy) { skip_lazy = true; }

ForceSkipLazyGraphModule::~ForceSkipLazyGraphModule() {
  check_thread(thread_, "ForceSkipLazyGraphModule");
  skip_lazy = previous_;
}

GraphModuleKind graph_module_kind() noexcept { return use_lazy && !skip_lazy ? GraphModuleKind::lazy : GraphModuleKind::eager; }

std::shared_ptr<GraphModule> make_graph_module(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root,
                                               LazyGraphModuleOptions options, std::optional<GraphModuleKind> kind) {
  if (kind.value_or(graph_module_kind()) == GraphModuleKind::eager) {
    return std::make_shared<GraphModule>(runtime, std::move(graph), root, options.graph_module());
  }
  return std::make_shared<LazyGraphModule>(runtime, std::move(graph), root, std::move(options));
}

}  // namespace lazyfx
