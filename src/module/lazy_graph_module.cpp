#include "lazyfx/module/lazy_graph_module.hpp"

#include "module/module_core.hpp"

namespace lazyfx {

LazyGraphModule::LazyGraphModule(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root, LazyGraphModuleOptions options)
    : GraphModule(Unmarked{}, runtime, std::move(graph), root, options.graph_module()),
      schedule_(options.schedule()),
      quiet_time_(options.quiet_time()) {
  if (schedule_ != Schedule::on_demand) {
    core_->follow_marks(schedule_ == Schedule::debounced ? quiet_time_ : std::chrono::nanoseconds(0));
  }
  mark(std::nullopt, false);
}

std::shared_ptr<LazyGraphModule> LazyGraphModule::from_graphmodule(const std::shared_ptr<GraphModule>& module) {
  if (!module) throw Error(ErrorKind::invalid_argument, "from_graphmodule needs a module");
  if (auto lazy = std::dynamic_pointer_cast<LazyGraphModule>(module)) return lazy;
  return std::make_shared<LazyGraphModule>(module->runtime(), module->graph_ptr(), module.get());
}

void LazyGraphModule::force_recompile(GraphModule& module) {
  if (auto* lazy = dynamic_cast<LazyGraphModule*>(&module)) lazy->real_recompile();
}

void LazyGraphModule::recompile() {
  switch (schedule_) {
    case Schedule::on_mark: return mark(std::chrono::nanoseconds(0), true);
    case Schedule::on_demand: return mark(std::nullopt, true);
    case Schedule::debounced: return mark(quiet_time_, true);
  }
}

void LazyGraphModule::prefetch() { core_->request(compile::Priority::prefetch); }

void LazyGraphModule::retry() { core_->retry(); }

void LazyGraphModule::real_recompile() { core_->wait_for(core_->generation()); }

std::string LazyGraphModule::code() const {
  core_->request(compile::Priority::background);
  return GraphModule::code();
}

}  // namespace lazyfx
