// Stability: stable.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "lazyfx/module/graph_module.hpp"

namespace lazyfx {

/// When a mark starts its compile. on_mark: at once, on the pool, in the background. on_demand: when somebody calls or prefetches. debounced: in
/// the background once no further mark has come for a while, or when somebody calls or prefetches.
enum class Schedule : std::uint8_t { on_mark, on_demand, debounced };

class LazyGraphModuleOptions {
 public:
  LazyGraphModuleOptions() {}
  LazyGraphModuleOptions& class_name(std::string name) {
    graph_module_.class_name(std::move(name));
    return *this;
  }
  LazyGraphModuleOptions& schedule(Schedule when) {
    schedule_ = when;
    return *this;
  }
  /// How long marks must have been quiet under Schedule::debounced. Default 10 ms.
  LazyGraphModuleOptions& quiet_time(std::chrono::nanoseconds t) {
    quiet_time_ = t;
    return *this;
  }
  Schedule schedule() const noexcept { return schedule_; }
  std::chrono::nanoseconds quiet_time() const noexcept { return quiet_time_; }
  GraphModuleOptions& graph_module() noexcept { return graph_module_; }
  const GraphModuleOptions& graph_module() const noexcept { return graph_module_; }

 private:
  GraphModuleOptions graph_module_;
  Schedule schedule_ = Schedule::on_mark;
  std::chrono::nanoseconds quiet_time_ = std::chrono::milliseconds(10);
};

/// A GraphModule whose `recompile()` only marks it dirty and schedules the compile on the runtime's pool; `forward` awaits it. After
/// torch.fx's _LazyGraphModule. Construction leaves it dirty and schedules nothing.
///
/// States: dirty -> (mark, call, prefetch) queued -> compiling -> clean | failed; a mark makes any of them dirty again.
/// Cost of recompile(): what was edited since the last one, plus O(log n); it takes one short lock and never waits for a compile.
class LAZYFX_API LazyGraphModule : public GraphModule {
 public:
  LazyGraphModule(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root = nullptr, LazyGraphModuleOptions options = {});

  /// `module` itself when it is lazy already; else a lazy module over the same Graph object.
  static std::shared_ptr<LazyGraphModule> from_graphmodule(const std::shared_ptr<GraphModule>& module);
  /// Compiles a dirty lazy module now and blocks until it is clean; does nothing to an eager one. Throws CompileError.
  static void force_recompile(GraphModule& module);

  void recompile() override;
  /// Asks for the compile of the newest mark, in the background but before plain background work. Never blocks.
  void prefetch();
  /// A failed compile stays failed until the next mark, or until this: asks for it again, as prefetch() does. In a clean module, lets the
  /// signatures that failed be tried by their next call. Never blocks.
  void retry();

  /// Blocks until clean, helping. Throws CompileError; Error(would_deadlock) on a pool thread when another is already compiling it.
  void real_recompile();
  /// Awaits the same. Completes with void(std::exception_ptr) on the handler's associated executor; cancellation as for forward().
  template <class Token>
  auto real_recompile(Token&& token) {
    return wait_ready(Tier::baseline, std::forward<Token>(token));
  }
  template <class Token = boost::asio::use_awaitable_t<>>
  auto real_recompile(WaitOptions options, Token&& token = Token()) {
    return wait_ready(Tier::baseline, options, std::forward<Token>(token));
  }
  /// Awaits a publication of the generation current now, or a newer one, made with at least the effort `tier`. A tier that the runtime does
  /// not make fails with Error(unsupported).
  template <class Token = boost::asio::use_awaitable_t<>>
  auto wait_ready(Tier tier, Token&& token = Token()) {
    return wait_ready(tier, WaitOptions(), std::forward<Token>(token));
  }
  template <class Token = boost::asio::use_awaitable_t<>>
  auto wait_ready(Tier tier, WaitOptions options, Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
        [](auto handler, std::shared_ptr<detail::ModuleCore> core, Tier least, WaitOptions how) {
          start_ready(core, least, how, detail::ReadyCompletion(std::move(handler)));
        },
        token, core_, tier, options);
  }

  std::string code() const override;
  bool is_lazy() const noexcept override { return true; }
  Schedule schedule() const noexcept { return schedule_; }
  std::chrono::nanoseconds quiet_time() const noexcept { return quiet_time_; }

 private:
  Schedule schedule_;
  std::chrono::nanoseconds quiet_time_;
};

}  // namespace lazyfx
