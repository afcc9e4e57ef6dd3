// Stability: stable.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>

#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/export.hpp"
#include "lazyfx/module/module.hpp"
#include "lazyfx/store/limits.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx {

namespace store {
struct State;
}

/// What a module is made of, by value: its graphs as they are now, tensors (shared, not copied), submodules, generation, laziness and
/// schedule. Immutable; readable from any thread. What was compiled is no part of it, and neither are hooks.
class LAZYFX_API ReducedState {
 public:
  ReducedState() = default;
  explicit ReducedState(std::shared_ptr<const store::State> state) noexcept : state_(std::move(state)) {}
  bool defined() const noexcept { return state_ != nullptr; }
  const store::State& tables() const noexcept { return *state_; }

  /// Equal in every respect that is saved: ids, names, order, arguments, types, metadata, attributes bit for bit, generations.
  friend LAZYFX_API bool operator==(const ReducedState& a, const ReducedState& b);

 private:
  std::shared_ptr<const store::State> state_;
};

/// After torch.fx's `__reduce__`: the name of what rebuilds the module, and from what.
struct Reduced {
  std::string reconstructor;
  ReducedState state;
};

/// How modules of a user's own types are reduced and rebuilt, by name: a value, given to whoever saves or loads. Graph modules and
/// Containers need no entry. Not synchronised while being filled; read from any thread afterwards.
class LAZYFX_API Reconstructors {
 public:
  /// `reduce` says what a module of exactly type M is beyond its tensors and submodules, which are saved by themselves, and is called once
  /// a module. `rebuild` makes one from that; tensors and submodules are put into it afterwards. Throws Error(invalid_argument) when name
  /// or type is taken. Names that begin with "lazyfx." are ours.
  template <class M>
  void add(std::string name, std::function<Value(const M&)> reduce, std::function<std::shared_ptr<Module>(const Value&)> rebuild) {
    add(
        std::move(name), typeid(M), [reduce = std::move(reduce)](const Module& m) { return reduce(static_cast<const M&>(m)); },
        std::move(rebuild));
  }

  using Reduce = std::function<Value(const Module&)>;
  using Rebuild = std::function<std::shared_ptr<Module>(const Value&)>;
  const Rebuild* find(std::string_view name) const;
  const std::pair<std::string, Reduce>* find(std::type_index type) const;

 private:
  void add(std::string name, std::type_index type, Reduce reduce, Rebuild rebuild);

  std::map<std::string, Rebuild, std::less<>> by_name_;
  std::map<std::type_index, std::pair<std::string, Reduce>> by_type_;
};

/// Describes a module and everything below it as it is now, edits never marked included; neither compiles nor marks. Editor's thread.
/// Cost: linear in the graph and the number of tensors; elements are shared.
/// Throws Error(unsupported) naming the path of what cannot be saved ("root.blocks[1].scale"), Error(invalid_graph) for a graph that
/// breaks a rule, Error(user_code) for what a reducer throws.
LAZYFX_API Reduced reduce(const Module& module, const Reconstructors& reconstructors = {});

/// Makes the module again: ids, names, metadata, attributes with their persistence, generation, laziness and schedule as they were. Lazy
/// graph modules are dirty and schedule nothing; eager ones compile, which throws CompileError. What was saved decides about laziness, not
/// UseLazyGraphModule; under ForceSkipLazyGraphModule all are eager. Throws StoreError naming the place when the state asks for what is
/// not known here.
LAZYFX_API std::shared_ptr<Module> rebuild(const Reduced& reduced, Runtime& runtime, const Reconstructors& reconstructors = {});

/// The reconstructor of graph modules, "lazyfx.reduce_graph_module", by itself. Throws StoreError(incompatible) for another module's state.
class GraphModule;
LAZYFX_API std::shared_ptr<GraphModule> reduce_graph_module(const ReducedState& state, Runtime& runtime,
                                                            const Reconstructors& reconstructors = {});

/// rebuild(reduce(module)): shares elements of tensors and nothing else.
LAZYFX_API std::shared_ptr<Module> deep_copy(const Module& module, Runtime& runtime, const Reconstructors& reconstructors = {});

}  // namespace lazyfx
