// Stability: private.
#pragma once

#include <memory>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/post.hpp>

#include "lazyfx/detail/executor_of.hpp"

namespace lazyfx::detail {

/// What is posted to a handler's executor.
class Posted {
 public:
  virtual ~Posted() = default;
  virtual void arrive() = 0;
};

/// A handler of any type, and the executor that it completes on. What is posted there is allocated as the handler asks: an executor that is
/// type-erased takes no allocator, so it is remembered how to post to the one that it was. (One that came type-erased, as that of an
/// awaitable does, allocates as it likes.)
template <class Signature>
class Completion {
 public:
  using Handler = boost::asio::any_completion_handler<Signature>;

  template <class H>
  explicit Completion(H handler)
      : executor_(executor_of(handler)), post_(&post_to<decltype(executor_of(handler))>), handler_(std::move(handler)) {}

  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  Handler& handler() noexcept { return handler_; }
  /// The handler, to be called; nothing that was the caller's is left in here.
  Handler release() noexcept {
    executor_ = boost::asio::any_io_executor();
    return std::move(handler_);
  }
  /// REQUIRES: release() is not called before `posted` arrives. Once it may have arrived this is not looked at any more. An allocator of the
  /// handler's that refuses is done without; throws std::bad_alloc when there is no other memory either.
  void post(const std::shared_ptr<Posted>& posted) const { post_(executor_, handler_, posted); }

 private:
  template <class Allocator>
  struct Run {
    using allocator_type = Allocator;
    allocator_type get_allocator() const noexcept { return allocator; }
    void operator()() { posted->arrive(); }

    allocator_type allocator;
    std::shared_ptr<Posted> posted;
  };

  template <class Executor>
  static void post_to(const boost::asio::any_io_executor& executor, const Handler& handler, const std::shared_ptr<Posted>& posted) {
    if (const Executor* native = executor.target<Executor>())
      post_on(Executor(*native), handler, posted);
    else
      post_on(boost::asio::any_io_executor(executor), handler, posted);
  }

  /// `executor` is a copy of this thread's own: what is posted may be running already, and let go of the other.
  template <class Executor>
  static void post_on(const Executor& executor, const Handler& handler, const std::shared_ptr<Posted>& posted) {
    try {
      const auto allocator = boost::asio::get_associated_allocator(handler);
      boost::asio::post(executor, Run<boost::asio::associated_allocator_t<Handler>>{allocator, posted});
    } catch (...) { boost::asio::post(executor, Run<std::allocator<void>>{{}, posted}); }
  }

  boost::asio::any_io_executor executor_;
  void (*post_)(const boost::asio::any_io_executor&, const Handler&, const std::shared_ptr<Posted>&);
  Handler handler_;
};

}  // namespace lazyfx::detail
