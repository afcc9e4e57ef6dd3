#include "compile/nested.hpp"

#include <algorithm>
#include <chrono>

#include "compile/signature.hpp"

namespace lazyfx::compile {
namespace {

constexpr std::size_t tiny_bytes = 4096;

/// Writes to `ns` how long it lived.
class Timed {
 public:
  explicit Timed(std::atomic<std::int64_t>& ns) : ns_(ns) {}
  ~Timed() { ns_.store(std::chrono::nanoseconds(Clock::now() - from_).count(), std::memory_order_relaxed); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<std::int64_t>& ns_;
  const Clock::time_point from_ = Clock::now();
};

}  // namespace

Nested::Nested(std::shared_ptr<const Program> program) : program_(std::move(program)) {
  std::size_t bytes = 0;
  for (const auto& step : program_->steps) bytes += step.constant.defined() ? step.constant.byte_size() : 0;
  is_small_island_ = program_->islands_around > 0 && program_->steps.size() <= 2 && bytes <= tiny_bytes;
}

Value Nested::run(std::span<const Value> given, const StopToken& stop) const {
  const std::vector<Value> inputs = complete_inputs(*program_->interface, given);
  const auto plan = plan_for(inputs, stop);
  return plan ? plan->run(inputs, stop, nullptr) : run_plainly(inputs, stop);
}

Value Nested::run_plainly(std::span<const Value> inputs, const StopToken& stop) const {
  if (program_->islands_around == 0) check_signature(*program_->interface, Signature(inputs));  // an island says nothing of its operands
  const auto plan = plain();
  const Timed timed(plain_ns_);
  return plan->run(inputs, stop, nullptr);
}

std::shared_ptr<const Plan> Nested::plain() const {
  if (origin_.inherited()) return make_host_plan(program_, Signature());
  const std::lock_guard lock(mutex_);
  if (!plain_) plain_ = make_host_plan(program_, Signature());
  return plain_;
}

bool Nested::is_tiny(std::span<const Value> inputs) const noexcept {
  if (!is_small_island_) return false;
  std::size_t bytes = 0;
  for (const Value& value : inputs) bytes += value.is_tensor() && value.as_tensor().defined() ? value.as_tensor().byte_size() : 0;
  return bytes <= tiny_bytes;
}

/// Null: none is worth its making.
std::shared_ptr<const Plan> Nested::plan_for(std::span<const Value> inputs, const StopToken& stop) const {
  if (is_tiny(inputs) || origin_.inherited()) return nullptr;
  Signature signature;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& plan : plans_) {
      if (plan->signature().matches(inputs)) return plan;
    }
    signature = Signature(inputs);
    if (!is_worth_a_plan(signature)) return nullptr;
  }
  // Outside the lock: two threads that are first together make one each, and both are right.
  return make(std::move(signature), stop);
}

/// REQUIRES: mutex_ held.
bool Nested::is_worth_a_plan(const Signature& signature) const {
  if (plans_.size() < most_plans || plain_ns_.load(std::memory_order_relaxed) > making_ns_.load(std::memory_order_relaxed)) return true;
  if (const auto before = std::find(refused_.begin(), refused_.end(), signature); before != refused_.end()) {
    refused_.erase(before);
    return true;
  }
  if (refused_.size() >= most_refused) refused_.pop_front();
  refused_.push_back(signature);
  return false;
}

std::shared_ptr<const Plan> Nested::make(Signature signature, const StopToken& stop) const {
  std::shared_ptr<const Plan> plan;
  {
    const Timed timed(making_ns_);
    plan = make_plan(program_, std::move(signature), stop);
  }
  const std::lock_guard lock(mutex_);
  if (plans_.size() >= most_plans) plans_.erase(plans_.begin());
  plans_.push_back(plan);
  return plan;
}

std::size_t Nested::plan_bytes() const noexcept {
  if (origin_.inherited()) return 0;
  const std::lock_guard lock(mutex_);  // a plan's own parts are taken inside of it
  std::size_t bytes = plain_ ? plain_->bytes() : 0;
  for (const auto& plan : plans_) bytes += plan->bytes();
  return bytes;
}

std::size_t Nested::bytes() const noexcept {
  std::size_t bytes = plan_bytes();
  for (const auto& step : program_->steps) {
    for (const auto& graph : step.graphs) bytes += graph->bytes();
  }
  return bytes;
}

}  // namespace lazyfx::compile
