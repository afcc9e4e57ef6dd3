#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "compile/flight.hpp"
#include "compile/hazard.hpp"
#include "compile/runtime_core.hpp"
#include "compile/source.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "module/nesting.hpp"
#include "module/publication.hpp"
#include "module/waiter.hpp"
#include "module/wiring.hpp"

namespace lazyfx::detail {

/// The concurrent half of a GraphModule: its generation, its publication, its one compile, and everyone who waits. Outlives the module
/// while something waits. Everything here may be called from any thread; mark() from the editor's.
///
/// Phases of the module's compile, under the mutex:
///   idle    -> queued (a job is in the scheduler) -> leading (a thread compiles for it) -> idle
///                                                 -> joined (another module's flight has equal content) -> idle
/// At most one compile is queued or running for a module; a mark meanwhile sets `wanted_`, which starts the newest when it ends.
///
/// One whose submodules are linked, or that is one, is nested: what it publishes, and who waits, then change under the nest's mutex too, which
/// is taken first; of several modules' mutexes one is held at a time.
class ModuleCore final : public compile::Subscriber, public compile::Linked, public std::enable_shared_from_this<ModuleCore> {
 public:
  static std::shared_ptr<ModuleCore> make(std::shared_ptr<RuntimeCore> runtime);
  ~ModuleCore() override;
  /// Calls go on with the last good generation while the newest is known not to compile, as those of an eager module do. Before any call.
  void keep_last_good() noexcept { keeps_last_good_ = true; }

  /// The next mark makes this generation. Before any mark.
  void count_from(std::uint64_t generation) noexcept { generation_.store(generation - 1, std::memory_order_relaxed); }

  /// Marks of submodules ask for the compile in the background: now, once none has come for so long, or not. Before any mark.
  void follow_marks(std::optional<std::chrono::nanoseconds> schedule_in) noexcept { follows_ = schedule_in; }

  /// A new generation. With `schedule_in`, asks for its compile in the background: now, or once no mark has come for so long. Throws
  /// Error(invalid_graph), with nothing changed, when a linked submodule calls this module.
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
  /// As above, and how old the newest mark below may be.
  struct Oldest {
    std::uint64_t generation = 0;
    bool any_links = false;  ///< what submodules answered with last will do
  };
  Oldest callable(const Freshness& freshness) const;
  bool needs_recompile() const noexcept {
    return published_generation_.load(std::memory_order_acquire) < generation() || until_.load(std::memory_order_acquire) != forever;
  }
  /// The nest's clock; a call reads it once, when it is made.
  Stamp stamp() const noexcept { return runtime_->nest().clock.load(std::memory_order_acquire); }
  ModuleState state() const;
  compile::Source marked() const;
  RuntimeCore& runtime() const noexcept { return *runtime_; }

  /// Runs on this thread, blocking for a compile if needed.
  Value call(std::span<const Value> inputs);
  Value call(std::span<const Value> inputs, const ForwardOptions& options);
  /// Returns when a publication of `generation` or newer is there, with all of its submodules, compiling on this thread what nobody has
  /// begun. Throws. `accepts_last_good`: a module that keeps its last good one is content with it when a submodule does not compile.
  std::shared_ptr<const Publication> wait_for(std::uint64_t generation, bool accepts_last_good = false) {
    return wait_for({generation, false}, accepts_last_good, {});
  }
  /// As above, what is `oldest` or newer, until `deadline`: throws what Failure::timed_out() is. What may end late is left to others then.
  using Deadline = std::optional<ForwardOptions::Clock::time_point>;
  std::shared_ptr<const Publication> wait_for(Oldest oldest, bool accepts_last_good, const Deadline& deadline);
  /// A result at once: clean, specialised, and short or `anyhow`; false otherwise. Throws what the run throws.
  bool try_run(std::span<const Value> inputs, bool anyhow, Value& out) { return try_run(inputs, anyhow, {generation(), false}, out); }
  /// As above, by a publication that is `oldest` or newer.
  bool try_run(std::span<const Value> inputs, bool anyhow, Oldest oldest, Value& out, const compile::StopToken& stop = {});
  /// The newest generation, operator by operator, without waiting for a compile. Throws CompileError, Error, or Stopped.
  Value interpret(std::span<const Value> inputs, const compile::StopToken& stop);

  /// Links `waiter` until its generation is published or fails. True: linked, wake() will come. False: look at `published` and `failure`.
  bool link(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<const Publication>& published, compile::Failure& failure);
  /// True if it was linked: the caller wakes it.
  bool unlink(Waiter& waiter);
  /// The executable has plans that the publication lacks: shows them to the hot path.
  void refresh(const Publication& seen) noexcept;

  void on_compiled(std::uint64_t generation, const compile::CompileOutcome& outcome) noexcept override;
  void on_landed(const compile::Flight& flight) noexcept override;

