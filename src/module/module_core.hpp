#pragma once

#include <algorithm>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compile/executable.hpp"
#include "compile/flight.hpp"
#include "compile/hazard.hpp"
#include "compile/runtime_core.hpp"
#include "compile/source.hpp"
#include "lazyfx/module/graph_module.hpp"

namespace lazyfx::detail {

/// What a module answers with: one generation's executable and the plans that were ready when it was published. Immutable.
struct Publication {
  std::uint64_t generation = 0;
  Tier tier = Tier::baseline;
  std::shared_ptr<compile::Executable> executable;
  compile::Executable::Plans plans;

  bool has(const compile::Plan& plan) const noexcept {
    return std::any_of(plans.begin(), plans.end(), [&](const auto& p) { return p.get() == &plan; });
  }
  const compile::Plan* find(std::span<const Value> inputs) const noexcept {
    for (const auto& plan : plans) {
      if (plan->signature().matches(inputs)) return plan.get();
    }
    return nullptr;
  }
};

/// Someone who waits for a generation. While it waits, its core holds it by `self`. Whoever ends its waiting, under the core's mutex, wakes it.
struct Waiter : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
  virtual ~Waiter() = default;
  /// Look again (no failure), or give up. Called without locks held.
  virtual void wake(const compile::Failure& failure) noexcept = 0;

  std::uint64_t generation = 0;
  compile::Priority priority = compile::Priority::awaited;
  compile::Observer::Clock::time_point since;  ///< linked
  bool waits = false;  ///< guarded by the core's mutex
  std::shared_ptr<Waiter> self;
};

/// The concurrent half of a GraphModule: its generation, its publication, its one compile, and everyone who waits. Outlives the module
/// while something waits. Everything here may be called from any thread; mark() from the editor's.
///
/// Phases of the module's compile, under the mutex:
///   idle    -> queued (a job is in the scheduler) -> leading (a thread compiles for it) -> idle
///                                                 -> joined (another module's flight has equal content) -> idle
/// At most one compile is queued or running for a module; a mark meanwhile sets `wanted_`, which starts the newest when it ends.
class ModuleCore final : public compile::Subscriber, public std::enable_shared_from_this<ModuleCore> {
 public:
  explicit ModuleCore(std::shared_ptr<RuntimeCore> runtime) : runtime_(std::move(runtime)) {}
  ~ModuleCore() override;
  /// Calls go on with the last good generation while the newest is known not to compile, as those of an eager module do. Before any call.
  void keep_last_good() noexcept { keeps_last_good_ = true; }

  /// The next mark makes this generation. Before any mark.
  void count_from(std::uint64_t generation) noexcept { generation_.store(generation - 1, std::memory_order_relaxed); }

  /// A new generation. With `schedule_in`, asks for its compile in the background: now, or once no mark has come for so long.
  void mark(compile::Source source, std::optional<std::chrono::nanoseconds> schedule_in, bool count);
  /// Asks for the newest generation's compile, if it is not there.
  void request(compile::Priority priority);
  /// Lets a failed compile of the newest generation be tried again, and asks for it.
  void retry();
  /// The module is gone: what only it wanted is dropped.
  void abandon();

  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
  /// The oldest generation that a call made now may answer for.
  std::uint64_t callable_generation() const;
  std::uint64_t callable_generation(const Freshness& freshness) const;
  bool needs_recompile() const noexcept { return published_generation_.load(std::memory_order_acquire) < generation(); }
  ModuleState state() const;
  compile::Source marked() const;
  RuntimeCore& runtime() const noexcept { return *runtime_; }

