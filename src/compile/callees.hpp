#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "lazyfx/tensor/value.hpp"

namespace lazyfx::compile {

/// A submodule that is compiled itself, as a source names it: which publication of it answers is said anew for every run, by Callees.
class Linked {
 public:
  virtual ~Linked() = default;
};

class Callees;
class Plan;

/// One call of a linked submodule: what to run for it, and on what.
struct Callee {
  const Plan* plan = nullptr;
  std::shared_ptr<const Plan> made;  ///< holds the plan, where the callees do not
  std::vector<Value> inputs;  ///< complete
  const Callees* callees = nullptr;  ///< of the submodule itself
};

/// What a run calls for the linked submodules of its source, by their index in ModuleTable::linked: one consistent set for the whole run.
class Callees {
 public:
  /// Makes a plan for these inputs where there is none. Throws what that throws.
  virtual Callee find(std::size_t index, std::vector<Value> inputs) const = 0;

 protected:
  ~Callees() = default;
};

/// Drops a reference whose object may hold others of its kind: a long chain is taken apart one by one, not in a recursion as deep as it is long.
void unravel(std::shared_ptr<const void> object) noexcept;

}  // namespace lazyfx::compile
