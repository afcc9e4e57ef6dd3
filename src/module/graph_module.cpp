#include "lazyfx/module/graph_module.hpp"

#include <algorithm>
#include <ostream>
#include <set>
#include <unordered_map>

#include "lazyfx/module/subgraph.hpp"
#include "module/forward.hpp"
#include "module/module_core.hpp"
#include "module/named_subgraphs.hpp"

namespace lazyfx {

/// The tables of the last freeze, shared by generations between which nothing in them changed.
struct GraphModule::Frozen {
  std::uint64_t edits = ~std::uint64_t{0};
  std::uint64_t graph_edits = ~std::uint64_t{0};
  std::shared_ptr<const compile::TensorTable> tensors;
  bool holds_graph_modules = false;
  std::vector<std::string> borrowed;  // paths of the tensors of those that the graph names
  std::shared_ptr<const compile::ModuleTable> modules;
  std::shared_ptr<const compile::SubgraphTable> subgraphs;
};

namespace {

/// The paths of Subgraphs below `root` that a node names in its keyword arguments.
std::vector<std::string> subgraph_paths(const Node& node, const Module& root) {
  std::vector<std::string> paths;
  if (node.op() != Opcode::call_function || root.submodules().empty()) return paths;
  for (const auto& [name, value] : node.kwargs()) {
    if (value.is_string() && std::dynamic_pointer_cast<Subgraph>(root.find_submodule(value.as_string())))
      paths.push_back(value.as_string());
  }
  return paths;
}

std::shared_ptr<const compile::TensorTable> tensors_below(const Module& module) {
  auto tensors = std::make_shared<compile::TensorTable>();
  for (auto& [path, named] : module.named_tensors()) tensors->emplace(path, named.tensor);
  return tensors;
}

/// Every Subgraph below `root`, itself with those below it. Null when there is none. Recursion is as deep as graphs are nested.
std::shared_ptr<const compile::SubgraphTable> subgraphs_below(const Module& root) {
  auto table = std::make_shared<compile::SubgraphTable>();
  std::vector<std::pair<std::string, const Module*>> pending{{"", &root}};
  while (!pending.empty()) {
    const auto [prefix, module] = pending.back();
    pending.pop_back();
    for (const auto& [name, child] : module->submodules()) {
      const std::string path = prefix.empty() ? name : prefix + "." + name;
      const auto* subgraph = dynamic_cast<const Subgraph*>(child.get());
      if (subgraph == nullptr) {
        if (dynamic_cast<const GraphModule*>(child.get()) == nullptr) pending.emplace_back(path, child.get());
        continue;
      }
      compile::Source source;
      source.graph = subgraph->graph();
      source.tensors = tensors_below(*subgraph);
      source.subgraphs = subgraphs_below(*subgraph);
      source.class_name = "Subgraph";
      table->emplace(path, std::move(source));
    }
  }
  return table->empty() ? nullptr : table;
}

NamedSnapshots subgraphs_of(const compile::Source& source) {
  using Found = std::pair<const Snapshot*, const compile::Source*>;
  return detail::named_subgraphs(source.graph, source, [](const compile::Source& scope, const std::string& path) {
    if (scope.subgraphs == nullptr) return Found();
    const auto found = scope.subgraphs->find(path);
    return found == scope.subgraphs->end() ? Found() : Found(&found->second.graph, &found->second);
  });
}

bool same_modules(const compile::ModuleTable& a, const compile::ModuleTable& b) {
  return std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && x.second.identity == y.second.identity; });
}

}  // namespace

GraphModule::GraphModule(Unmarked, Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root, GraphModuleOptions options)
    : core_(detail::ModuleCore::make(runtime.core())),
      runtime_(&runtime),
      graph_(std::move(graph)),
      options_(std::move(options)),
      frozen_(std::make_unique<Frozen>()) {
  if (!graph_) throw Error(ErrorKind::invalid_argument, "a GraphModule needs a graph");
  core_->count_from(options_.first_generation());
  adopt(root);
}

