#include "module/forward.hpp"

#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "compile/operation.hpp"

namespace lazyfx::detail {
namespace {

namespace asio = boost::asio;
using compile::Failure;

/// An operation that waits for a module, in time if it has a deadline.
template <class Signature>
class ModuleOperation : public Waiter, public compile::Operation<Signature> {
 public:
  ModuleOperation(std::shared_ptr<ModuleCore> core, const ModuleCore::Deadline& deadline, Completion<Signature> completion)
      : compile::Operation<Signature>(std::move(completion)), core_(std::move(core)), deadline_(deadline) {
    generation = core_->generation();
    stamp = core_->stamp();
  }

  /// Answers with operation_aborted at once; work that is under way for it stops at its next step.
  void cancel() override { give_up(Failure::cancelled()); }
  virtual void fail(const Failure& failure) noexcept = 0;

 protected:
  virtual void withdraw() {}
  virtual void deliver() = 0;
  void finish() final {
    timer_.reset();
    deliver();
  }

  /// What may end the wait before its time.
  void watch() {
    this->watch_cancellation();
    if (!deadline_) return;
    auto late = [weak = this->weak_from_this()] {
      const auto operation = std::static_pointer_cast<ModuleOperation>(weak.lock());
      if (!operation) return;
      operation->timed_out_.store(true, std::memory_order_relaxed);
      operation->give_up(Failure::timed_out());
    };
    if (const auto& at_deadline = core_->runtime().environment().at_deadline)
      return at_deadline(*deadline_, this->weak_from_this(), std::move(late));
    timer_.emplace(this->executor(), *deadline_);
    timer_->async_wait([late = std::move(late)](boost::system::error_code error) {
      if (!error) late();
    });
  }

  void give_up(const Failure& why) {
    stop_.store(true, std::memory_order_relaxed);
    core_->unlink(*this);
    withdraw();
    fail(why);
  }

  std::shared_ptr<Waiter> waiter() { return {this->shared_from_this(), this}; }

  std::shared_ptr<ModuleCore> core_;
  const ModuleCore::Deadline deadline_;
  std::atomic<bool> stop_{false}, timed_out_{false};

