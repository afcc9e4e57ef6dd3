#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "lazyfx/module/graph_module.hpp"

namespace support {

/// A loop that ends when nothing is under way that would complete on it.
class Loop : public boost::asio::io_context {
 public:
  ~Loop() {
    restart();
    run();
  }
};

/// Runs a coroutine to its end on this thread, with a loop of its own, and returns or throws what it did.
template <class T>
T run(boost::asio::awaitable<T> coroutine) {
  boost::asio::io_context loop;
  std::exception_ptr error;
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(coroutine), [&](std::exception_ptr e, T value) {
    error = e;
    if (!e) result.emplace(std::move(value));
  });
  loop.run();
  if (error) std::rethrow_exception(error);
  return std::move(*result);
}

inline void run(boost::asio::awaitable<void> coroutine) {
  boost::asio::io_context loop;
  std::exception_ptr error;
  boost::asio::co_spawn(loop, std::move(coroutine), [&](std::exception_ptr e) { error = e; });
  loop.run();
  if (error) std::rethrow_exception(error);
}

/// One call whose end is waited for by running a loop: what it completed with, how often, and a way to cancel it.
class Call {
 public:
  Call(boost::asio::io_context& loop, lazyfx::GraphModule& module, lazyfx::Inputs inputs,
       lazyfx::ForwardOptions options = lazyfx::ForwardOptions())
      : state_(std::make_shared<State>()), loop_(loop) {
    auto handler = [state = state_](std::exception_ptr error, lazyfx::Value value) {
      ++state->completions;
      state->error = error;
      state->value = std::move(value);
    };
    module.forward(std::move(inputs), options,
                   boost::asio::bind_cancellation_slot(state_->signal.slot(), boost::asio::bind_executor(loop, std::move(handler))));
  }

  bool done() const { return state_->completions > 0; }
  int completions() const { return state_->completions; }
  void cancel(boost::asio::cancellation_type type = boost::asio::cancellation_type::terminal) { state_->signal.emit(type); }

  /// Runs the loop until the call has completed; its value, or throws its error.
  const lazyfx::Value& get() {
    while (!done()) {
      loop_.restart();
      if (loop_.run_one() == 0) throw std::logic_error("the loop ran out of work before the call completed");
    }
    if (state_->error) std::rethrow_exception(state_->error);
    return state_->value;
  }

 private:
  struct State {
    boost::asio::cancellation_signal signal;
    int completions = 0;
    std::exception_ptr error;
    lazyfx::Value value;
  };
  std::shared_ptr<State> state_;
  boost::asio::io_context& loop_;
};

}  // namespace support
