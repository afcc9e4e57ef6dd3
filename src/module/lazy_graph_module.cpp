#include "lazyfx/module/lazy_graph_module.hpp"

#include "module/module_core.hpp"

namespace lazyfx {

LazyGraphModule::LazyGraphModule(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root, LazyGraphModuleOptions options)
    : GraphModule(Unmarked{}, runtime, std::move(graph), root, options.graph_module()), schedule_(options.schedule()) {
  mark(false, false);
}

std::shared_ptr<LazyGraphModule> LazyGraphModule::from_graphmodule(const std::shared_ptr<GraphModule>& module) {
  if (!module) throw Error(ErrorKind::invalid_argument, "from_graphmodule needs a module");
  if (auto lazy = std::dynamic_pointer_cast<LazyGraphModule>(module)) return lazy;
  return std::make_shared<LazyGraphModule>(module->runtime(), module->graph_ptr(), module.get());
}

void LazyGraphModule::force_recompile(GraphModule& module) {
  if (auto* lazy = dynamic_cast<LazyGraphModule*>(&module)) lazy->real_recompile();
}

void LazyGraphModule::recompile() { mark(schedule_ == Schedule::on_mark, true); }

void LazyGraphModule::prefetch() { core_->request(compile::Priority::prefetch); }

void LazyGraphModule::real_recompile() { core_->wait_for(core_->generation()); }

std::string LazyGraphModule::code() const {
  core_->request(compile::Priority::background);
  return GraphModule::code();
}

}  // namespace lazyfx
