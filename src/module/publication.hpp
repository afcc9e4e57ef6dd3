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
  std::size_t below_bytes = 0;  ///< scratch memory that a run needs for one of those that are linked, at most
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
        below_bytes(other.below_bytes),
        until(other.until.load(std::memory_order_relaxed)) {}
  Publication& operator=(const Publication&) = delete;
  ~Publication() { compile::unravel(std::move(executable)); }

  /// Links what a wiring does, of so many.
  void link(const Links<Publication>& to, std::size_t count) noexcept {
    links = to;
    below_bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (const Publication* below = links[i]) below_bytes = std::max({below_bytes, below->below_bytes, below->own_bytes()});
    }
  }
  std::size_t own_bytes() const noexcept {
    std::size_t most = 0;
    for (const auto& plan : plans) most = std::max(most, plan->arena_bytes());
    return most;
  }
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
