#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "compile/failure.hpp"
#include "compile/observer.hpp"

namespace lazyfx::compile {

/// While it lives, this thread compiles one generation of a module, or one plan for a signature, and what its steps do is seen. A compile
/// inside another (a user's operator that calls a module) has a watch of its own. `observer` outlives it.
class Watch final : public Watched {
 public:
  enum class Of : std::uint8_t { compile, plan };

  Watch(Observer& observer, Of what, const std::string& module, std::uint64_t generation) noexcept;
  /// Without one of the two below, it was stopped.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void finished() noexcept { outcome_ = CompileEventKind::finished; }
  void failed(const Failure& why) noexcept;

  /// More steps are known to come.
  void expect(std::size_t steps) noexcept { in_all_.fetch_add(steps, std::memory_order_relaxed); }
  /// What this thread is in; null if it compiles nothing that is watched.
  static Watch* current() noexcept;
  Observer& observer() const noexcept { return observer_; }

 private:
  friend class Observer;
  friend class Step;
  void tell(CompileEventKind kind, const char* step) noexcept;
  void step_done(const char* name) noexcept;
  CompileProgress progress() const override;

  Observer& observer_;
  const Of what_;
  const std::string& module_;
  const std::uint64_t generation_;
  Watch* const outer_;
  const Observer::Clock::time_point begin_ = Observer::Clock::now();
  CompileEventKind outcome_ = CompileEventKind::cancelled;
  std::shared_ptr<const Error> error_;
  std::atomic<const char*> step_{""};
  std::atomic<std::size_t> done_{0}, in_all_{0};
};

/// More steps of this thread's compile are known to come.
inline void expect_steps(std::size_t steps) noexcept {
  if (Watch* watch = Watch::current()) watch->expect(steps);
}

/// While it lives, the compile of this thread is in one of its passes, or builds a kernel. `name` is static text.
class Step {
 public:
  enum class Kind : std::uint8_t { pass, kernel };

  explicit Step(const char* name, Kind kind = Kind::pass) noexcept;
  ~Step();
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// Whether describe() is worth its arguments.
  bool traced() const noexcept { return trace_ != nullptr; }
  void describe(std::string what, std::string node) noexcept {
    what_ = std::move(what);
    node_ = std::move(node);
  }

 private:
  Watch* const watch_;
  Trace* const trace_;
  const char* const name_;
  const Kind kind_;
  Observer::Clock::time_point begin_;
  std::string what_, node_;
};

/// Counts a plan or an executable made on this thread for the runtime it is made for.
Charge charge_here(std::atomic<std::size_t> Gauges::* count, std::size_t tables, std::size_t weights, std::size_t graphs = 0);

}  // namespace lazyfx::compile
