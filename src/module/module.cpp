#include "lazyfx/module/module.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "lazyfx/error.hpp"

namespace lazyfx {

namespace {

// Splits "a.b.c" into atoms; empty when any atom is.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> atoms;
  for (;;) {
    const std::size_t dot = path.find('.');
    const std::string_view atom = path.substr(0, dot);
    if (atom.empty()) return {};
    atoms.push_back(atom);
    if (dot == std::string_view::npos) return atoms;
    path.remove_prefix(dot + 1);
  }
}

std::vector<std::string_view> split_or_throw(std::string_view path) {
  std::vector<std::string_view> atoms = split(path);
  if (atoms.empty()) {
    throw Error(ErrorKind::invalid_argument, "'" + std::string(path) + "' is not a path: names joined by dots, none of them empty");
  }
  return atoms;
}

void check_name(const std::string& name) {
  if (name.empty() || name.find('.') != std::string::npos) {
    throw Error(ErrorKind::invalid_argument, "'" + name + "' cannot name a member of a module: a name is not empty and has no dot");
  }
}

[[noreturn]] void throw_taken(std::string_view name, const char* by) {
  throw Error(ErrorKind::invalid_argument, "'" + std::string(name) + "' already names a " + by + " of the module");
}

}  // namespace

Module::~Module() {
  // A chain of modules is taken apart from the top: destroying it by its members' destructors would recurse as deep as it is long. Those that
  // still hold others are linked by their first member, since there may be no memory for a list.
  std::shared_ptr<Module> doomed;
  const auto release = [&doomed](std::shared_ptr<Module> module) {
    while (module.use_count() == 1 && !module->submodules_.empty()) {
      std::shared_ptr<Module> below = std::exchange(module->submodules_.begin()->second, std::move(doomed));
      doomed = std::move(module);
      module = std::move(below);
    }
  };
  for (auto& [name, child] : submodules_) release(std::move(child));
  while (doomed) {
    std::shared_ptr<Module> module = std::move(doomed);
    const auto first = module->submodules_.begin();
    doomed = std::move(first->second);
    module->submodules_.erase(first);
    release(std::move(module));
  }
}

void Module::set_parameter(const std::string& name, Tensor tensor) { put_tensor(name, {std::move(tensor), TensorKind::parameter, true}); }

void Module::set_buffer(const std::string& name, Tensor tensor, bool persistent) {
  put_tensor(name, {std::move(tensor), TensorKind::buffer, persistent});
}

void Module::put_tensor(const std::string& name, NamedTensor tensor) {
  check_name(name);
  if (!tensor.tensor.defined()) throw Error(ErrorKind::invalid_argument, "the tensor given as '" + name + "' is undefined");
  if (submodules_.contains(name)) throw_taken(name, "submodule");
  tensors_.insert_or_assign(name, std::move(tensor));
  ++edits_;
}

void Module::set_submodule(const std::string& name, std::shared_ptr<Module> module) {
  check_name(name);
  if (!module) throw Error(ErrorKind::invalid_argument, "the module given as '" + name + "' is null");
  if (tensors_.contains(name)) throw_taken(name, "tensor");
  if (module.get() == this || (is_submodule_.load(std::memory_order_relaxed) && module->reaches(*this))) {
    throw Error(ErrorKind::invalid_argument, "the module given as '" + name + "' contains the module it would be put into");
  }
  module->is_submodule_.store(true, std::memory_order_relaxed);
  std::shared_ptr<Module>& place = submodules_[name];
  forget(place.get());
  place.swap(module);  // what stood there is released after the tree is whole again
}

bool Module::remove(const std::string& name) {
  if (tensors_.erase(name) != 0) {
    ++edits_;
    return true;
  }
  const auto found = submodules_.find(name);
  if (found == submodules_.end()) return false;
  forget(found->second.get());
  const std::shared_ptr<Module> removed = std::move(found->second);
  submodules_.erase(found);
  return true;
}

// Counts one edit, by which `removed` may leave the tree: its edits go on counting here, so that the sum never comes back to an old value.
void Module::forget(const Module* removed) { edits_ += 1 + (removed && !removed->is_edited_apart() ? removed->edit_count() : 0); }

const Module::NamedTensor* Module::find_tensor(std::string_view path) const {
  const Module* module = this;
  for (;;) {
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos) break;
    const auto next = module->submodules_.find(path.substr(0, dot));
    if (next == module->submodules_.end()) return nullptr;
    module = next->second.get();
    path.remove_prefix(dot + 1);
  }
  const auto found = module->tensors_.find(path);
  return found == module->tensors_.end() ? nullptr : &found->second;
}

std::shared_ptr<Module> Module::find_submodule(std::string_view path) const {
  const Module* module = this;
  for (;;) {
    const std::size_t dot = path.find('.');
    const auto next = module->submodules_.find(path.substr(0, dot));
    if (next == module->submodules_.end()) return nullptr;
    if (dot == std::string_view::npos) return next->second;
    module = next->second.get();
    path.remove_prefix(dot + 1);
  }
}

