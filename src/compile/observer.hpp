#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "compile/charge.hpp"
#include "compile/event_queue.hpp"
#include "compile/histogram.hpp"
#include "compile/trace.hpp"
#include "lazyfx/compile/runtime.hpp"

namespace lazyfx::compile {

class Watch;

/// A compile under way, in the list of its observer.
struct Watched : boost::intrusive::list_base_hook<> {
  virtual CompileProgress progress() const = 0;

 protected:
  ~Watched() = default;
};

/// What a runtime lets others see: histograms, counters, the trace, the events, the compiles under way. Every function may be called from any
/// thread with any lock held; none waits for anything but a short lock of its own, and none throws unless it says so.
class Observer {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Observer(const RuntimeOptions& options);

  HistogramCounter queue_wait, compile_time, specialize_time, run_time, wait_time;
  std::atomic<std::uint64_t> coalesced{0}, superseded{0};
  const std::shared_ptr<Gauges>& gauges() const noexcept { return gauges_; }

  /// Somebody waits for a compile or a plan; and does no longer.
  void wait_begins() noexcept {
    waits_.fetch_add(1, std::memory_order_relaxed);
    waiting_.fetch_add(1, std::memory_order_relaxed);
  }
  void wait_ends(Clock::time_point since) noexcept {
    wait_time.add(Clock::now() - since);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }

  /// null: nobody asked for one.
  Trace* trace() noexcept { return trace_ ? &*trace_ : nullptr; }
  bool listens() const noexcept { return events_ != nullptr; }
  /// Does nothing when nobody listens.
  void tell(CompileEventKind kind, const std::string& module, std::uint64_t generation, std::shared_ptr<const Error> error = {}) noexcept;
  void tell(CompileEvent event) noexcept;

  /// Throws std::bad_alloc.
  std::vector<CompileProgress> compiles() const;
  void write_trace(std::ostream& out) const;
  void fill(RuntimeStats& stats) const;
  /// Nothing happens any more: returns when the hook has heard of everything.
  void stop() noexcept;

 private:
  friend class Watch;
  const Clock::time_point origin_ = Clock::now();
  const std::shared_ptr<Gauges> gauges_ = std::make_shared<Gauges>();
  std::atomic<std::uint64_t> waits_{0};
  std::atomic<std::size_t> waiting_{0};
  std::optional<Trace> trace_;
  std::unique_ptr<EventQueue> events_;
  mutable std::mutex mutex_;
  boost::intrusive::list<Watched> watches_;  // protected by mutex_
};

/// A wait that ends where it is answered or where it is given up, whichever comes first. begin() once; end() on any thread.
class Wait {
 public:
  void begin(Observer& observer) noexcept {
    since_ = Observer::Clock::now();
    observer.wait_begins();
    lasts_.store(true, std::memory_order_release);
  }
  /// True where it is this that ends it.
  bool end(Observer& observer) noexcept {
    if (!lasts_.exchange(false, std::memory_order_acq_rel)) return false;
    observer.wait_ends(since_);
    return true;
  }

 private:
  Observer::Clock::time_point since_;
  std::atomic<bool> lasts_{false};
};

/// While it lives, this thread waits.
class WaitHere {
 public:
  explicit WaitHere(Observer& observer) noexcept : observer_(observer) { observer_.wait_begins(); }
  ~WaitHere() { observer_.wait_ends(since_); }
  WaitHere(const WaitHere&) = delete;
  WaitHere& operator=(const WaitHere&) = delete;

 private:
  Observer& observer_;
  const Observer::Clock::time_point since_ = Observer::Clock::now();
};

/// While it lives, this pool thread computes a call.
class PoolRun {
 public:
  PoolRun(Observer& observer, const std::string& module, std::uint64_t generation) noexcept;
  ~PoolRun();
  PoolRun(const PoolRun&) = delete;
  PoolRun& operator=(const PoolRun&) = delete;

 private:
  Observer& observer_;
  std::string module_;  ///< if there is a trace
  const std::uint64_t generation_;
  const Observer::Clock::time_point begin_ = Observer::Clock::now();
};

}  // namespace lazyfx::compile
