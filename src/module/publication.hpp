#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "compile/executable.hpp"
#include "compile/hazard.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "module/links.hpp"
#include "module/nesting.hpp"

namespace lazyfx::detail {

class ModuleCore;

/// What a module answers with: one generation's executable, the plans that were ready when it was published, and what its linked submodules
/// answered with then. Immutable, but for `until`.
struct Publication final : compile::Callees, hazard::Retirable {
  std::uint64_t generation = 0;
  Tier tier = Tier::baseline;
  std::shared_ptr<compile::Executable> executable;
  compile::Executable::Plans plans;
  Links<Publication> links;
  mutable std::atomic<Stamp> until{forever};  ///< what the links are good for; the publisher lowers it

  Publication() = default;
  Publication(const Publication& other)
      : compile::Callees(other),
        hazard::Retirable(other),
        generation(other.generation),
        tier(other.tier),
        executable(other.executable),
        plans(other.plans),
        links(other.links),
        until(other.until.load(std::memory_order_relaxed)) {}
  Publication& operator=(const Publication&) = delete;
  ~Publication() { compile::unravel(std::move(executable)); }

  bool has(const compile::Plan& plan) const noexcept {
    return std::any_of(plans.begin(), plans.end(), [&](const auto& p) { return p.get() == &plan; });
  }
  const compile::Plan* find(std::span<const Value> inputs) const noexcept {
    for (const auto& plan : plans) {
      if (plan->signature().matches(inputs)) return plan.get();
    }
    return nullptr;
  }
  /// A call of this inside of another's run. `core` is the module that this was published by.
  compile::Callee answer(ModuleCore& core, std::vector<Value> inputs) const;
  compile::Callee find(std::size_t index, std::vector<Value> inputs) const override;
};

}  // namespace lazyfx::detail
