// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <vector>

#include <boost/asio/async_result.hpp>

#include "lazyfx/compile/runtime_options.hpp"
#include "lazyfx/compile/stats.hpp"
#include "lazyfx/detail/completion.hpp"
#include "lazyfx/export.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

namespace detail {
class RuntimeCore;
using StopCompletion = Completion<void(std::exception_ptr)>;
}  // namespace detail

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
  /// Begins the same and waits for nothing: completes with void(std::exception_ptr) on the handler's associated executor when the last thread
  /// has ended. Cancelling ends the wait with operation_aborted and not the stopping. The event hook may hear of its last events later.
  template <class Token>
  auto stop(Token&& token) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
        [](auto handler, std::shared_ptr<detail::RuntimeCore> core) { start_stop(core, detail::StopCompletion(std::move(handler))); },
        token, core_);
  }

  /// Lets go of executables that nobody uses, and of contents known not to compile, until at most `cache_bytes` of them are kept, those used or
  /// asked for last; 0 keeps none. RuntimeOptions::cache_bytes stays the bound. Also frees the scratch memory that threads of the process keep for
  /// their next run, where no run uses it.
  void trim(std::size_t cache_bytes = 0);

  const std::shared_ptr<detail::RuntimeCore>& core() const noexcept { return core_; }

 private:
  static void start_stop(const std::shared_ptr<detail::RuntimeCore>& core, detail::StopCompletion completion);

  std::shared_ptr<detail::RuntimeCore> core_;
};

}  // namespace lazyfx
