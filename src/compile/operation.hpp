#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <new>
#include <thread>
#include <utility>

namespace lazyfx::compile {

/// One asynchronous operation: its handler, and the work that keeps the handler's executor running. Completes exactly once, in a function
/// posted to that executor: whoever claims it completes it. When the handler is called no other thread touches its executor any more.
template <class Handler>
class Operation : public std::enable_shared_from_this<Operation<Handler>> {
 public:
  using Executor = boost::asio::any_io_executor;

  Operation(const Executor& executor, Handler handler) : handler_(std::move(handler)), work_(executor) {}
  virtual ~Operation() = default;

  /// Asio calls it on the handler's executor, or its owner instead of it: the wait is over, whatever is under way.
  virtual void cancel() = 0;

 protected:
  const Handler& handler() const noexcept { return handler_; }
  Executor executor() const { return work_.get_executor(); }

  /// The slot belongs to the caller and must not keep the operation alive.
  void watch_cancellation() {
    auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([weak = this->weak_from_this()](boost::asio::cancellation_type type) {
      const auto operation = weak.lock();
      if (operation && type != boost::asio::cancellation_type::none) operation->cancel();
    });
  }

  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  bool claimed() const noexcept { return claimed_.load(std::memory_order_acquire); }

  /// REQUIRES: called by whoever claimed, on the handler's executor.
  template <class... Args>
  void invoke(Args&&... args) {
    boost::asio::get_associated_cancellation_slot(handler_).clear();
    Handler handler = std::move(handler_);
    const auto work = std::move(work_);
    std::move(handler)(std::forward<Args>(args)...);
  }

  /// REQUIRES: called by whoever claimed. Runs `function` on the handler's executor once this thread has let go of that executor: what
  /// completes a call may be the last thing its context ever does, and asio::post() touches the context after the function was queued. A
  /// function that is run before that goes to the back of the queue, so that the context's thread is never held up. Nobody else could
  /// complete the operation, so for want of memory it tries until there is some.
  template <class Function>
  void post(Function function) noexcept {
    for (;;) {
      try {
        const Executor executor = work_.get_executor();
        boost::asio::post(executor, Posted<Function>{this->shared_from_this(), function});
        break;
      } catch (const std::bad_alloc&) { std::this_thread::yield(); }
    }
    let_go_.store(true, std::memory_order_release);
  }

 private:
  template <class Function>
  struct Posted {
    void operator()() {
      if (operation->let_go_.load(std::memory_order_acquire)) return function();
      const Executor executor = operation->work_.get_executor();
      try {
        boost::asio::post(executor, Posted(*this));
      } catch (const std::bad_alloc&) {
        while (!operation->let_go_.load(std::memory_order_acquire)) std::this_thread::yield();
        function();
      }
    }
    std::shared_ptr<Operation> operation;
    Function function;
  };

  Handler handler_;
  boost::asio::executor_work_guard<Executor> work_;
  std::atomic<bool> claimed_{false};
  std::atomic<bool> let_go_{false};  ///< the thread that posted the completion touches the executor no more
};

}  // namespace lazyfx::compile