Module::Place Module::descend(std::span<const std::string_view> parents) {
  Place place{this, 0, false};
  for (; place.depth < parents.size(); ++place.depth) {
    const std::string_view atom = parents[place.depth];
    const auto next = place.module->submodules_.find(atom);
    if (next == place.module->submodules_.end()) {
      place.blocked = place.module->tensors_.find(atom) != place.module->tensors_.end();
      break;
    }
    place.module = next->second.get();
  }
  return place;
}

bool Module::add_submodule(std::string_view path, std::shared_ptr<Module> module) {
  const std::vector<std::string_view> atoms = split_or_throw(path);
  if (!module) throw Error(ErrorKind::invalid_argument, "the module given as '" + std::string(path) + "' is null");
  const Place place = descend(std::span(atoms).first(atoms.size() - 1));
  if (place.blocked) return false;
  if (place.module->tensors_.find(atoms[place.depth]) != place.module->tensors_.end()) return false;
  // New modules are joined from the inside out, so that a failure on the way leaves the tree as it was.
  for (std::size_t i = atoms.size() - 1; i > place.depth; --i) {
    auto holder = std::make_shared<Container>();
    holder->set_submodule(std::string(atoms[i]), std::move(module));
    module = std::move(holder);
  }
  place.module->set_submodule(std::string(atoms[place.depth]), std::move(module));
  return true;
}

bool Module::delete_submodule(std::string_view path) {
  const std::vector<std::string_view> atoms = split(path);
  if (atoms.empty()) return false;
  const Place place = descend(std::span(atoms).first(atoms.size() - 1));
  if (place.depth + 1 != atoms.size() || !place.module->submodules_.contains(atoms.back())) return false;
  return place.module->remove(std::string(atoms.back()));
}

void Module::set_tensor(std::string_view path, Tensor tensor, TensorKind kind, bool persistent) {
  const std::vector<std::string_view> atoms = split_or_throw(path);
  const std::string name(atoms.back());
  NamedTensor named{std::move(tensor), kind, persistent};
  const Place place = descend(std::span(atoms).first(atoms.size() - 1));
  if (place.blocked) {
    throw Error(ErrorKind::invalid_argument, "no tensor can stand at '" + std::string(path) + "': '" + std::string(atoms[place.depth]) +
                                                 "' on the way is a tensor itself");
  }
  if (place.depth + 1 == atoms.size()) {
    if (const auto old = place.module->tensors_.find(name); old != place.module->tensors_.end()) {
      named.kind = old->second.kind;
      named.persistent = old->second.persistent;
    }
    place.module->put_tensor(name, std::move(named));
    return;
  }
  std::shared_ptr<Module> made = std::make_shared<Container>();
  made->put_tensor(name, std::move(named));
  for (std::size_t i = atoms.size() - 2; i > place.depth; --i) {
    auto holder = std::make_shared<Container>();
    holder->set_submodule(std::string(atoms[i]), std::move(made));
    made = std::move(holder);
  }
  place.module->set_submodule(std::string(atoms[place.depth]), std::move(made));
}

std::vector<std::pair<std::string, Module::NamedTensor>> Module::named_tensors() const {
  std::vector<std::pair<std::string, NamedTensor>> all;
  std::vector<std::pair<std::string, const Module*>> pending;
  pending.emplace_back(std::string(), this);
  while (!pending.empty()) {
    const auto [prefix, module] = std::move(pending.back());
    pending.pop_back();
    for (const auto& [name, tensor] : module->tensors_) all.emplace_back(prefix + name, tensor);
    for (const auto& [name, child] : module->submodules_) pending.emplace_back(prefix + name + ".", child.get());
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return all;
}

template <class Visit>
bool Module::visit_tree(bool all, Visit&& visit) const {
  if (!visit(*this)) return false;
  if (submodules_.empty()) return true;
  std::unordered_set<const Module*> seen{this};
  std::vector<const Module*> pending{this};
  while (!pending.empty()) {
    const Module* module = pending.back();
    pending.pop_back();
    for (const auto& [name, child] : module->submodules_) {
      if ((!all && child->is_edited_apart()) || !seen.insert(child.get()).second) continue;
      if (!visit(*child)) return false;
      pending.push_back(child.get());
    }
  }
  return true;
}

std::uint64_t Module::edit_count() const {
  std::uint64_t total = 0;
  visit_tree(false, [&total](const Module& module) {
    total += module.edits_;
    return true;
  });
  return total;
}

bool Module::reaches(const Module& other) const {
  return !visit_tree(true, [&other](const Module& module) { return &module != &other; });
}

Value Container::call(std::span<const Value>) {
  throw Error(ErrorKind::invalid_argument, "a Container only holds other modules and cannot be called");
}

}  // namespace lazyfx
