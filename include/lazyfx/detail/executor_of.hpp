// Stability: private.
#pragma once

#include <type_traits>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/system_executor.hpp>

namespace lazyfx::detail {

/// The executor a handler completes on. A handler wrapped in any_completion_executor cannot be posted to, only dispatched; it is reached from
/// the system executor.
template <class Handler>
boost::asio::any_io_executor executor_of(const Handler& handler) {
  const auto executor = boost::asio::get_associated_executor(handler, boost::asio::system_executor());
  if constexpr (std::is_constructible_v<boost::asio::any_io_executor, decltype(executor)>) {
    return boost::asio::any_io_executor(executor);
  } else {
    return boost::asio::any_io_executor(boost::asio::system_executor());
  }
}

}  // namespace lazyfx::detail
