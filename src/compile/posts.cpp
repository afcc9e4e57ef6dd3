#include "compile/posts.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

namespace lazyfx::compile {

namespace asio = boost::asio;

/// What a context knows of them. It is made after what the context began with, and so is asked before that is shut down.
class Posts::Service final : public asio::execution_context::service {
 public:
  using key_type = Service;
  inline static asio::execution_context::id id;

  explicit Service(asio::execution_context& context) : service(context) {}
  const std::shared_ptr<Posts>& posts() const noexcept { return posts_; }

 private:
  void shutdown() noexcept override { posts_->wait_for_all(); }
  void notify_fork(asio::execution_context::fork_event event) override {
    if (event == asio::execution_context::fork_child) posts_ = std::make_shared<Posts>();
  }

  std::shared_ptr<Posts> posts_ = std::make_shared<Posts>();
};

std::shared_ptr<Posts> Posts::to(const asio::any_io_executor& executor) {
  return asio::use_service<Service>(asio::query(executor, asio::execution::context)).posts();
}

void Posts::wait_for_all() const noexcept {
  if (origin_.inherited()) return;  // those threads are not there
  for (int n = under_way_.load(std::memory_order_acquire); n != 0; n = under_way_.load(std::memory_order_acquire)) under_way_.wait(n);
}

}  // namespace lazyfx::compile
