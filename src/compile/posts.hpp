#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "fork.hpp"

namespace lazyfx::compile {

/// The posts of the library to one execution context that are under way. asio::post() touches the context after the function was queued, and
/// that function may be the last thing which the context ever runs: its destructor waits for whoever is still in there.
class Posts {
 public:
  /// Of the context of `executor`. Throws std::bad_alloc.
  static std::shared_ptr<Posts> to(const boost::asio::any_io_executor& executor);

  /// While it lives its thread may touch the context. REQUIRES: the context is not being destroyed when it is made.
  class UnderWay {
   public:
    explicit UnderWay(std::shared_ptr<Posts> posts) noexcept : posts_(std::move(posts)) {
      posts_->under_way_.fetch_add(1, std::memory_order_relaxed);
    }
    ~UnderWay() {
      if (posts_->under_way_.fetch_sub(1, std::memory_order_release) == 1) posts_->under_way_.notify_all();
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

   private:
    std::shared_ptr<Posts> posts_;
  };

 private:
  class Service;
  void wait_for_all() const noexcept;

  std::atomic<int> under_way_{0};
  detail::Origin origin_;
};

}  // namespace lazyfx::compile