 private:
  enum class Phase : std::uint8_t { idle, queued, leading, joined };
  class CompileJob;
  class Interpretation;
  explicit ModuleCore(std::shared_ptr<RuntimeCore> runtime) : runtime_(std::move(runtime)) {}
  static void dispose(ModuleCore* core) noexcept;
  friend class NestLock;
  friend struct Wiring;

  // REQUIRES: mutex_ held.
  using Admission = compile::Scheduler::Admission;
  bool ensure(compile::Priority priority, compile::Failure& refusal, Admission admission = Admission::bounded);
  /// Whoever awaited it may have left: what it asked for is as urgent as those who are left want it, and what nobody can use stops. Where the
  /// newest cannot be asked for instead, waiters go to `failed`.
  void settle_for_less(Woken& failed) noexcept;
  void publish(std::shared_ptr<const Publication> publication, hazard::Retirement& retired) noexcept;
  void take_served(Woken& out) noexcept;
  void fail_waiters(Stamp from, Stamp up_to, const compile::Failure& failure, Woken& out) noexcept;
  void take_waiters(std::uint64_t up_to, const compile::Failure& failure, Woken& out) noexcept;
  bool is_served(const Waiter& waiter) const noexcept {
    return published_ && published_->generation >= waiter.generation && until_.load(std::memory_order_relaxed) > waiter.stamp;
  }
  bool needs_compile() const noexcept { return compiled_generation_ < generation(); }
  bool has_failed() const noexcept { return needs_compile() && failed_generation_ == generation(); }
  bool follows_at_once() const noexcept { return follows_ && follows_->count() == 0; }
  ModuleState own_state() const;
  void end_wait(Waiter& waiter) noexcept;
  /// A compile is under way that has not been given up; before it is known who has equal content, too.
  bool is_carrying() const noexcept { return seated_ || (phase_ == Phase::leading && !flight_); }
  void schedule_at(compile::Scheduler::Time when) noexcept;
  void detach_compile();
  void end_flight() noexcept;
  void tell(CompileEventKind kind, std::uint64_t generation, std::shared_ptr<const Error> error = {}) const noexcept;
  bool compile_wanted(compile::Priority& priority);
  compile::Failure restart(Woken& failed);
  /// Publishes a compiled generation: true. False: keeps it for when its submodules have published something.
  bool adopt_compiled(std::uint64_t generation, Stamp after, const std::shared_ptr<compile::Executable>& executable,
                      hazard::Retirement& retired);

  // REQUIRES: the nest's mutex held, and no module's.
  void rewire(std::shared_ptr<Wiring> wiring, hazard::Retirement& retired) noexcept;
  void spread_mark();
  void attach(const std::shared_ptr<Wiring>& wiring) noexcept;
  static void owe(Edge& edge) noexcept;
  void tell_above(Rising& rising, bool all) noexcept;
  bool is_due() const noexcept;
  void settle(Woken& woken, hazard::Retirement& retired, Rising& rising, bool all);
  static compile::Failure settle_all(Rising& rising, Woken& woken, hazard::Retirement& retired, bool all) noexcept;
  void raise_above(Woken& woken, hazard::Retirement& retired) noexcept;
  void raise_owed(Woken& woken, hazard::Retirement& retired) noexcept;
  compile::Failure catch_up(Woken& woken, hazard::Retirement& retired) noexcept;
  compile::Failure catch_up_with(const compile::ModuleTable& table, Woken& woken, hazard::Retirement& retired) noexcept;
  bool relink(Woken& woken, hazard::Retirement& retired);
  void fail_above(const compile::Failure& failure, Stamp from, Stamp up_to, Woken& woken) noexcept;
  compile::Failure ask_below(compile::Priority priority, bool anyhow, Admission& admission, Stamp& from, Woken& woken,
                             hazard::Retirement& retired);
  // REQUIRES: the nest's mutex held.
  bool is_wired(const std::shared_ptr<const compile::ModuleTable>& table) const noexcept {
    const Wiring* const wired = nested_ ? nested_->wired.get() : nullptr;
    return table->linked.empty() ? wired == nullptr : wired != nullptr && wired->table == table;
  }
  /// Null when the table calls nobody. Throws std::bad_alloc.
  std::shared_ptr<Wiring> wire(std::shared_ptr<const compile::ModuleTable> table);
  /// The module of the table that calls this one, if any.
  const compile::ModuleTable::Link* find_caller(const compile::ModuleTable& table);
  /// Null when what is published calls nobody.
  const Wiring* published_wiring() const noexcept {
    return nested_ ? (nested_->is_old_published ? nested_->old : nested_->wired).get() : nullptr;
  }
  void set_until(Stamp until) noexcept {
    if (published_) published_->until.store(until, std::memory_order_release);
    until_.store(until, std::memory_order_release);
  }
  Stamp links_until() const noexcept { return published_wiring() ? published_wiring()->until() : forever; }
  // REQUIRES: nested.
  Stamp effective_until() const noexcept {
    return published_ ? std::min(nested_->own_until, until_.load(std::memory_order_relaxed)) : Stamp{0};
  }
  /// This and those above it that `enter` lets in, each before those that call it.
  WalkOrder walk_up(bool (*enter)(const ModuleCore&));
  /// This and what it waits for below, but what was asked for at `asked` already.
  WalkOrder walk_down(int asked);
  std::vector<std::shared_ptr<ModuleCore>> with_all_below();
  /// Throws std::bad_alloc, with nothing changed.
  void enter_nest();
  static void drop(std::shared_ptr<Wiring>& wiring, hazard::Retirement& retired) noexcept;
  int awaited_here() const noexcept;  ///< the highest priority of its own waiters, or nobody
  // REQUIRES: the nest's mutex held.
  int wanted_above() noexcept;  ///< the highest priority at which a module above wants it, or nobody
  bool awaited_above(compile::Priority& priority) noexcept;
  int wanted() const noexcept;
  int wanted_by_edges() const noexcept;
  int unasked() const noexcept;
  void ask(int priority) noexcept;
  void reconsider() noexcept;
  void lower() noexcept;
  void take_back() noexcept;
  static void want(Edge& edge, int priority) noexcept;
  static void spread_wants(Nest& nest) noexcept;
  static void settle_wants(Nest& nest, Woken& failed) noexcept;  // REQUIRES: no module's mutex held
  static ModuleCore& core_of(const compile::ModuleTable::Link& link) noexcept { return static_cast<ModuleCore&>(*link.module); }

