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
  std::atomic<std::uint64_t> coalesced{0}, superseded{0}, waits{0};
  const std::shared_ptr<Gauges>& gauges() const noexcept { return gauges_; }

  /// null: nobody asked for one.
  Trace* trace() noexcept { return trace_ ? &*trace_ : nullptr; }
  bool listens() const noexcept { return events_ != nullptr; }
  /// Does nothing when nobody listens.
  void tell(CompileEventKind kind, const std::string& module, std::uint64_t generation) noexcept;
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
  std::optional<Trace> trace_;
  std::unique_ptr<EventQueue> events_;
  mutable std::mutex mutex_;
  boost::intrusive::list<Watched> watches_;  // protected by mutex_
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