 private:
  std::optional<asio::steady_timer> timer_;
};

class ForwardOperation final : public ModuleOperation<void(std::exception_ptr, Value)>,
                               public compile::PlanListener,
                               public compile::Job,
                               public compile::BetweenSteps {
 public:
  ForwardOperation(std::shared_ptr<ModuleCore> core, std::vector<Value> inputs, const ForwardOptions& options, ForwardCompletion completion)
      : ModuleOperation(std::move(core), options.deadline(), std::move(completion)), inputs_(std::move(inputs)), options_(options) {
    const ModuleCore::Oldest oldest = core_->callable(options_.freshness());
    generation = oldest.generation;
    if (oldest.any_links) stamp = 0;
    accepts_last_good = true;
  }

  void start() {
    try {
      watch();
    } catch (...) { return fail(Failure::current()); }
    if (options_.freshness().kind() != Freshness::Kind::await_fresh && core_->needs_recompile()) {
      core_->request(compile::Priority::prefetch);
      if (is_interpreted()) return interpret();
    }
    proceed();
  }

  void wake(const Failure& failure) noexcept override {
    if (failure)
      let_go_and_fail(failure);
    else
      proceed();
  }
  void on_plan(const compile::PlanAnswer& answer) noexcept override {
    if (answer.plan)
      dispatch(answer.plan);
    else
      let_go_and_fail(answer.failure);
  }
  void fail(const Failure& failure) noexcept override { complete(failure, {}); }

  /// On the pool.
  compile::Lane lane() const noexcept override { return compile::Lane::run; }
  std::size_t bytes() const noexcept override {
    return plan_ ? std::max(plan_->arena_bytes(), published_ ? published_->below_bytes : 0) : 0;
  }
  void run() noexcept override {
    Value value;
    Failure failure;
    {
      std::optional<compile::PoolRun> seen;
      if (published_) seen.emplace(core_->runtime().observer(), published_->executable->source().class_name, published_->generation);
      is_on_pool_ = true;
      failure = compute(value);
    }
    complete(failure, std::move(value));
  }
  void drop(Dropped why) noexcept override { fail(why == Dropped::stopped ? Failure::stopped() : Failure::overloaded()); }
  /// Looks at the clock: where the caller's own thread runs, a timer on it cannot fire. The runtime's stop ends what its pool runs.
  void between_steps() noexcept override {
    const bool is_late = core_->runtime().is_over(deadline_);
    if (is_late) timed_out_.store(true, std::memory_order_relaxed);
    if (is_late || is_stopped()) stop_.store(true, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<ForwardOperation> self() { return std::static_pointer_cast<ForwardOperation>(shared_from_this()); }

  bool is_interpreted() const noexcept { return options_.freshness().kind() == Freshness::Kind::interpret_until_ready; }
  bool is_stopped() const noexcept { return is_on_pool_ && core_->runtime().stopping(); }

  void withdraw() override {
    stop_waiting(core_->runtime().observer());
    core_->runtime().scheduler().withdraw(*this);
  }

  void complete(const Failure& failure, Value value) noexcept {
    if (!claim()) return;
    outcome_ = failure;
    value_ = std::move(value);
    post();
  }
  void deliver() override {
    if (runs_on_delivery_) outcome_ = compute(value_);
    const Failure failure = std::exchange(outcome_, Failure());
    invoke(failure.exception(), std::exchange(value_, Value()));
  }

  void proceed() noexcept {
    try {
      Failure failure;
      if (core_->link(waiter(), published_, failure)) return;
      if (failure) return let_go_and_fail(failure);
      auto& executable = *published_->executable;
      inputs_ = compile::complete_inputs(executable.interface(), inputs_);
      const compile::Signature signature(inputs_);
      if (is_interpreted() && lacks_plan(executable, signature)) {
        published_.reset();
        return interpret();
      }
      const auto answer = executable.request(signature, self(), compile::Priority::awaited);
      if (answer.ready()) on_plan(answer);
    } catch (...) { let_go_and_fail(Failure::current()); }
  }

  /// As fail(), on the thread that the call has got to: what it held is let go of before the caller hears.
  void let_go_and_fail(const Failure& failure) noexcept {
    inputs_.clear();
    published_.reset();
    fail(failure);
  }

  void dispatch(std::shared_ptr<const compile::Plan> plan) noexcept {
    plan_ = std::move(plan);
    if (!published_->has(*plan_)) core_->refresh(*published_);
    const bool short_enough = plan_->estimate_ns() <= core_->runtime().options().inline_budget_ns();
    send(options_.run_on() == RunOn::caller || (options_.run_on() == RunOn::automatic && short_enough));
  }

  /// Without a plan: it is made where the run is, since it costs some microseconds a node. Compiles give way to it.
  void interpret() noexcept { send(options_.run_on() == RunOn::caller, compile::Priority::blocking); }

  void send(bool to_caller, compile::Priority priority = compile::Priority::awaited) noexcept {
    if (to_caller) {
      // Claimed before it is posted: whoever cancels from here on may not complete, and so not let go of the executor under our hands.
      if (!claim()) return;
      runs_on_delivery_ = true;
      return post();
    }
    auto& runtime = core_->runtime();
    runtime.counters().runs.fetch_add(1, std::memory_order_relaxed);
    const auto submitted = runtime.scheduler().submit(self(), priority);
    if (submitted != compile::Scheduler::Submitted::queued) let_go_and_fail(runtime.refusal(submitted));
  }

  /// Once. Lets go of what the call held: another thread may yet hold the operation when the caller hears.
  Failure compute(Value& value) noexcept {
    const auto published = std::move(published_);
    const auto plan = std::move(plan_);
    const auto inputs = std::move(inputs_);
    try {
      const compile::StopToken stop(&stop_, deadline_ || is_on_pool_ ? this : nullptr);
      value = plan ? plan->run(inputs, stop, published.get()) : core_->interpret(inputs, stop);
      return {};
    } catch (const compile::Stopped&) {
      if (timed_out_.load(std::memory_order_relaxed)) return Failure::timed_out();
      return is_stopped() ? Failure::stopped() : Failure::cancelled();
    } catch (...) { return Failure::current(); }
  }

  std::vector<Value> inputs_;
  const ForwardOptions options_;
  bool is_on_pool_ = false;  ///< the run
  std::shared_ptr<const Publication> published_;
  std::shared_ptr<const compile::Plan> plan_;
  // Of whoever claimed.
  bool runs_on_delivery_ = false;
  Failure outcome_;
  Value value_;
};

class ReadyOperation final : public ModuleOperation<void(std::exception_ptr)> {
 public:
  using ModuleOperation::ModuleOperation;

  void start() {
    if (core_->runtime().is_over(deadline_)) return fail(Failure::timed_out());
    try {
      watch();
    } catch (...) { return fail(Failure::current()); }
    look();
  }
  void wake(const Failure& failure) noexcept override {
    if (failure)
      fail(failure);
    else
      look();
  }
  void fail(const Failure& failure) noexcept override {
    if (!claim()) return;
    outcome_ = failure;
    post();
  }

 private:
  void deliver() override { invoke(outcome_.exception()); }
  void look() noexcept {
    try {
      std::shared_ptr<const Publication> published;
      Failure failure;
      if (!core_->link(waiter(), published, failure)) fail(failure);
    } catch (...) { fail(Failure::current()); }
  }

  Failure outcome_;
};

}  // namespace

bool answers_now(ModuleCore& core, const Inputs& inputs, const ForwardOptions& options, std::exception_ptr& error, Value& value) noexcept {
  if (core.runtime().is_over(options.deadline())) {
    error = Failure::timed_out().exception();
    return true;
  }
  // A run of any length that has to end in time looks at the clock as it goes.
  if (options.run_on() == RunOn::pool || (options.run_on() == RunOn::caller && options.deadline())) return false;
  try {
    const ModuleCore::Oldest oldest = core.callable(options.freshness());
    if (!core.try_run(inputs.values(), options.run_on() == RunOn::caller, oldest, value)) return false;
    if (options.freshness().kind() == Freshness::Kind::last_good && core.needs_recompile()) core.request(compile::Priority::prefetch);
  } catch (...) { error = Failure::current().exception(); }
  return true;
}

void start_forward(const std::shared_ptr<ModuleCore>& core, Inputs inputs, const ForwardOptions& options, ForwardCompletion completion) {
  std::make_shared<ForwardOperation>(core, std::move(inputs.values()), options, std::move(completion))->start();
}

void start_ready(const std::shared_ptr<ModuleCore>& core, Tier tier, const WaitOptions& options, ReadyCompletion completion) {
  auto operation = std::make_shared<ReadyOperation>(core, options.deadline(), std::move(completion));
  if (tier == Tier::baseline) return operation->start();
  operation->fail({ErrorKind::unsupported, "no tier above baseline is compiled by this runtime"});
}

}  // namespace lazyfx::detail
