#include <string>
#include <unordered_map>
#include <utility>

#include "module/module_core.hpp"

namespace lazyfx::detail {

/// One moment of a module and everything below it: what was published where that was the newest, the graphs elsewhere.
class ModuleCore::Interpretation {
 public:
  explicit Interpretation(ModuleCore& root) : operators_(root.runtime_->options().operators()) {
    NestLock lock(root);
    std::vector<std::pair<ModuleCore*, std::string>> pending{{&root, ""}};
    if (lock.nested()) lock.unlock_module();
    while (!pending.empty()) {
      const auto [next, path] = std::move(pending.back());
      ModuleCore& core = *next;
      pending.pop_back();
      const auto [at, is_new] = moments_.try_emplace(&core);
      if (!is_new) continue;
      std::unique_lock<std::mutex> module_lock(core.mutex_, std::defer_lock);
      if (lock.nested()) module_lock.lock();
      Moment& moment = at->second;
      moment.all = this;
      if (&core != &root && core.published_ && core.effective_until() == forever) {
        moment.published = core.published_;
        continue;
      }
      moment.generation = core.generation();
      moment.source = core.marked_;
      if (core.interpreted_ && core.interpreted_generation_ == moment.generation) moment.program = core.interpreted_;
      moment.path = path;
      for (const auto& link : moment.source.modules->linked) {
        pending.emplace_back(&static_cast<ModuleCore&>(*link.module), (path.empty() ? "" : path + ".") + link.path);
      }
    }
  }

  Value run(ModuleCore& core, std::span<const Value> inputs, const compile::StopToken& stop) {
    for (auto& [module, moment] : moments_) {
      if (!moment.published && !moment.program) bind(*module, moment, stop);
    }
    const compile::Callee all = answer(core, {inputs.begin(), inputs.end()});
    return all.plan->run(all.inputs, stop, all.callees);
  }

 private:
  struct Moment final : compile::Callees {
    compile::Callee find(std::size_t index, std::vector<Value> inputs) const override {
      return all->answer(static_cast<ModuleCore&>(*source.modules->linked[index].module), std::move(inputs));
    }
    Interpretation* all = nullptr;
    std::shared_ptr<const Publication> published;
    std::uint64_t generation = 0;
    compile::Source source;
    std::shared_ptr<const compile::Program> program;
    std::string path;  ///< one at which it is called
  };

  void bind(ModuleCore& core, Moment& moment, const compile::StopToken& stop) {
    try {
      moment.program = compile::bind_program(moment.source, operators_, stop, core.runtime_->kernels());
    } catch (const CompileError& error) {
      if (moment.path.empty()) throw;
      throw CompileError(error, moment.path);
    }
    std::shared_ptr<const compile::Program> old;  // let go of after the lock
    const std::lock_guard lock(core.mutex_);
    if (moment.generation == core.generation() && core.needs_compile()) {
      old = std::exchange(core.interpreted_, moment.program);
      core.interpreted_generation_ = moment.generation;
    }
  }

  compile::Callee answer(ModuleCore& core, std::vector<Value> inputs) {
    Moment& moment = moments_.at(&core);
    if (moment.published) return moment.published->answer(core, std::move(inputs));
    inputs = compile::complete_inputs(*moment.program->interface, inputs);
    auto made = compile::make_host_plan(moment.program, compile::Signature(inputs));
    const compile::Plan* plan = made.get();
    return {plan, std::move(made), std::move(inputs), &moment};
  }

  const OperatorRegistry& operators_;
  std::unordered_map<ModuleCore*, Moment> moments_;
};

Value ModuleCore::interpret(std::span<const Value> inputs, const compile::StopToken& stop) {
  runtime_->check_not_forked();
  Interpretation interpretation(*this);
  return interpretation.run(*this, inputs, stop);
}

}  // namespace lazyfx::detail
