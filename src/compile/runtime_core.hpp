#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "compile/cache.hpp"
#include "compile/environment.hpp"
#include "compile/flight.hpp"
#include "compile/kernel_table.hpp"
#include "compile/nest.hpp"
#include "compile/observer.hpp"
#include "compile/scheduler.hpp"
#include "lazyfx/compile/runtime.hpp"

namespace lazyfx::detail {

/// What a Runtime owns and modules share: the pool, the flights, the table of living executables, the counters.
/// Lock order: the nest's mutex, a module's, then this one's, then an executable's, then the scheduler's.
class RuntimeCore : public std::enable_shared_from_this<RuntimeCore> {
 public:
  static std::shared_ptr<RuntimeCore> make(RuntimeOptions options);
  ~RuntimeCore();

  const RuntimeOptions& options() const noexcept { return options_; }
  compile::Scheduler& scheduler() noexcept { return *scheduler_; }
  const Environment& environment() const noexcept { return *environment_; }
  /// On the clock that the runtime lives by.
  bool is_over(const std::optional<compile::Workplace::Time>& deadline) const { return deadline && scheduler_->now() >= *deadline; }
  compile::StopToken stop_token() const noexcept { return compile::StopToken(&stopping_); }
  /// Nothing happens while a thread waits.
  bool simulated() const noexcept { return static_cast<bool>(environment_->compile); }
  /// What this thread waits for is done though it does nothing itself: a call that blocks and has to be back in time can leave it to others.
  bool works_elsewhere() { return !simulated() && !scheduler_->on_pool_thread() && scheduler_->has_workers(); }
  /// Its Runtime lives.
  bool owned() const noexcept { return owned_.load(std::memory_order_acquire); }
  void disown() noexcept { owned_.store(false, std::memory_order_release); }
  /// In a child of the process that made it, only what needs none of its mutexes can be done.
  bool forked() const noexcept { return scheduler_->forked(); }
  /// Throws Error(stopped) in such a child.
  void check_not_forked() const {
    if (forked()) refusal(compile::Scheduler::Submitted::refused).raise();
  }
  bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }
  /// Why the scheduler took no job.
  compile::Failure refusal(compile::Scheduler::Submitted why) const noexcept;
  void stop();
  /// Without waiting: `ended` is called when nothing of the runtime runs any more, on the thread that ran last, or inside of this.
  void stop(std::function<void()> ended);

  /// Finds who already has, or makes, equal content. Compares contents, so it takes no lock of its caller's.
  class Match;
  Match match(std::uint64_t key, const compile::Source& source);
  /// Where a module's compile goes. Exactly one is set.
  struct Admission {
    std::shared_ptr<compile::Executable> hit;  ///< equal content is alive: done
    compile::Failure failure;  ///< equal content is known not to compile
    std::shared_ptr<compile::Flight> joined;  ///< equal content is being compiled: on_compiled will come
    std::shared_ptr<compile::Flight> lead;  ///< nobody has it: compile it here
    bool retry = false;  ///< others came in between: match again
  };
  Admission admit(const Match& match, std::uint64_t key, const compile::Source& source, std::shared_ptr<compile::Subscriber> subscriber,
                  std::uint64_t generation, compile::Priority priority);
  /// Compiles a flight on this thread, or has it compiled, and then tells everyone seated. `ahead`: signatures to make plans for at once.
  void fly(const std::shared_ptr<compile::Flight>& flight, std::span<const compile::Signature> ahead);
  /// How urgently the subscriber wants it now.
  void want(compile::Flight& flight, const compile::Subscriber* subscriber, compile::Priority priority) noexcept;
  /// The subscriber no longer wants it; a flight with no seat left stops at its next step.
  void leave(compile::Flight& flight, const compile::Subscriber* subscriber) noexcept;
  /// Content that is known not to compile may be tried again.
  void forget_failure(std::uint64_t key, const compile::Source& source);
  /// Nobody uses it any more.
  void bring_back(std::list<compile::Cache::Idle>& one) noexcept;
  /// It has one more plan.
  void grown(const std::shared_ptr<compile::Executable>& executable) noexcept;
  void trim(std::size_t bytes);

  struct Counters {
    std::atomic<std::uint64_t> marks{0}, started{0}, finished{0}, cancelled{0}, failed{0}, dropped{0}, joined{0}, hits{0}, runs{0};
    std::atomic<std::uint64_t> known_failures{0}, deferred{0}, overloaded{0}, relinks{0}, specializations{0}, specializations_failed{0};
  };
  Counters& counters() noexcept { return counters_; }
  compile::Observer& observer() noexcept { return observer_; }
  const std::shared_ptr<compile::KernelTable>& kernels() const noexcept { return kernels_; }
  Nest& nest() noexcept { return nest_; }
  RuntimeStats stats() const;

 private:
  explicit RuntimeCore(RuntimeOptions options);
  friend class CompileTask;
  void begin_stop();
  void land(const std::shared_ptr<compile::Flight>& flight, compile::CompileOutcome outcome) noexcept;
  compile::CompileOutcome compile(compile::Flight& flight, std::span<const compile::Signature> ahead);

  const RuntimeOptions options_;
  const std::shared_ptr<const Environment> environment_;
  compile::Observer observer_;
  const std::shared_ptr<compile::KernelTable> kernels_ = std::make_shared<compile::KernelTable>(observer_.gauges());
  const std::shared_ptr<compile::Scheduler> scheduler_;
  std::atomic<bool> stopping_{false}, owned_{true};
  Counters counters_;
  Nest nest_;
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::unordered_multimap<std::uint64_t, std::shared_ptr<compile::Flight>> flights_;
  compile::Cache cache_;
};

/// What match() saw under a key: the one of equal content, if any, and who else was compared.
class RuntimeCore::Match {
 private:
  friend class RuntimeCore;
  std::shared_ptr<compile::Executable> executable;
  std::shared_ptr<compile::Flight> flight;
  compile::Cache::KnownFailurePtr failure;
  compile::Failure told;  ///< it, in the names of who asks
  std::vector<const void*> seen;
};

}  // namespace lazyfx::detail
