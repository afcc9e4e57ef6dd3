// Stability: stable.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/detail/completion.hpp"
#include "lazyfx/export.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/module/forward_options.hpp"
#include "lazyfx/module/module.hpp"
#include "lazyfx/module/wait_options.hpp"

namespace lazyfx {

namespace compile {
struct ModuleTable;
}

namespace detail {
class ModuleCore;
using ForwardCompletion = Completion<void(std::exception_ptr, Value)>;
using ReadyCompletion = Completion<void(std::exception_ptr)>;
}  // namespace detail

/// How much effort made what a module answers with.
enum class Tier : std::uint8_t { baseline, optimized };

/// clean: what is published answers for the newest generation. failed: its compile failed and stays failed until the next mark.
enum class ModuleState : std::uint8_t { clean, dirty, queued, compiling, failed };

/// Names a module when it is made. Chain the setters.
class GraphModuleOptions {
 public:
  GraphModuleOptions() {}
  GraphModuleOptions& class_name(std::string name) {
    class_name_ = std::move(name);
    return *this;
  }
  const std::string& class_name() const noexcept { return class_name_; }
  /// Takes all that `root` holds, not only what the graph names: for modules made from saved or copied ones. Default: no.
  GraphModuleOptions& adopt_all(bool all) noexcept {
    adopt_all_ = all;
    return *this;
  }
  bool adopt_all() const noexcept { return adopt_all_; }
  /// Generation of the mark that construction makes, at least 1: a module read from an archive goes on counting. Default: 1.
  GraphModuleOptions& first_generation(std::uint64_t generation) noexcept {
    first_generation_ = generation;
    return *this;
  }
  std::uint64_t first_generation() const noexcept { return first_generation_; }

 private:
  std::string class_name_ = "GraphModule";
  bool adopt_all_ = false;
  std::uint64_t first_generation_ = 1;
};

/// A graph with the tensors and modules it names, callable, after torch.fx's GraphModule. This one is eager: `recompile()` compiles before it
/// returns (and so does construction). LazyGraphModule is the one that never makes its editor wait.
///
/// Threads: one editor at a time (graph edits, set_attr, recompile, copies, printing); `forward`, `call`, `code`, `needs_recompile`, `state`,
/// `generation` from any thread at any time, edits included. A call answers for some generation at or after the one current at the call.
/// Submodules that the graph calls are compiled each once per generation; one that is a GraphModule of the same runtime has an editor of its own,
/// is awaited when it is stale, and its new generations are linked without compiling this one again.
/// Ownership: the module shares `graph`; Node handles stay valid while either lives. Destroying the module while calls wait is allowed.
class LAZYFX_API GraphModule : public Module {
 public:
  /// Takes from `root` the tensors and submodules that the graph names (all paths must exist: Error(invalid_graph) naming the node).
  /// Without a root the graph may name none. Compiles; throws CompileError.
  GraphModule(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root = nullptr, GraphModuleOptions options = {});
  ~GraphModule() override;

  Graph& graph() noexcept { return *graph_; }
  const Graph& graph() const noexcept { return *graph_; }
  const std::shared_ptr<Graph>& graph_ptr() const noexcept { return graph_; }
  /// Replaces the graph whole, then recompile().
  void set_graph(std::shared_ptr<Graph> graph);
  /// Replaces or adds the tensor at a dotted path: an edit, visible after the next recompile().
  void set_attr(std::string_view path, Tensor tensor) { set_tensor(path, std::move(tensor)); }

  /// Makes the graph as it is now the one that calls answer for. Compiles; throws CompileError (the last good one goes on answering).
  virtual void recompile();

  /// Blocks until a result for the current generation is there, helping with a compile that nobody has begun. Throws CompileError or Error;
  /// what a user's operator threw arrives as Error(user_code). Adds no allocation and at most nanoseconds on a clean module.
  Value call(std::span<const Value> inputs) final;
  /// The same, accepting what `options.freshness()` accepts, within `options.deadline()`: throws
  /// boost::system::system_error(asio::error::timed_out). It runs on this thread.
  Value call(std::span<const Value> inputs, const ForwardOptions& options);

