#include "lazyfx/module/ambient.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "store/graph_table.hpp"
#include "store/named_module.hpp"
#include "store/state.hpp"
#include "what.hpp"

namespace lazyfx::store {
namespace {

constexpr std::uint64_t most_generations = std::uint64_t{1} << 62;

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::invalid_model, what); }

class Rebuilder {
 public:
  Rebuilder(const Description& description, const std::vector<Tensor>& tensors, const RebuildContext& context)
      : description_(description), tensors_(tensors), context_(context), graphs_(description.graphs.size()) {}

  std::shared_ptr<Module> run() {
    if (description_.modules.empty()) fail("it holds no module");
    for (const ModuleRow& row : description_.modules) modules_.push_back(rebuild_module(row));
    return modules_.back();
  }

 private:
  const std::string& text(std::uint32_t index) const {
    if (index >= description_.strings.size()) fail("string " + std::to_string(index) + " does not exist");
    return description_.strings[index];
  }

  void fill(Module& module, const ModuleRow& row) const {
    for (const TensorMember& member : row.tensors) {
      const std::string& name = text(member.name);
      if (member.tensor >= tensors_.size()) fail("tensor " + std::to_string(member.tensor) + " does not exist");
      const Tensor& tensor = tensors_[member.tensor];
      if (member.kind == static_cast<std::uint8_t>(Module::TensorKind::parameter) && member.persistent)
        module.set_parameter(name, tensor);
      else if (member.kind == static_cast<std::uint8_t>(Module::TensorKind::parameter))
        module.set_tensor(name, tensor, Module::TensorKind::parameter, member.persistent);
      else if (member.kind == static_cast<std::uint8_t>(Module::TensorKind::buffer))
        module.set_buffer(name, tensor, member.persistent);
      else
        fail("tensor " + name + " is neither parameter nor buffer");
    }
    for (const ModuleMember& member : row.modules) {
      if (member.module >= modules_.size()) fail("submodule " + text(member.name) + " does not come before what contains it");
      module.set_submodule(text(member.name), modules_[member.module]);
    }
  }

  std::shared_ptr<Module> rebuild_module(const ModuleRow& row) {
    const std::string& reconstructor = text(row.reconstructor);
    if (reconstructor == graph_module_name) return rebuild_graph_module(row);
    if (reconstructor == subgraph_name) return rebuild_subgraph(row);
    if (row.graph != 0) fail("a module of reconstructor " + reconstructor + " has a graph");
    std::shared_ptr<Module> module;
    if (reconstructor == container_name) {
      if (!row.state.empty()) fail("a Container has a state");
      module = std::make_shared<Container>();
    } else {
      AtomReader atoms(row.state, description_.strings, tensors_);
      const Value state = atoms.value();
      if (!atoms.done()) fail("the state of a module has more than one value");
      if (reconstructor == extern_name) return find_extern(state.as_string());
      if (reconstructor == mock_name) return std::make_shared<NamedModule>(state.as_string());
      module = rebuild_user_module(reconstructor, state);
    }
    fill(*module, row);
    return module;
  }

  std::shared_ptr<Module> find_extern(const std::string& name) const {
    if (context_.externs != nullptr) {
      if (const auto found = context_.externs->find(name); found != context_.externs->end()) return found->second;
    }
    throw StoreError(StoreFault::incompatible, "module " + name + " was left to the host when this was saved, and the host gave none");
  }

  std::shared_ptr<Module> rebuild_user_module(const std::string& reconstructor, const Value& state) const {
    const auto* rebuild = context_.reconstructors.find(reconstructor);
    if (rebuild == nullptr) throw StoreError(StoreFault::incompatible, "reconstructor " + reconstructor + " was not found");
    std::shared_ptr<Module> module;
    try {
      module = (*rebuild)(state);
    } catch (const std::bad_alloc&) { throw; } catch (const std::exception& e) {
      throw Error(ErrorKind::user_code, "reconstructor " + reconstructor + " failed: " + what_of(e));
    } catch (...) { throw Error(ErrorKind::user_code, "reconstructor " + reconstructor + " failed"); }
    if (!module) throw Error(ErrorKind::user_code, "reconstructor " + reconstructor + " made no module");
    return module;
  }

  const std::shared_ptr<Graph>& graph_of(const ModuleRow& row) {
    if (row.graph == 0 || row.graph > graphs_.size()) fail("graph " + std::to_string(row.graph) + " does not exist");
    auto& graph = graphs_[row.graph - 1];
    if (!graph) graph = rebuild_graph(description_.graphs[row.graph - 1], description_.strings, tensors_, context_.limits.node_ids());
    return graph;
  }

  std::shared_ptr<Module> rebuild_subgraph(const ModuleRow& row) {
    if (!row.state.empty()) fail("a Subgraph has a state of another kind");
    auto subgraph = std::make_shared<Subgraph>(*graph_of(row));
    fill(*subgraph, row);
    return subgraph;
  }

  std::shared_ptr<Module> rebuild_graph_module(const ModuleRow& row) {
    const auto& graph = graph_of(row);
    if (!row.state.empty()) fail("a graph module has a state of another kind");
    if (row.schedule > static_cast<std::uint8_t>(Schedule::debounced)) fail("a schedule is of unknown kind");
    if (row.generation == 0 || row.generation > most_generations) fail("generation " + std::to_string(row.generation) + " cannot be");
    Container root;
    fill(root, row);
    LazyGraphModuleOptions options;
    options.class_name(text(row.class_name)).schedule(static_cast<Schedule>(row.schedule));
    if (row.quiet_ns > static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count())) fail("a quiet time is out of range");
    options.quiet_time(std::chrono::nanoseconds(static_cast<std::int64_t>(row.quiet_ns)));
    options.graph_module().adopt_all(true).first_generation(row.generation);
    GraphModuleKind kind = GraphModuleKind::eager;
    if (row.lazy) {
      const UseLazyGraphModule as_saved;  // ForceSkipLazyGraphModule has the last word
      kind = graph_module_kind();
    }
    return make_graph_module(context_.runtime, graph, &root, std::move(options), kind);
  }

  const Description& description_;
  const std::vector<Tensor>& tensors_;
  const RebuildContext& context_;
  std::vector<std::shared_ptr<Graph>> graphs_;
  std::vector<std::shared_ptr<Module>> modules_;
};

}  // namespace

std::shared_ptr<Module> rebuild(const Description& description, const std::vector<Tensor>& tensors, const RebuildContext& context) {
  try {
    return Rebuilder(description, tensors, context).run();
  } catch (const CompileError&) { throw; } catch (const StoreError& e) {
    throw StoreError(e.fault(), context.place + ": " + what_of(e));
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::user_code || e.kind() == ErrorKind::stopped) throw Error(e.kind(), context.place + ": " + what_of(e));
    throw StoreError(StoreFault::corrupted, context.place + ": " + what_of(e));
  }
}

}  // namespace lazyfx::store
