#include "module/forward.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace lazyfx::detail {
namespace {

namespace asio = boost::asio;
using compile::Failure;

using Executor = asio::any_io_executor;

/// One asynchronous operation: its handler, and the work that keeps the handler's executor running. Completes exactly once, in a function
/// posted to that executor: whoever claims it completes it. When the handler is called no other thread touches its executor any more.
template <class Handler>
class Operation : public Waiter, public std::enable_shared_from_this<Operation<Handler>> {
 public:
  Operation(std::shared_ptr<ModuleCore> core, const Executor& executor, Handler handler)
      : core_(std::move(core)), handler_(std::move(handler)), work_(executor) {
    generation = core_->generation();
  }

  /// Answers with operation_aborted at once; work that is under way for it stops at its next step. Asio calls it on the handler's executor.
  void cancel() {
    stop_.store(true, std::memory_order_relaxed);
    core_->unlink(*this);
    withdraw();
    fail(Failure::cancelled());
  }

  virtual void fail(const Failure& failure) noexcept = 0;

 protected:
  virtual void withdraw() {}

  /// The slot belongs to the caller and must not keep the operation alive.
  void watch_cancellation() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([weak = this->weak_from_this()](asio::cancellation_type type) {
      const auto operation = weak.lock();
      if (operation && type != asio::cancellation_type::none) operation->cancel();
    });
  }

  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }

  /// REQUIRES: called by whoever claimed, on the handler's executor.
  template <class... Args>
  void invoke(Args&&... args) {
    asio::get_associated_cancellation_slot(handler_).clear();
    Handler handler = std::move(handler_);
    const auto work = std::move(work_);
    std::move(handler)(std::forward<Args>(args)...);
  }

  /// REQUIRES: called by whoever claimed. Runs `function` on the handler's executor once this thread has let go of that executor: what
  /// completes a call may be the last thing its context ever does, and asio::post() touches the context after the function was queued. A
  /// function that is run before that goes to the back of the queue, so that the context's thread is never held up.
  template <class Function>
  void post(Function function) {
    {
      const Executor executor = work_.get_executor();
      asio::post(executor, Posted<Function>{this->shared_from_this(), std::move(function)});
    }
    let_go_.store(true, std::memory_order_release);
  }

  std::shared_ptr<ModuleCore> core_;
  std::atomic<bool> stop_{false};

 private:
  template <class Function>
  struct Posted {
    void operator()() {
      if (operation->let_go_.load(std::memory_order_acquire)) return function();
      const Executor executor = operation->work_.get_executor();
      asio::post(executor, std::move(*this));
    }
    std::shared_ptr<Operation> operation;
    Function function;
  };

  Handler handler_;
  asio::executor_work_guard<Executor> work_;
  std::atomic<bool> claimed_{false};
  std::atomic<bool> let_go_{false};  ///< the thread that posted the completion touches the executor no more
};

class ForwardOperation final : public Operation<ForwardHandler>, public compile::PlanListener, public compile::Job {
 public:
  ForwardOperation(std::shared_ptr<ModuleCore> core, std::vector<Value> inputs, ForwardOptions options, const Executor& executor,
                   ForwardHandler handler)
      : Operation(std::move(core), executor, std::move(handler)), inputs_(std::move(inputs)), options_(options) {
    generation = core_->callable_generation();
  }

  void start() {
    watch_cancellation();
    proceed();
  }

  void wake(const Failure& failure) noexcept override {
    if (failure) give_up(failure);
    else proceed();
  }
  void on_plan(const compile::PlanAnswer& answer) noexcept override {
    if (answer.plan) dispatch(answer.plan);
    else give_up(answer.failure);
  }
  void fail(const Failure& failure) noexcept override { complete(failure, {}); }

  /// On the pool.
  void run() noexcept override {
    Value value;
    Failure failure;
    {
      const compile::PoolRun seen(core_->runtime().observer(), published_->executable->source().class_name, published_->generation);
      failure = compute(value);
    }
    complete(failure, std::move(value));
  }
  void drop() noexcept override { fail(Failure::stopped()); }

 private:
  std::shared_ptr<ForwardOperation> self() { return std::static_pointer_cast<ForwardOperation>(shared_from_this()); }

  void withdraw() override { core_->runtime().scheduler().withdraw(*this); }

