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
  /// REQUIRES: the handler has not been moved from before `posted` arrives.
  void post(std::shared_ptr<Posted> posted) const {
    post_(executor_, {boost::asio::get_associated_allocator(handler_), std::move(posted)});
  }

 private:
  struct Run {
    using allocator_type = boost::asio::associated_allocator_t<Handler>;
    allocator_type get_allocator() const noexcept { return allocator; }
    void operator()() { posted->arrive(); }

    allocator_type allocator;
    std::shared_ptr<Posted> posted;
  };

  template <class Executor>
  static void post_to(const boost::asio::any_io_executor& executor, Run run) {
    if (const Executor* native = executor.target<Executor>())
      boost::asio::post(*native, std::move(run));
    else
      boost::asio::post(executor, std::move(run));
  }

  boost::asio::any_io_executor executor_;
  void (*post_)(const boost::asio::any_io_executor&, Run);
  Handler handler_;
};

}  // namespace lazyfx::detail
