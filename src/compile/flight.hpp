#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "compile/executable.hpp"
#include "compile/failure.hpp"
#include "compile/source.hpp"

namespace lazyfx::compile {

class Subscriber;

/// How a compile ended: an executable, a failure, or neither (it was stopped, since nobody could use it).
struct CompileOutcome {
  std::shared_ptr<Executable> executable;
  Failure failure;
  const Subscriber* watched = nullptr;  ///< whose events tell of it already
};

/// A module that wants one generation compiled.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  /// Called once per joined flight, without locks held, on the thread that compiled.
  virtual void on_compiled(std::uint64_t generation, const CompileOutcome& outcome) noexcept = 0;
  /// Called last, to who leads, when all seated have been told.
  virtual void on_landed(std::uint64_t generation) noexcept = 0;
};

/// One compile in progress for one content, with every module that wants it. Its list is protected by the runtime's mutex.
struct Flight {
  std::uint64_t key = 0;
  Source source;
  std::uint64_t generation = 0;   ///< of the module that leads
  std::atomic<bool> stop{false};  ///< nobody wants it any more: looked at between steps
  std::atomic<Priority> priority{Priority::background};  ///< of the most urgent who wants it
  struct Seat {
    std::shared_ptr<Subscriber> subscriber;
    std::uint64_t generation;
  };
  std::vector<Seat> seats;
  std::shared_ptr<Subscriber> leader;  ///< until it lands

  void raise(Priority to) noexcept {
    Priority now = priority.load(std::memory_order_relaxed);
    while (now < to && !priority.compare_exchange_weak(now, to, std::memory_order_relaxed)) {}
  }
};

}  // namespace lazyfx::compile