  void complete(const Failure& failure, Value value) noexcept {
    if (!claim()) return;
    post([op = self(), failure, value = std::move(value)]() mutable { op->invoke(failure.exception(), std::move(value)); });
  }

  void proceed() noexcept {
    try {
      Failure failure;
      if (core_->link(self(), published_, failure)) return;
      if (failure) return give_up(failure);
      auto& executable = *published_->executable;
      inputs_ = compile::complete_inputs(executable.program(), inputs_);
      const auto answer = executable.request(compile::Signature(inputs_), self(), compile::Priority::awaited);
      if (answer.ready()) on_plan(answer);
    } catch (...) {
      give_up(Failure::current());
    }
  }

  /// As fail(), on the thread that the call has got to: what it held is let go of before the caller hears.
  void give_up(const Failure& failure) noexcept {
    inputs_.clear();
    published_.reset();
    fail(failure);
  }

  void dispatch(std::shared_ptr<const compile::Plan> plan) noexcept {
    plan_ = std::move(plan);
    if (!published_->has(*plan_)) core_->refresh(published_);
    auto& runtime = core_->runtime();
    const bool short_enough = plan_->estimate_ns() <= runtime.options().inline_budget_ns();
    if (options_.run_on() == RunOn::caller || (options_.run_on() == RunOn::automatic && short_enough)) {
      // Claimed before it is posted: whoever cancels from here on may not complete, and so not let go of the executor under our hands.
      if (!claim()) return;
      post([op = self()] {
        Value value;
        const Failure failure = op->compute(value);
        op->invoke(failure.exception(), std::move(value));
      });
      return;
    }
    runtime.counters().runs.fetch_add(1, std::memory_order_relaxed);
    if (!runtime.scheduler().submit(self(), compile::Priority::awaited)) give_up(runtime.refusal());
  }

  /// Once. Lets go of what the call held: another thread may yet hold the operation when the caller hears.
  Failure compute(Value& value) noexcept {
    published_.reset();
    const auto plan = std::move(plan_);
    const auto inputs = std::move(inputs_);
    try {
      value = plan->run(inputs, compile::StopToken(&stop_));
      return {};
    } catch (const compile::Stopped&) {
      return Failure::cancelled();
    } catch (...) {
      return Failure::current();
    }
  }

  std::vector<Value> inputs_;
  ForwardOptions options_;
  std::shared_ptr<const Publication> published_;
  std::shared_ptr<const compile::Plan> plan_;
};

class ReadyOperation final : public Operation<ReadyHandler> {
 public:
  using Operation::Operation;

  void start() {
    watch_cancellation();
    look();
  }
  void wake(const Failure& failure) noexcept override {
    if (failure) fail(failure);
    else look();
  }
  void fail(const Failure& failure) noexcept override {
    if (!claim()) return;
    post([op = std::static_pointer_cast<ReadyOperation>(shared_from_this()), failure]() mutable { op->invoke(failure.exception()); });
  }

 private:
  void look() noexcept {
    try {
      std::shared_ptr<const Publication> published;
      Failure failure;
      if (!core_->link(shared_from_this(), published, failure)) fail(failure);
    } catch (...) {
      fail(Failure::current());
    }
  }
};

}  // namespace

void start_forward(const std::shared_ptr<ModuleCore>& core, Inputs inputs, ForwardOptions options, const Executor& executor,
                   ForwardHandler handler) {
  if (options.run_on() != RunOn::pool) {
    Value value;
    Failure failure;
    bool done = false;
    try {
      done = core->try_run(inputs.values(), options.run_on() == RunOn::caller, value);
    } catch (...) {
      failure = Failure::current();
      done = true;
    }
    if (done) {
      asio::post(executor, [handler = std::move(handler), failure, value = std::move(value)]() mutable {
        std::move(handler)(failure.exception(), std::move(value));
      });
      return;
    }
  }
  std::make_shared<ForwardOperation>(core, std::move(inputs.values()), options, executor, std::move(handler))->start();
}

void start_ready(const std::shared_ptr<ModuleCore>& core, const Executor& executor, ReadyHandler handler) {
  std::make_shared<ReadyOperation>(core, executor, std::move(handler))->start();
}

}  // namespace lazyfx::detail
