// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

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

  std::size_t threads() const noexcept { return threads_; }
  const OperatorRegistry& operators() const noexcept { return operators_; }
  double inline_budget_ns() const noexcept { return inline_budget_ns_; }
  std::size_t max_signatures() const noexcept { return max_signatures_; }

 private:
  std::size_t threads_ = 0;
  OperatorRegistry operators_;
  double inline_budget_ns_ = 100e3;
  std::size_t max_signatures_ = 32;
};

/// Counters since the runtime started; each is exact, together they are not one instant.
struct RuntimeStats {
  std::uint64_t marks = 0;             ///< recompile() calls
  std::uint64_t compiles_started = 0;  ///< generations whose compile began (a flight joined or found in the cache is not one)
  std::uint64_t compiles_finished = 0;
  std::uint64_t compiles_cancelled = 0;  ///< dropped from the queue or stopped at a step, since nobody could use them
  std::uint64_t compiles_failed = 0;
  std::uint64_t flights_joined = 0;    ///< a compile was already under way for equal content
  std::uint64_t cache_hits = 0;        ///< an executable for equal content was alive
  std::uint64_t specializations = 0;   ///< plans made for an input signature
  std::uint64_t runs = 0;              ///< calls that left the caller's thread
  std::size_t queued = 0;              ///< jobs waiting now
  std::size_t running = 0;             ///< jobs on pool threads now
  std::size_t waiting = 0;             ///< awaiters now
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

  /// Refuses new work, completes every waiter (Error(stopped)), and returns when the pool's threads have ended: within the longest step
  /// under way. Idempotent. Modules that are clean go on answering calls that run on the caller.
  void stop();

  const std::shared_ptr<detail::RuntimeCore>& core() const noexcept { return core_; }

 private:
  std::shared_ptr<detail::RuntimeCore> core_;
};

}  // namespace lazyfx
