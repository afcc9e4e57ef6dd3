#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/require.hpp>

namespace support {

struct Seen {
  std::atomic<int> posts{0};
  std::atomic<int> copies{0};  ///< of the executor, now
  std::atomic<bool> left{false};  ///< the post that `after_post` was called in is about to return
  std::function<void()> after_post;  ///< called by who posts, when what is posted may be running already
};

/// An executor of `context` that tells what is done with it.
class Observed {
 public:
  Observed(boost::asio::io_context& context, Seen& seen) noexcept : context_(&context), seen_(&seen) { ++seen_->copies; }
  Observed(const Observed& other) noexcept : context_(other.context_), seen_(other.seen_) { ++seen_->copies; }
  Observed& operator=(const Observed&) = delete;
  ~Observed() { --seen_->copies; }

  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *context_; }
  Observed require(boost::asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class F>
  void execute(F f) const {
    ++seen_->posts;
    boost::asio::require(context_->get_executor(), boost::asio::execution::blocking.never).execute(std::move(f));
    if (!seen_->after_post) return;
    seen_->after_post();
    seen_->left = true;
  }
  friend bool operator==(const Observed& a, const Observed& b) noexcept { return a.context_ == b.context_ && a.seen_ == b.seen_; }

 private:
  boost::asio::io_context* context_;
  Seen* seen_;
};

}  // namespace support
