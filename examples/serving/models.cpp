#include "models.hpp"

#include <span>
#include <utility>

#include <lazyfx/interop/text.hpp>

namespace serving {

using namespace lazyfx;

bool Models::put(const std::string& name, std::string file) {
  const auto bytes = std::make_shared<const std::string>(std::move(file));
  const auto imported = std::make_shared<const onnx::ImportedModel>(
      is_text_graph(*bytes) ? import_text(*bytes, name, runtime_.operators())
                            : onnx::import_model(std::as_bytes(std::span(*bytes)), bytes, name, runtime_.operators()));
  const auto fresh = std::make_shared<Model>();
  fresh->ports = imported;
  fresh->module =
      std::make_shared<LazyGraphModule>(runtime_, imported->graph, imported->root.get(), LazyGraphModuleOptions().class_name(name));
  std::shared_ptr<Model> old;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, added] = models_.emplace(name, fresh);
    if (!added) old = at->second;
  }
  if (!old) {
    fresh->module->prefetch();
    return true;
  }
  // Edits show when set_graph marks them, all at once: no call sees one graph with another's tensors.
  const std::lock_guard lock(old->editing);
  while (!old->module->tensors().empty()) old->module->remove(std::string(old->module->tensors().begin()->first));
  while (!old->module->submodules().empty()) old->module->remove(std::string(old->module->submodules().begin()->first));
  for (const auto& [member, named] : imported->root->tensors()) old->module->set_parameter(member, named.tensor);
  for (const auto& [member, module] : imported->root->submodules()) old->module->set_submodule(member, module);
  old->module->set_graph(imported->graph);
  old->ports = imported;
  return false;
}

std::shared_ptr<Model> Models::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto at = models_.find(name);
  return at == models_.end() ? nullptr : at->second;
}

void Models::erase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  models_.erase(name);
}

std::map<std::string, std::shared_ptr<Model>> Models::all() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

}  // namespace serving
