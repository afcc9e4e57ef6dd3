// Stability: stable.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/export.hpp"

namespace lazyfx {

/// What became of a compile. A generation goes scheduled, started, step..., then one of finished, failed, cancelled; and published when its
/// module answers with it. One whose content another module's compile is made for, or was made for before, is published, failed or cancelled
/// without having started.
enum class CompileEventKind : std::uint8_t {
  scheduled,  ///< its job is in the queue; it compiles the newest generation when it begins, which may be a later one
  started,  ///< a thread compiles it
  step,  ///< one step of it is done
  finished,  ///< its executable is there
  failed,  ///< `error` says why
  superseded,  ///< its module gave it up for a newer mark; it goes on if another module wants it
  cancelled,  ///< it was dropped from the queue or stopped at a step: nobody could use it
  published,  ///< its module answers with it from now on
};

/// The enumerator's own spelling. Never null.
LAZYFX_API const char* to_string(CompileEventKind kind) noexcept;

/// A value; it refers to nothing of the runtime.
struct CompileEvent {
  CompileEventKind kind = CompileEventKind::scheduled;
  std::string module;  ///< its class name
  std::uint64_t generation = 0;  ///< 0 for a plan that is made for one more input signature
  std::chrono::nanoseconds at{0};  ///< since the runtime was made
  std::chrono::nanoseconds elapsed{0};  ///< since it started, from `started` on
  std::string step;  ///< step: "fuse", "kernel"
  /// Steps are passes and kernels. How many there are in all is known for sure when the first kernel is built; it only grows until then.
  std::size_t steps_done = 0, steps_in_all = 0;
  std::shared_ptr<const Error> error;
};

/// Hears of every event, one at a time, in the order in which they happened, on one thread of the runtime's own that does nothing else, with
/// no lock held: it may call anything. It holds up no compile and no call: when it is slower than the events, those that find 4096 waiting
/// are lost (steps already at half of that), and stats() counts them. What it throws is counted and dropped. Runtime::stop() returns after
/// it has heard everything, unless the hook itself calls it.
using CompileHook = std::function<void(const CompileEvent&)>;

/// One compile that is under way.
struct CompileProgress {
  std::string module;
  std::uint64_t generation = 0;
  std::chrono::nanoseconds elapsed{0};
  std::string step;  ///< the one it is in
  std::size_t steps_done = 0, steps_in_all = 0;
};

}  // namespace lazyfx