  /// Runs on this thread, blocking for a compile if needed.
  Value call(std::span<const Value> inputs);
  Value call(std::span<const Value> inputs, const ForwardOptions& options);
  /// Returns when a publication of `generation` or newer is there, compiling on this thread if nobody has begun. Throws.
  std::shared_ptr<const Publication> wait_for(std::uint64_t generation);
  /// A result at once: clean, specialised, and short or `anyhow`; false otherwise. Throws what the run throws.
  bool try_run(std::span<const Value> inputs, bool anyhow, Value& out) { return try_run(inputs, anyhow, generation(), out); }
  /// As above, by a publication of generation `oldest` or newer.
  bool try_run(std::span<const Value> inputs, bool anyhow, std::uint64_t oldest, Value& out);
  /// The newest generation, operator by operator, for these inputs, which it completes: made without a compile. Throws CompileError or Error.
  std::shared_ptr<const compile::Plan> interpreted(std::vector<Value>& inputs);

  /// Links `waiter` until its generation is published or fails. True: linked, wake() will come. False: look at `published` and `failure`.
  bool link(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<const Publication>& published, compile::Failure& failure);
  /// True if it was linked: the caller wakes it.
  bool unlink(Waiter& waiter);
  /// The executable has plans that the publication lacks: shows them to the hot path.
  void refresh(const std::shared_ptr<const Publication>& seen) noexcept;

  void on_compiled(std::uint64_t generation, const compile::CompileOutcome& outcome) noexcept override;
  void on_landed(std::uint64_t generation) noexcept override;

 private:
  enum class Phase : std::uint8_t { idle, queued, leading, joined };
  class CompileJob;
  class Woken;

  // REQUIRES: mutex_ held.
  bool ensure(compile::Priority priority, compile::Failure& refusal, bool helped = false);
  void publish(std::shared_ptr<const Publication> publication, hazard::Retirement& old) noexcept;
  void take_waiters(std::uint64_t up_to, Woken& out) noexcept;
  void end_wait(Waiter& waiter) noexcept;
  void schedule_at(compile::Scheduler::Time when);
  void detach_compile();
  void tell(CompileEventKind kind, std::uint64_t generation) const noexcept;
  bool compile_wanted(compile::Priority& priority) const;
  void restart(Woken& failed, compile::Failure& refusal);

  Value run_published(const std::shared_ptr<const Publication>& published, std::span<const Value> inputs);
  void compile_newest(compile::Priority urgency);
  void drop_job(compile::Job::Dropped why);
  void settle_marks();

  const std::shared_ptr<RuntimeCore> runtime_;
  bool keeps_last_good_ = false;  // constant once calls are made
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> published_generation_{0};
  std::atomic<const Publication*> hot_{nullptr};  ///< what published_ points to, for readers under a hazard guard

  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::shared_ptr<const Publication> published_;
  compile::Source marked_;
  Phase phase_ = Phase::idle;
  std::shared_ptr<compile::Job> job_;  ///< queued
  std::shared_ptr<compile::Flight> flight_;  ///< leading or joined
  std::uint64_t compiling_ = 0;  ///< generation of the flight
  bool wanted_ = false;  ///< compile the newest when the present compile has ended
  bool abandoned_ = false;
  compile::Priority wanted_priority_ = compile::Priority::background;
  compile::Priority requested_ = compile::Priority::background;  ///< of the queued or running compile
  compile::Scheduler::Time quiet_at_;  ///< debounced marks are compiled then
  bool quiet_timer_ = false;
  std::shared_ptr<const compile::Program> interpreted_;
  std::uint64_t interpreted_generation_ = 0;
  std::uint64_t failed_generation_ = 0;
  compile::Failure failure_;
  boost::intrusive::list<Waiter> waiters_;
};

/// Waiters taken off their core, to be woken without its lock. Needs no memory.
class ModuleCore::Woken {
 public:
  Woken() = default;
  Woken(const Woken&) = delete;
  Woken& operator=(const Woken&) = delete;
  void wake(const compile::Failure& failure) noexcept;

 private:
  friend class ModuleCore;
  boost::intrusive::list<Waiter> waiters_;
};

}  // namespace lazyfx::detail