  void link_newest() noexcept;
  void forget_asked() noexcept;
  void compile_below();
  void help(Waiter& waiter);
  Value call_by(std::span<const Value> inputs, const ForwardOptions& options, const compile::StopToken& stop);
  Value run_published(const std::shared_ptr<const Publication>& published, std::span<const Value> inputs, const Deadline& deadline = {},
                      const compile::StopToken& stop = {});
  void compile_newest(compile::Priority urgency);
  void drop_job(compile::Job::Dropped why);
  void settle_marks();

  const std::shared_ptr<RuntimeCore> runtime_;
  bool keeps_last_good_ = false;  // constant once calls are made
  std::optional<std::chrono::nanoseconds> follows_;  // likewise
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> published_generation_{0};
  std::atomic<std::size_t> compile_bytes_{0};  ///< what compiling the newest generation may need
  std::atomic<Stamp> until_{forever};  ///< what the links of published_ are good for
  std::atomic<bool> owes_{false};  ///< whether it owes anything above, for those who hold no lock
  std::atomic<const Publication*> hot_{nullptr};  ///< what published_ points to, for readers under a hazard guard
  std::atomic<std::uint32_t> awaited_{0}, blocking_{0};  ///< waiters of these priorities

  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::shared_ptr<const Publication> published_;
  compile::Source marked_;
  std::shared_ptr<compile::Job> job_;  ///< queued
  std::shared_ptr<compile::Flight> flight_;  ///< leading or joined
  std::size_t carried_ = 0;  ///< waiters whom the flight serves
  std::uint64_t compiling_ = 0;  ///< generation of the flight
  Phase phase_ = Phase::idle;
  bool seated_ = false;  ///< and not given up
  bool wanted_ = false;  ///< compile the newest when the present compile has ended
  bool abandoned_ = false;
  bool is_mark_ = false;  ///< the newest generation came by a mark that is counted
  compile::Priority wanted_priority_ = compile::Priority::background;
  compile::Priority requested_ = compile::Priority::background;  ///< of the queued or running compile
  compile::Priority unawaited_ = compile::Priority::background;  ///< the same, but for those who wait
  bool quiet_timer_ = false;
  compile::Scheduler::Time quiet_at_;  ///< debounced marks are compiled then
  std::shared_ptr<const compile::Program> interpreted_;
  std::uint64_t interpreted_generation_ = 0;
  std::uint64_t failed_generation_ = 0;
  compile::Failure failure_;
  boost::intrusive::list<Waiter> waiters_;
  std::unique_ptr<Nested> nested_;  ///< once there it stays, protected by the nest's mutex; set under both
  std::uint64_t compiled_generation_ = 0;  ///< published, or waiting for submodules that have published nothing
  ModuleCore* next_doomed_ = nullptr;  ///< that thread's who let go of the last reference

  static constexpr int unbounded = static_cast<int>(compile::priorities);  ///< above what anything was asked for at
  friend class Rising;
};

}  // namespace lazyfx::detail
