#include "compile/event_queue.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>

namespace lazyfx::compile {

/// Shared with the thread, which may outlive the queue when the hook itself lets go of the runtime.
struct EventQueue::State {
  explicit State(CompileHook h) : hook(std::move(h)) {}

  void work() noexcept {
    pthread_setname_np(pthread_self(), "lazyfx events");
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopped || !events.empty(); });
      if (events.empty()) return;
      const CompileEvent event = std::move(events.front());
      events.pop_front();
      lock.unlock();
      bool threw = false;
      try {
        hook(event);
      } catch (...) { threw = true; }
      lock.lock();
      if (threw) ++failures;
    }
  }

  const CompileHook hook;
  mutable std::mutex mutex;
  // State below is protected by mutex.
  std::condition_variable wake;
  std::deque<CompileEvent> events;
  std::thread thread;
  bool stopped = false;
  std::uint64_t lost = 0, failures = 0;
};

EventQueue::EventQueue(CompileHook hook) : state_(std::make_shared<State>(std::move(hook))) {}

void EventQueue::post(CompileEvent event) noexcept {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.stopped) return;
  const std::size_t room = event.kind == CompileEventKind::step ? bound / 2 : bound;
  try {
    if (state.events.size() < room) {
      if (!state.thread.joinable()) state.thread = std::thread([shared = state_] { shared->work(); });
      state.events.push_back(std::move(event));
      state.wake.notify_one();
      return;
    }
  } catch (const std::exception&) {
    // No memory, or no thread: lost, as one that finds the queue full.
  }
  ++state.lost;
}

void EventQueue::stop() noexcept {
  std::thread thread;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    state_->wake.notify_one();
    thread.swap(state_->thread);
  }
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id())
    thread.detach();
  else
    thread.join();
}

std::uint64_t EventQueue::lost() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->lost;
}

std::uint64_t EventQueue::failures() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->failures;
}

}  // namespace lazyfx::compile