GraphModule::GraphModule(Runtime& runtime, std::shared_ptr<Graph> graph, const Module* root, GraphModuleOptions options)
    : GraphModule(Unmarked{}, runtime, std::move(graph), root, std::move(options)) {
  core_->keep_last_good();
  mark(std::nullopt, false);
  core_->wait_for(core_->generation());
}

GraphModule::~GraphModule() { core_->abandon(); }

Runtime& GraphModule::runtime() const {
  if (core_->runtime().owned()) return *runtime_;
  throw Error(ErrorKind::stopped, "the Runtime of module " + class_name() + " is gone");
}

const OperatorRegistry& GraphModule::operators() const noexcept { return core_->runtime().options().operators(); }

void GraphModule::adopt(const Module* root) {
  if (root != nullptr && options_.adopt_all()) {
    for (const auto& [name, tensor] : root->tensors()) set_tensor(name, tensor.tensor, tensor.kind, tensor.persistent);
    for (const auto& [name, module] : root->submodules()) set_submodule(name, module);
  }
  for (const Node node : graph_->nodes()) {
    if (root != nullptr) {
      for (const std::string& path : subgraph_paths(node, *root)) {
        if (!find_submodule(path)) add_submodule(path, root->find_submodule(path));
      }
    }
    if (node.op() != Opcode::get_attr && node.op() != Opcode::call_module) continue;
    const std::string& path = node.target();
    if (find_tensor(path) != nullptr || find_submodule(path)) continue;
    const auto* tensor = root != nullptr ? root->find_tensor(path) : nullptr;
    const auto module = root != nullptr ? root->find_submodule(path) : nullptr;
    if (node.op() == Opcode::get_attr && tensor != nullptr) {
      set_tensor(path, tensor->tensor, tensor->kind, tensor->persistent);
    } else if (!module || !add_submodule(path, module)) {
      throw Error(ErrorKind::invalid_graph,
                  "Node " + node.name() + " referenced target " + path + " but that target was not provided in root");
    }
  }
}

void GraphModule::set_graph(std::shared_ptr<Graph> graph) {
  if (!graph) throw Error(ErrorKind::invalid_argument, "a GraphModule needs a graph");
  graph_ = std::move(graph);
  frozen_->graph_edits = ~std::uint64_t{0};
  recompile();
}

/// What the graph calls. A GraphModule of the same runtime is linked by its core, which outlives it for as long as anybody may call it.
std::shared_ptr<const compile::ModuleTable> GraphModule::called_modules() const {
  const auto nodes = graph_->find_nodes(Opcode::call_module);
  if (nodes.empty()) return compile::nothing<compile::ModuleTable>();
  auto table = std::make_shared<compile::ModuleTable>();
  std::unordered_map<const detail::ModuleCore*, std::size_t> links;
  for (const Node node : nodes) {
    const std::string& path = node.target();
    const auto module = find_submodule(path);
    if (!module || table->entries.contains(path)) continue;
    compile::ModuleTable::Entry& entry = table->entries[path];
    const auto* graph_module = dynamic_cast<const GraphModule*>(module.get());
    if (graph_module != nullptr && &graph_module->core_->runtime() == &core_->runtime()) {
      const auto [at, is_new] = links.emplace(graph_module->core_.get(), table->linked.size());
      if (is_new) table->linked.push_back({graph_module->core_, path});
      entry.link = at->second;
      entry.identity = graph_module->core_.get();
    } else {
      entry.call = [module](std::span<const Value> inputs) { return module->call(inputs); };
      entry.identity = module.get();
    }
  }
  return table;
}

