#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "compile/charge.hpp"
#include "compile/failure.hpp"
#include "compile/observer.hpp"
#include "compile/plan.hpp"
#include "compile/program.hpp"
#include "compile/scheduler.hpp"

namespace lazyfx::detail {
class RuntimeCore;
}

namespace lazyfx::compile {

class Executable;

/// What is known of a signature: a plan, a failure, or neither.
struct PlanAnswer {
  std::shared_ptr<const Plan> plan;
  Failure failure;
  bool ready() const noexcept { return plan != nullptr || static_cast<bool>(failure); }
};

/// Someone who wants to hear that a plan is there, or will not be. Called once, without locks held, on the thread that made it.
class PlanListener {
 public:
  virtual ~PlanListener() = default;
  virtual void on_plan(const PlanAnswer& answer) noexcept = 0;
  /// It waits no longer, and may be told all the same. Any thread, at any time.
  void stop_waiting(Observer& observer) noexcept;

 private:
  friend class Executable;
  Wait plan_wait_;
  std::weak_ptr<Executable> asked_;  ///< constant while plan_wait_ lasts
};

/// The compiled form of one content: its program, and a bounded table of plans by input signature. Shared by every module whose content is
/// equal; callable from any thread. Making one plan is one flight: whoever asks meanwhile waits for it.
class Executable : public std::enable_shared_from_this<Executable> {
 public:
  Executable(std::uint64_t key, std::shared_ptr<const Program> program, std::weak_ptr<detail::RuntimeCore> runtime, std::size_t max_plans);

  /// Of its content, in the runtime's cache.
  std::uint64_t key() const noexcept { return key_; }
  const Interface& interface() const noexcept { return *interface_; }
  const Source& source() const noexcept { return interface_->source; }

  /// What keeping it costs, about: its tables, its graphs, the tensors of its source, and its plans, those made inside of runs included.
  /// Grows with every plan; what does not is summed once.
  std::size_t bytes() const noexcept;

  using Plans = std::vector<std::shared_ptr<const Plan>>;
  Plans plans() const;  ///< those that are ready

  using Answer = PlanAnswer;
  /// A failure is kept, since the same signature would fail again, until forget_failures().
  Answer find(const Signature& signature) const;
  /// As find; if neither is known, `listener` (once only, or null) is told later, and the plan is asked for at `priority` (again: promoted).
  Answer request(const Signature& signature, std::shared_ptr<PlanListener> listener, Priority priority);
  /// The signatures that failed may be tried again: a module was marked, or told to retry.
  void forget_failures();
  /// Makes the plan on this thread if nobody has begun to; else waits for whoever has. Throws Error(would_deadlock) rather than
  /// wait on a pool thread.
  Answer make_now(const Signature& signature);
  /// As make_now, inside of a run, which may wait for nobody: where another makes the plan, this makes one of its own that nobody shares.
  Answer make_in_run(const Signature& signature);
  /// During the compile itself, before anybody shares this.
  void make_ahead(const Signature& signature, const StopToken& stop);
  /// The same for the one signature that the placeholders' types leave open: what only another would need is not kept.
  void make_only(const Signature& signature, const StopToken& stop);

 private:
  struct Making {
    bool building = false;  ///< on some thread now
    std::shared_ptr<Job> job;  ///< queued
    std::vector<std::shared_ptr<PlanListener>> listeners;
    bool wanted_anyhow = false;  ///< though nobody listens
  };
  struct Slot {
    Signature signature;
    Answer answer;
    std::unique_ptr<Making> making;  ///< null once there is an answer
  };
  class PlanJob;

  std::size_t table_bytes() const noexcept;
  void charge();
  std::shared_ptr<const Plan> make(const Signature& signature, const std::shared_ptr<detail::RuntimeCore>& runtime) const;
  // Pointers to slots are good until one is added or taken away.
  Slot* find_slot(const Signature& signature);
  /// null: the placeholders refuse it, and it takes no room in the table.
  Slot* add_slot(const Signature& signature, Failure& refusal);
  Answer build(const Signature& signature);
  void settle(const Signature& signature, const Answer& answer, bool keep);
  friend class PlanListener;
  void leave(const PlanListener& listener) noexcept;
  void answer_slot(Slot& slot, const Answer& answer);

  const std::uint64_t key_;
  const std::shared_ptr<const Interface> interface_;
  std::shared_ptr<const Program> program_;  ///< constant once this is shared; null: bound anew if it should be needed
  const std::weak_ptr<detail::RuntimeCore> runtime_;
  const std::size_t max_plans_;
  const std::size_t graph_bytes_, tensor_bytes_;
  std::vector<std::weak_ptr<const Nested>> graphs_;  ///< that operators of the program run; it or its plans hold them
  Charge charge_;
  const detail::Origin origin_;
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::condition_variable settled_;
  std::vector<Slot> slots_;  ///< of those with an answer the oldest first
};

}  // namespace lazyfx::compile
