// Stability: stable.
#pragma once

#include <memory>
#include <thread>

#include "lazyfx/export.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace lazyfx {

/// While it lives, make_graph_module on this thread makes lazy modules (or eager ones, with false). Nests; restores what stood before.
/// After torch.fx's _use_lazy_graph_module, but thread-local: other threads are not affected. Destroying it on another thread (a coroutine
/// that moved) ends the process with a message, since it could only restore the wrong thread's state.
class LAZYFX_API UseLazyGraphModule {
 public:
  explicit UseLazyGraphModule(bool use = true);
  ~UseLazyGraphModule();
  UseLazyGraphModule(const UseLazyGraphModule&) = delete;
  UseLazyGraphModule& operator=(const UseLazyGraphModule&) = delete;

 private:
  std::thread::id thread_;
  bool previous_;
};

/// While it lives, make_graph_module on this thread makes eager modules, whatever UseLazyGraphModule says around it or inside it (upstream
/// overrides only what is inside). Same rules.
class LAZYFX_API ForceSkipLazyGraphModule {
 public:
  ForceSkipLazyGraphModule();
  ~ForceSkipLazyGraphModule();
  ForceSkipLazyGraphModule(const ForceSkipLazyGraphModule&) = delete;
  ForceSkipLazyGraphModule& operator=(const ForceSkipLazyGraphModule&) = delete;

 private:
  std::thread::id thread_;
  bool previous_;
};

enum class GraphModuleKind : std::uint8_t { eager, lazy };
/// What make_graph_module makes on this thread now.
LAZYFX_API GraphModuleKind graph_module_kind() noexcept;

/// A GraphModule or LazyGraphModule by `kind` if given, else by the guards.
LAZYFX_API std::shared_ptr<GraphModule> make_graph_module(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root = nullptr,
                                                          LazyGraphModuleOptions options = {}, std::optional<GraphModuleKind> kind = {});

}  // namespace lazyfx
