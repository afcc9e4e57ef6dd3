#include "compile/nested.hpp"

#include "compile/signature.hpp"

namespace lazyfx::compile {

Value Nested::run(std::span<const Value> given, const StopToken& stop) const {
  const std::vector<Value> inputs = complete_inputs(*program_, given);
  return plan_for(inputs, stop)->run(inputs, stop, nullptr);
}

std::shared_ptr<const Plan> Nested::plan_for(std::span<const Value> inputs, const StopToken& stop) const {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& plan : plans_) {
      if (plan->signature().matches(inputs)) return plan;
    }
  }
  // Outside the lock: two threads that are first together make one each, and both are right.
  auto plan = make_plan(program_, Signature(inputs), stop);
  const std::lock_guard lock(mutex_);
  if (plans_.size() >= most_plans) plans_.erase(plans_.begin());
  plans_.push_back(plan);
  return plan;
}

}  // namespace lazyfx::compile
