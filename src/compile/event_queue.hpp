#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "lazyfx/compile/event.hpp"

namespace lazyfx::compile {

/// Brings events to a hook, on a thread of its own that starts with the first of them: post() may be called with any lock held, and a slow
/// or throwing hook harms nobody.
class EventQueue {
 public:
  static constexpr std::size_t bound = 4096;

  explicit EventQueue(CompileHook hook);
  ~EventQueue() { stop(); }
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  void post(CompileEvent event) noexcept;
  /// Takes no more, and returns when the hook has heard what there was. Idempotent. From the hook itself it does not wait.
  void stop() noexcept;
  std::uint64_t lost() const noexcept;
  std::uint64_t failures() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace lazyfx::compile
