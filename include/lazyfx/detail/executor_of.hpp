// Stability: private.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>

namespace lazyfx::detail {

/// The executor a handler completes on. A handler wrapped in any_completion_executor cannot be posted to, only dispatched; it is reached from
/// the system executor.
template <class Handler>
auto executor_of(const Handler& handler) {
  auto executor = boost::asio::get_associated_executor(handler, boost::asio::system_executor());
  if constexpr (std::is_constructible_v<boost::asio::any_io_executor, decltype(executor)>) {
    return executor;
  } else {
    return boost::asio::system_executor();
  }
}

/// Completes a handler with what is known already, as if by a post. Nothing of it is type-erased: this is the way of calls that need not wait.
template <class Handler, class... Results>
void post_results(Handler handler, Results... results) {
  using Executor = boost::asio::associated_executor_t<Handler, boost::asio::system_executor>;
  if constexpr (std::is_same_v<decltype(executor_of(handler)), Executor>) {
    boost::asio::post(boost::asio::append(std::move(handler), std::move(results)...));
  } else {
    auto complete = [handler = std::move(handler), ... results = std::move(results)]() mutable {
      std::move(handler)(std::move(results)...);
    };
    boost::asio::post(executor_of(handler), std::move(complete));
  }
}

}  // namespace lazyfx::detail