/// The tensors here and below, but for those of GraphModules, which others may be editing.
void GraphModule::freeze_tensors() {
  auto tensors = std::make_shared<compile::TensorTable>();
  frozen_->holds_graph_modules = false;
  std::vector<std::pair<std::string, const Module*>> pending{{"", this}};
  while (!pending.empty()) {
    const auto [prefix, module] = std::move(pending.back());
    pending.pop_back();
    for (const auto& [name, named] : module->tensors()) tensors->emplace(prefix + name, named.tensor);
    for (const auto& [name, child] : module->submodules()) {
      if (dynamic_cast<const GraphModule*>(child.get()) != nullptr) {
        frozen_->holds_graph_modules = true;
      } else {
        pending.emplace_back(prefix + name + ".", child.get());
      }
    }
  }
  frozen_->tensors = tensors->empty() ? compile::nothing<compile::TensorTable>() : std::move(tensors);
}

/// Tensors inside of GraphModules below that the graph names itself: read anew at every mark, by whoever edits both.
void GraphModule::freeze_borrowed() {
  std::shared_ptr<compile::TensorTable> fresh;
  for (const std::string& path : frozen_->borrowed) {
    const NamedTensor* named = find_tensor(path);
    const auto old = frozen_->tensors->find(path);
    if (named == nullptr || (old != frozen_->tensors->end() && old->second.is_same(named->tensor))) continue;
    if (!fresh) fresh = std::make_shared<compile::TensorTable>(*frozen_->tensors);
    fresh->insert_or_assign(path, named->tensor);
  }
  if (fresh) frozen_->tensors = std::move(fresh);
}

void GraphModule::mark(std::optional<std::chrono::nanoseconds> schedule_in, bool count) {
  core_->runtime().check_not_forked();
  const std::uint64_t edits = edit_count();
  const bool attributes_changed = edits != frozen_->edits || !frozen_->tensors;
  if (attributes_changed) {
    freeze_tensors();
    frozen_->subgraphs = subgraphs_below(*this);
  }
  // Which submodules are called is the graph's to say.
  const std::uint64_t graph_edits = graph_->edit_count();
  if (frozen_->holds_graph_modules) {
    if (attributes_changed || graph_edits != frozen_->graph_edits) {
      const auto before = std::exchange(frozen_->borrowed, {});
      const auto is_borrowed = [&](const std::string& path) { return std::find(before.begin(), before.end(), path) != before.end(); };
      for (const Node node : graph_->find_nodes(Opcode::get_attr)) {
        if (find_tensor(node.target()) != nullptr && (!frozen_->tensors->contains(node.target()) || is_borrowed(node.target()))) {
          frozen_->borrowed.push_back(node.target());
        }
      }
    }
    if (!frozen_->borrowed.empty()) freeze_borrowed();
  }
  if (attributes_changed || (graph_edits != frozen_->graph_edits && !submodules().empty())) {
    auto modules = called_modules();
    if (!frozen_->modules || !same_modules(*frozen_->modules, *modules)) frozen_->modules = std::move(modules);
  }
  frozen_->edits = edits;
  frozen_->graph_edits = graph_edits;
  compile::Source source;
  source.graph = graph_->freeze();
  source.tensors = frozen_->tensors;
  source.modules = frozen_->modules;
  source.subgraphs = frozen_->subgraphs;
  source.class_name = options_.class_name();
  core_->mark(std::move(source), schedule_in, count);
}

void GraphModule::recompile() {
  mark(std::nullopt, true);
  core_->wait_for(core_->generation());
}

Value GraphModule::call(std::span<const Value> inputs) { return core_->call(inputs); }
Value GraphModule::call(std::span<const Value> inputs, const ForwardOptions& options) { return core_->call(inputs, options); }

bool GraphModule::answers_now(detail::ModuleCore& core, const Inputs& inputs, const ForwardOptions& options, std::exception_ptr& error,
                              Value& value) noexcept {
  return detail::answers_now(core, inputs, options, error, value);
}

void GraphModule::start_forward(const std::shared_ptr<detail::ModuleCore>& core, Inputs inputs, const ForwardOptions& options,
                                detail::ForwardCompletion completion) {
  detail::start_forward(core, std::move(inputs), options, std::move(completion));
}

