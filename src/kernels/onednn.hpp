#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/aligned.hpp"

namespace lazyfx::kernels::onednn {

/// The processor as oneDNN sees it: one shared, immutable object, made at the first call after isa() has set the limits. Thread safe.
const dnnl::engine& engine();

/// What every primitive here is made with: scratch memory comes from the caller. oneDNN's own belongs to the thread that made the
/// primitive and is not there on another.
dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops = {});

/// An f32 array.
dnnl::memory::desc describe(const dnnl::memory::dims& dims, dnnl::memory::format_tag tag);

/// Calls `f` and turns what oneDNN throws into Error(unsupported) or Error(backend), "`what`: ...".
template <class F>
auto guarded(const char* what, F&& f) -> decltype(f());
[[noreturn]] void rethrow(const char* what, const dnnl::error& error);

/// True if the implementation is one of oneDNN's slow reference loops.
bool is_reference(const char* implementation);

/// A primitive with the list of its arguments, which any number of threads may execute at once.
///
/// oneDNN wants a memory object per argument, and the address is part of that object. Making one costs half a microsecond, setting its
/// address a few nanoseconds; so sets of such objects are kept and taken by one call at a time.
class Executor {
 public:
  struct Argument {
    int name;  ///< DNNL_ARG_...
    dnnl::memory::desc desc;
  };

  Executor(dnnl::primitive primitive, std::vector<Argument> arguments);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// `addresses[i]` is argument i. One OpenMP thread is used. Throws Error(backend) if oneDNN fails.
  void run(std::span<void* const> addresses) const;

 private:
  struct Set;
  static constexpr std::size_t kept = 8;
  struct alignas(64) Place {
    std::atomic<Set*> set{nullptr};
  };

  std::unique_ptr<Set> make_set() const;

  dnnl::primitive primitive_;
  std::vector<Argument> arguments_;
  std::unique_ptr<std::array<Place, kept>> places_;
};

/// Copies from one description to another through a reorder that is made, run and dropped: for packing constants.
void reorder(const dnnl::memory::desc& from, const void* source, const dnnl::memory::desc& to, void* target);

template <class F>
auto guarded(const char* what, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const dnnl::error& error) { rethrow(what, error); }
}

}  // namespace lazyfx::kernels::onednn
