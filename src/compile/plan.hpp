#pragma once

#include <memory>
#include <span>

#include "compile/charge.hpp"
#include "compile/program.hpp"
#include "compile/signature.hpp"
#include "compile/stop.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx::compile {

/// A program made ready for one signature. Immutable; run() from any thread at once.
class Plan {
 public:
  explicit Plan(Signature signature) : signature_(std::move(signature)) {}
  virtual ~Plan() = default;

  const Signature& signature() const noexcept { return signature_; }
  /// Guess of one run on one core; decides where RunOn::automatic computes.
  double estimate_ns() const noexcept { return estimate_ns_; }

  /// `inputs` match the signature. Writes to no input. Throws Error with the node named, what a user's operator threw as Error(user_code),
  /// and Stopped between steps. `callees`: for a program that calls linked submodules; lives until the run has ended.
  virtual Value run(std::span<const Value> inputs, const StopToken& stop, const Callees* callees) const = 0;

  virtual std::size_t step_count() const noexcept = 0;
  virtual std::size_t arena_bytes() const noexcept { return 0; }
  /// Its tables and packed constants, about; those that it shares with other plans too. Grows where runs make plans of its parts.
  virtual std::size_t bytes() const noexcept { return charge_.bytes() + shared_bytes_; }

 protected:
  double estimate_ns_ = 0;
  Charge charge_;  ///< set by whoever makes it
  std::size_t shared_bytes_ = 0;  ///< of kernels from a table, which counts them

 private:
  Signature signature_;
};

/// Compiles a program for one signature: kernels and a memory plan where all shapes are known before a run; where some are not, the parts
/// of it for which they are, and what stands between on the host. Throws CompileError, Error(invalid_argument) for a signature the placeholders refuse, Stopped.
std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop);

/// The kinds behind make_plan; a host plan compiles nothing, a divided one its islands.
std::shared_ptr<const Plan> make_static_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop);
std::shared_ptr<const Plan> make_divided_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop);
std::shared_ptr<const Plan> make_host_plan(std::shared_ptr<const Program> program, const Signature& signature);

/// `result` with its leaves, in order, replaced by `leaf(i)`; other arguments become the values they stand for.
Value build_result(const Argument& result, const std::function<Value(NodeId)>& leaf);

}  // namespace lazyfx::compile
