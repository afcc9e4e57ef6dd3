#include <algorithm>
#include <typeinfo>
#include <unordered_map>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "store/graph_table.hpp"
#include "store/state.hpp"
#include "what.hpp"

namespace lazyfx::store {
namespace {

bool is_word(const std::string& name) {
  if (name[0] >= '0' && name[0] <= '9') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
}

// root.blocks[1]['odd name'].scale
std::string member_path(const std::string& parent, const std::string& name) {
  if (is_word(name)) return parent + "." + name;
  if (name.find_first_not_of("0123456789") == std::string::npos) return parent + "[" + name + "]";
  return parent + "['" + name + "']";
}

class Describer {
 public:
  Describer(const Reconstructors& reconstructors, const PresenceOf& presence)
      : reconstructors_(reconstructors), presence_(presence), interner_(state_->description.strings, state_->tensors) {}

  std::shared_ptr<const State> run(const Module& root, const std::string& name) {
    // Children first, without recursion: trees of modules may be deeper than a stack.
    std::vector<Visit> pending;
    pending.push_back({&root, name, name, {}, root.submodules().begin()});
    while (!pending.empty()) {
      Visit& visit = pending.back();
      if (visit.next == visit.module->submodules().end()) {
        finish(visit);
        pending.pop_back();
        continue;
      }
      const auto& [child_name, child] = *visit.next;
      const std::string dotted = visit.dotted + "." + child_name;
      const Presence presence = presence_ ? presence_(dotted) : Presence::stored;
      if (presence != Presence::stored) {
        visit.children.push_back({interner_.text(child_name), name_only(dotted, presence)});
        ++visit.next;
      } else if (const auto known = numbers_.find(child.get()); known != numbers_.end()) {
        visit.children.push_back({interner_.text(child_name), known->second});
        ++visit.next;
      } else {
        pending.push_back({child.get(), member_path(visit.path, child_name), dotted, {}, child->submodules().begin()});
      }
    }
    for (const Tensor& tensor : state_->tensors) {
      TensorRow row;
      row.dtype = static_cast<std::uint8_t>(tensor.dtype());
      row.dims.assign(tensor.shape().begin(), tensor.shape().end());
      state_->description.tensors.push_back(std::move(row));
    }
    return std::move(state_);
  }

 private:
  struct Visit {
    const Module* module;
    std::string path;    // for people
    std::string dotted;  // for rules
    std::vector<ModuleMember> children;
    std::map<std::string, std::shared_ptr<Module>, std::less<>>::const_iterator next;
  };

  std::uint32_t name_only(const std::string& dotted, Presence presence) {
    ModuleRow row;
    row.reconstructor = interner_.text(presence == Presence::named_extern ? extern_name : mock_name);
    row.class_name = interner_.text("");
    append_atoms(row.state, Value(dotted), interner_);
    return add(std::move(row));
  }

  std::uint32_t add(ModuleRow row) {
    auto& modules = state_->description.modules;
    modules.push_back(std::move(row));
    return static_cast<std::uint32_t>(modules.size() - 1);
  }

  void finish(Visit& visit) {
    const Module& module = *visit.module;
    ModuleRow row;
    row.modules = std::move(visit.children);
    for (const auto& [name, named] : module.tensors()) {
      row.tensors.push_back(
          {interner_.text(name), interner_.tensor(named.tensor), static_cast<std::uint8_t>(named.kind), named.persistent});
    }
    row.class_name = interner_.text(module.class_name());
    const std::type_info& type = typeid(module);
    if (const auto* user = reconstructors_.find(std::type_index(type))) {
      row.reconstructor = interner_.text(user->first);
      append_atoms(row.state, ask(user->second, visit), interner_);
    } else if (type == typeid(GraphModule) || type == typeid(LazyGraphModule)) {
      describe_graph_module(static_cast<const GraphModule&>(module), row, visit.path);
    } else if (type == typeid(Subgraph)) {
      row.reconstructor = interner_.text(subgraph_name);
      row.graph = number_of(static_cast<const Subgraph&>(module).source(), visit.path);
    } else if (type == typeid(Container)) {
      row.reconstructor = interner_.text(container_name);
    } else {
      throw Error(ErrorKind::unsupported, visit.path + ": a module of class " + module.class_name() + " (" + type.name() +
                                              ") cannot be saved: it has no reconstructor");
    }
    numbers_.emplace(visit.module, add(std::move(row)));
  }

  static Value ask(const Reconstructors::Reduce& reduce, const Visit& visit) {
    try {
      return reduce(*visit.module);
    } catch (const std::bad_alloc&) { throw; } catch (const std::exception& e) {
      throw Error(ErrorKind::user_code, visit.path + ": the reducer of " + visit.module->class_name() + " failed: " + what_of(e));
    } catch (...) { throw Error(ErrorKind::user_code, visit.path + ": the reducer of " + visit.module->class_name() + " failed"); }
  }

  void describe_graph_module(const GraphModule& module, ModuleRow& row, const std::string& path) {
    row.reconstructor = interner_.text(graph_module_name);
    row.generation = module.generation();
    if (const auto* lazy = dynamic_cast<const LazyGraphModule*>(&module)) {
      row.lazy = true;
      row.schedule = static_cast<std::uint8_t>(lazy->schedule());
      row.quiet_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, lazy->quiet_time().count()));
    }
    row.graph = number_of(module.graph(), path);
  }

  std::uint32_t number_of(const Graph& graph, const std::string& path) {
    const auto [known, added] = graphs_.try_emplace(&graph, static_cast<std::uint32_t>(graphs_.size() + 1));
    if (!added) return known->second;
    try {
      state_->description.graphs.push_back(describe_graph(graph, interner_));
    } catch (const Error& e) { throw Error(e.kind(), path + ": " + what_of(e)); }
    return known->second;
  }

  const Reconstructors& reconstructors_;
  const PresenceOf& presence_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  Interner interner_;
  std::unordered_map<const Module*, std::uint32_t> numbers_;
  std::unordered_map<const Graph*, std::uint32_t> graphs_;
};

}  // namespace

std::shared_ptr<const State> describe(const Module& root, const Reconstructors& reconstructors, const std::string& root_name,
                                      const PresenceOf& presence) {
  return Describer(reconstructors, presence).run(root, root_name);
}

}  // namespace lazyfx::store
