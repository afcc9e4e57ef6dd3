#include "module/publication.hpp"

#include "module/module_core.hpp"

namespace lazyfx::detail {

compile::Callee Publication::find(std::size_t index, std::vector<Value> inputs) const {
  return links[index]->answer(static_cast<ModuleCore&>(*executable->source().modules->linked[index].module), std::move(inputs));
}

compile::Callee Publication::answer(ModuleCore& core, std::vector<Value> inputs) const {
  if (const compile::Plan* plan = find(inputs)) return {plan, nullptr, std::move(inputs), this};
  inputs = compile::complete_inputs(executable->interface(), inputs);
  auto made = executable->make_in_run(compile::Signature(inputs));
  if (!made.plan) made.failure.raise();
  if (!has(*made.plan)) core.refresh(*this);
  const compile::Plan* plan = made.plan.get();
  return {plan, std::move(made.plan), std::move(inputs), this};
}

}  // namespace lazyfx::detail
