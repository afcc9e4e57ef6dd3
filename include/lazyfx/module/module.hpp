// Stability: stable.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/value.hpp"

namespace lazyfx {

/// The positional inputs of a call. One value converts by itself, `m.forward(x)`; more are written `Inputs(x, y)`: no braces, which
/// g++ 12 destroys twice beside co_await.
class Inputs {
 public:
  Inputs() = default;
  Inputs(std::vector<Value> values) : values_(std::move(values)) {}  // NOLINT(google-explicit-constructor)
  Inputs(Value value) { values_.push_back(std::move(value)); }       // NOLINT(google-explicit-constructor)
  Inputs(Tensor tensor) { values_.emplace_back(std::move(tensor)); } // NOLINT(google-explicit-constructor)
  template <class... V>
  explicit Inputs(Value first, Value second, V&&... rest) {
    values_.reserve(2 + sizeof...(rest));
    values_.push_back(std::move(first));
    values_.push_back(std::move(second));
    (values_.emplace_back(std::forward<V>(rest)), ...);
  }
  const std::vector<Value>& values() const noexcept { return values_; }
  std::vector<Value>& values() noexcept { return values_; }

 private:
  std::vector<Value> values_;
};

/// A node of a tree of modules, after torch.nn.Module: named tensors (parameters and buffers) and named submodules, found by dotted
/// paths ("layers.0.weight"). Derive from it to bring a leaf of your own; graphs reach it by call_module and get_attr.
/// Thread safety: one editor at a time; call() from any thread while nobody edits (a GraphModule also while edited).
class LAZYFX_API Module {
 public:
  enum class TensorKind : std::uint8_t { parameter, buffer };
  struct NamedTensor {
    Tensor tensor;
    TensorKind kind = TensorKind::buffer;
    bool persistent = true;  ///< part of the saved state
  };

  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Runs the module on the calling thread and returns its result. May be called from several threads at once.
  virtual Value call(std::span<const Value> inputs) = 0;
  Value operator()(const Inputs& inputs) { return call(inputs.values()); }

  // Names are single path atoms, any text without a dot, not empty; a name is either a tensor or a submodule. What breaks that, an
  // undefined tensor, a null module, and a module that contains the one it is put into throw Error(invalid_argument).
  void set_parameter(const std::string& name, Tensor tensor);
  void set_buffer(const std::string& name, Tensor tensor, bool persistent = true);
  void set_submodule(const std::string& name, std::shared_ptr<Module> module);
  /// Removes the tensor or submodule called `name`; false if there is none.
  bool remove(const std::string& name);

  const std::map<std::string, NamedTensor, std::less<>>& tensors() const noexcept { return tensors_; }
  const std::map<std::string, std::shared_ptr<Module>, std::less<>>& submodules() const noexcept { return submodules_; }

  /// By dotted path from here; nullptr when any step is missing. The pointer is valid until the next edit.
  const NamedTensor* find_tensor(std::string_view path) const;
  std::shared_ptr<Module> find_submodule(std::string_view path) const;
  /// Puts `module` at a dotted path, making empty modules on the way; false, with nothing changed, if a step is a tensor.
  bool add_submodule(std::string_view path, std::shared_ptr<Module> module);
  /// Removes the submodule at a dotted path; false if none stands there.
  bool delete_submodule(std::string_view path);
  /// Sets a tensor at a dotted path, keeping kind and persistence where one stands already, making modules on the way. Throws
  /// Error(invalid_argument), with nothing changed, if a step on the way is a tensor or the last one a submodule.
  void set_tensor(std::string_view path, Tensor tensor, TensorKind kind = TensorKind::buffer, bool persistent = true);
  /// All tensors below, by dotted path, sorted.
  std::vector<std::pair<std::string, NamedTensor>> named_tensors() const;

  /// Counts edits of this module and everything below it; equal numbers mean nothing changed in between. Cost: one visit per module,
  /// and no allocation without submodules. A GraphModule below has an editor of its own and is not looked into.
  std::uint64_t edit_count() const;

  /// Shown by printing: "GraphModule", a user's own.
  virtual std::string class_name() const { return "Module"; }

 protected:
  /// Others may edit it while whoever holds it is edited.
  virtual bool is_edited_apart() const noexcept { return false; }

  std::uint64_t edits_ = 0;

 private:
  // How far a path leads: the last module on it, how many steps that is, and whether a tensor stands in the way of the next.
  struct Place {
    Module* module;
    std::size_t depth;
    bool blocked;
  };
  Place descend(std::span<const std::string_view> parents);
  void put_tensor(const std::string& name, NamedTensor tensor);
  void forget(const Module* removed);
  bool reaches(const Module& other) const;
  template <class Visit> bool visit_tree(bool all, Visit&& visit) const;

  std::map<std::string, NamedTensor, std::less<>> tensors_;
  std::map<std::string, std::shared_ptr<Module>, std::less<>> submodules_;
  std::atomic<bool> is_submodule_{false};  // ever put into another: only then can a module given to it contain it
};

/// A module that only holds others; calling it throws Error(invalid_argument).
class LAZYFX_API Container : public Module {
 public:
  Value call(std::span<const Value> inputs) override;
  std::string class_name() const override { return "Container"; }
};

}  // namespace lazyfx
