// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <vector>

#include "lazyfx/compile/event.hpp"
#include "lazyfx/compile/stats.hpp"
#include "lazyfx/export.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

namespace detail {
class RuntimeCore;
}

/// How a Runtime is set up. Chain the setters: `RuntimeOptions().threads(4)`.
class RuntimeOptions {
 public:
  RuntimeOptions() : operators_(OperatorRegistry::standard()) {}

  /// Pool threads for compiles and long runs. Default 0: as many as the CPU quota gives. More threads compile more modules at once
  /// and take more from the caller's own threads. They start when first needed.
  RuntimeOptions& threads(std::size_t n) { threads_ = n; return *this; }
  /// The operators that graphs may use. Default: all that ship.
  RuntimeOptions& operators(OperatorRegistry registry) { operators_ = std::move(registry); return *this; }
  /// Runs estimated longer than this leave the caller's thread under RunOn::automatic. Default 100 microseconds.
  RuntimeOptions& inline_budget_ns(double ns) { inline_budget_ns_ = ns; return *this; }
  /// Input signatures kept specialised per executable. Default 32. The least recently used makes room.
  RuntimeOptions& max_signatures(std::size_t n) { max_signatures_ = n; return *this; }
  /// Slices of the trace that are kept, the newest, 256 bytes each. Default 0: none is made, and write_trace() writes an empty trace.
  RuntimeOptions& trace(std::size_t slices) { trace_ = slices; return *this; }
  /// Who hears of every compile. Default: nobody, which costs nothing.
  RuntimeOptions& on_event(CompileHook hook) { on_event_ = std::move(hook); return *this; }

  std::size_t threads() const noexcept { return threads_; }
  const OperatorRegistry& operators() const noexcept { return operators_; }
  double inline_budget_ns() const noexcept { return inline_budget_ns_; }
  std::size_t max_signatures() const noexcept { return max_signatures_; }
  std::size_t trace() const noexcept { return trace_; }
  const CompileHook& on_event() const noexcept { return on_event_; }

 private:
  std::size_t threads_ = 0;
  OperatorRegistry operators_;
  double inline_budget_ns_ = 100e3;
  std::size_t max_signatures_ = 32;
  std::size_t trace_ = 0;
  CompileHook on_event_;
};

/// Owns what compiling needs: the pool, the queue, the flights and the table of shared executables. One per process is usual; several
/// do not disturb each other. Everything here may be called from any thread.
///
/// Lifetime: modules hold what they need of it, so modules and Runtime may be destroyed in either order. Destroying it stops it.
class LAZYFX_API Runtime {
 public:
  explicit Runtime(RuntimeOptions options = {});
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const RuntimeOptions& options() const noexcept;
  const OperatorRegistry& operators() const noexcept;
  RuntimeStats stats() const;
  /// The compiles under way, oldest first.
  std::vector<CompileProgress> compiles() const;
  /// What RuntimeOptions::trace kept, as Chrome trace events in JSON, for ui.perfetto.dev or chrome://tracing: a slice for every compile, in it
  /// its passes, in them the kernels that were built, and a slice for each call that the pool computed; a row per thread. While it is written
  /// compiles go on. The form that takes a file throws Error(invalid_argument) naming it when it cannot be written.
  void write_trace(std::ostream& out) const;
  void write_trace(const std::filesystem::path& file) const;

  /// Refuses new work, completes every waiter (Error(stopped)), and returns when the pool's threads have ended: within the longest step
  /// under way. Idempotent. Modules that are clean go on answering calls that run on the caller.
  void stop();

  const std::shared_ptr<detail::RuntimeCore>& core() const noexcept { return core_; }

 private:
  std::shared_ptr<detail::RuntimeCore> core_;
};

}  // namespace lazyfx
