#pragma once

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include "compile/posts.hpp"
#include "lazyfx/detail/completion.hpp"

namespace lazyfx::compile {

/// One asynchronous operation: its handler, and the work that keeps the handler's executor running. Completes exactly once, in finish(), called
/// on that executor: whoever claims it has it called. It may live on in other threads' hands when its handler is called, so nothing of the
/// handler's is left in it then.
template <class Signature>
class Operation : public detail::Posted, public std::enable_shared_from_this<Operation<Signature>> {
 public:
  using Completion = detail::Completion<Signature>;

  explicit Operation(Completion completion)
      : completion_(std::move(completion)), work_(completion_.executor()), posts_(Posts::to(completion_.executor())) {}

  /// Asio calls it on the handler's executor, or its owner instead of it: the wait is over, whatever is under way.
  virtual void cancel() = 0;

 protected:
  boost::asio::any_io_executor executor() const { return work_.get_executor(); }

  /// The slot belongs to the caller and must not keep the operation alive.
  void watch_cancellation() {
    auto slot = boost::asio::get_associated_cancellation_slot(completion_.handler());
    if (!slot.is_connected()) return;
    slot.assign([weak = this->weak_from_this()](boost::asio::cancellation_type type) {
      const auto operation = weak.lock();
      if (operation && type != boost::asio::cancellation_type::none) operation->cancel();
    });
  }

  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  bool claimed() const noexcept { return claimed_.load(std::memory_order_acquire); }

  /// On the handler's executor: ends in invoke().
  virtual void finish() = 0;
  template <class... Args>
  void invoke(Args&&... args) {
    boost::asio::get_associated_cancellation_slot(completion_.handler()).clear();
    auto handler = completion_.release();
    const auto work = std::move(work_);
    std::move(handler)(std::forward<Args>(args)...);
  }

  /// REQUIRES: called by whoever claimed. Has finish() called on the handler's executor, maybe before this returns. What completes a call may
  /// be the last thing its context ever does: the context's destructor waits until this thread has let go of it. Nobody else could complete
  /// the operation, so for want of memory it tries until there is some.
  void post() noexcept {
    const Posts::UnderWay here(posts_);
    while (!try_to_post()) std::this_thread::yield();
  }

 private:
  bool try_to_post() noexcept {
    try {
      completion_.post(this->shared_from_this());
      return true;
    } catch (const std::bad_alloc&) { return false; }
  }
  void arrive() final { finish(); }

  Completion completion_;
  boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  std::atomic<bool> claimed_{false};
  const std::shared_ptr<Posts> posts_;
};

}  // namespace lazyfx::compile