  /// Asynchronous call. Completes with: void(std::exception_ptr, Value), on the handler's associated executor, never inside of forward()
  /// itself. Fails with CompileError or Error; what a user's operator threw arrives as Error(user_code). On cancel (any type):
  /// boost::system::system_error(operation_aborted); work that others wait for goes on. Example: `Value y = co_await module.forward(x);`
  /// The call counts as work of the executor until it has completed: let its context run out of work, or stop the runtime, before
  /// destroying the context. When the handler is called the library holds nothing of it any more; the context's destructor waits for the
  /// thread that is about to leave the post.
  template <class Token = boost::asio::use_awaitable_t<>>
  auto forward(Inputs inputs, Token&& token = Token()) {
    return forward(std::move(inputs), ForwardOptions(), std::forward<Token>(token));
  }
  template <class Token = boost::asio::use_awaitable_t<>>
  auto forward(Inputs inputs, ForwardOptions options, Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Value)>(
        [](auto handler, std::shared_ptr<detail::ModuleCore> core, Inputs in, ForwardOptions how) {
          std::exception_ptr error;
          Value value;
          if (answers_now(*core, in, how, error, value))
            return detail::post_results(std::move(handler), std::move(error), std::move(value));
          start_forward(core, std::move(in), how, detail::ForwardCompletion(std::move(handler)));
        },
        token, core_, std::move(inputs), options);
  }

  /// The readable code of the newest marked generation, rendered now. On a lazy module also schedules the pending compile; never throws
  /// a compile error. Any thread.
  virtual std::string code() const;
  /// Rendered straight from the live graph, submodules nested; schedules nothing. Editor's thread.
  std::string print_readable() const;
  /// Graph::lint, and every path and operator named exists.
  void lint() const;
  /// Removes submodules that no node names.
  void delete_all_unused_submodules();

  bool needs_recompile() const noexcept;
  ModuleState state() const;
  /// Generation of the newest mark; the first is 1.
  std::uint64_t generation() const noexcept;
  virtual bool is_lazy() const noexcept { return false; }
  /// The one it was made with. Throws Error(stopped) once that is gone; REQUIRES: it is not being destroyed meanwhile.
  Runtime& runtime() const;
  /// What its nodes' targets mean: the Runtime's operators, as long as this module lives.
  const OperatorRegistry& operators() const noexcept;
  std::string class_name() const override { return options_.class_name(); }

 protected:
  bool is_edited_apart() const noexcept final { return true; }
  struct Unmarked {};
  GraphModule(Unmarked, Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root, GraphModuleOptions options);
  /// Freezes graph and attributes and raises the generation; schedules a background compile when no further mark has come for so long, if
  /// asked to; `count`s as a mark in the statistics. Never blocks. Throws Error(invalid_graph) if a module that is called calls this one.
  void mark(std::optional<std::chrono::nanoseconds> schedule_in, bool count);

  /// True: the call has been answered, with the one or the other; nobody has to wait.
  static bool answers_now(detail::ModuleCore& core, const Inputs& inputs, const ForwardOptions& options, std::exception_ptr& error,
                          Value& value) noexcept;
  static void start_forward(const std::shared_ptr<detail::ModuleCore>& core, Inputs inputs, const ForwardOptions& options,
                            detail::ForwardCompletion completion);
  static void start_ready(const std::shared_ptr<detail::ModuleCore>& core, Tier tier, const WaitOptions& options,
                          detail::ReadyCompletion completion);

  std::shared_ptr<detail::ModuleCore> core_;

 private:
  friend LAZYFX_API std::string explain_miss(const GraphModule& a, const GraphModule& b);
  void adopt(const Module* root);
  std::shared_ptr<const compile::ModuleTable> called_modules() const;
  void freeze_tensors();
  void freeze_borrowed();

  Runtime* runtime_;
  std::shared_ptr<Graph> graph_;
  GraphModuleOptions options_;
  struct Frozen;  // attributes as last frozen, to share what did not change
  std::unique_ptr<Frozen> frozen_;
};

/// "GraphModule()" with its submodules, then its code; an observation, like code().
LAZYFX_API std::string to_string(const GraphModule& module);
LAZYFX_API std::ostream& operator<<(std::ostream& out, const GraphModule& module);

}  // namespace lazyfx