void GraphModule::start_ready(const std::shared_ptr<detail::ModuleCore>& core, Tier tier, const WaitOptions& options,
                              detail::ReadyCompletion completion) {
  detail::start_ready(core, tier, options, std::move(completion));
}

std::string GraphModule::code() const {
  const compile::Source source = core_->marked();
  return render_code(source.graph, source.class_name, subgraphs_of(source)).text;
}

std::string GraphModule::print_readable() const {
  const Snapshot graph = graph_->freeze();
  std::string text = render_code(graph, options_.class_name(), lazyfx::subgraphs_of(graph, *this)).text;
  for (const auto& [name, module] : submodules()) {
    const auto* child = dynamic_cast<const GraphModule*>(module.get());
    if (child == nullptr) continue;
    text += "\n# submodule " + name + "\n" + child->print_readable();
  }
  return text;
}

void GraphModule::lint() const {
  graph_->lint();
  for (const Node node : graph_->nodes()) {
    const std::string& target = node.target();
    const auto fail = [&](const std::string& what) { throw Error(ErrorKind::invalid_graph, "Node " + node.name() + " " + what); };
    switch (node.op()) {
      case Opcode::get_attr:
        if (find_tensor(target) == nullptr && !find_submodule(target))
          fail("references nonexistent attribute " + target + " of " + class_name());
        break;
      case Opcode::call_module:
        if (find_tensor(target) != nullptr) fail("target " + target + " does not reference a Module");
        if (!find_submodule(target)) fail("references nonexistent attribute " + target + " of " + class_name());
        break;
      case Opcode::call_function:
        if (!operators().find(target)) fail("calls " + target + ", but no operator of this name is registered");
        break;
      case Opcode::call_method:
        if (!operators().find_method(target)) fail("calls method " + target + ", but no method of this name is registered");
        break;
      default: break;
    }
  }
}

void GraphModule::delete_all_unused_submodules() {
  // Used: every step of a named path, and everything below a called module.
  std::set<std::string, std::less<>> used, called;
  const auto keep = [&](const std::string& path) {
    for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) used.insert(path.substr(0, dot));
    used.insert(path);
  };
  for (const Node node : graph_->nodes()) {
    for (const std::string& path : subgraph_paths(node, *this)) {
      keep(path);
      called.insert(path);
    }
    if (node.op() != Opcode::get_attr && node.op() != Opcode::call_module) continue;
    const std::string& path = node.target();
    keep(path);
    if (node.op() == Opcode::call_module) called.insert(path);
  }
  std::vector<std::pair<std::string, const Module*>> pending{{"", this}};
  std::vector<std::string> unused;
  while (!pending.empty()) {
    const auto [prefix, module] = pending.back();
    pending.pop_back();
    for (const auto& [name, child] : module->submodules()) {
      const std::string path = prefix.empty() ? name : prefix + "." + name;
      if (called.contains(path)) continue;
      if (used.contains(path))
        pending.emplace_back(path, child.get());
      else
        unused.push_back(path);
    }
  }
  for (const std::string& path : unused) delete_submodule(path);
}

bool GraphModule::needs_recompile() const noexcept { return core_->needs_recompile(); }
ModuleState GraphModule::state() const { return core_->state(); }
std::uint64_t GraphModule::generation() const noexcept { return core_->generation(); }

std::string to_string(const GraphModule& module) {
  std::string text = module.class_name() + "(";
  for (const auto& [name, child] : module.submodules()) text += "\n  (" + name + "): " + child->class_name();
  return text + (module.submodules().empty() ? ")\n\n" : "\n)\n\n") + module.code() +
         "\n# To see the graph as it is now, marked or not, use print_readable()\n";
}

std::ostream& operator<<(std::ostream& out, const GraphModule& module) { return out << to_string(module); }

}  // namespace lazyfx
