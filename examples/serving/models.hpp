#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>

namespace serving {

/// What clients know a model by: its module, for good, and the names of the present graph's inputs and outputs.
struct Model {
  std::mutex editing;  ///< one editor at a time; calls need no lock
  std::shared_ptr<lazyfx::LazyGraphModule> module;
  std::shared_ptr<const lazyfx::onnx::ImportedModel> ports;  // protected by editing
};

/// Models by name. Any thread may call. The runtime outlives it.
class Models {
 public:
  explicit Models(lazyfx::Runtime& runtime) : runtime_(runtime) {}

  /// Reads an ONNX file or a text graph and starts its compile. True if the name is new, else that model is replaced: calls made from now on wait for the
  /// new graph, those under way are answered by the old one. Throws lazyfx::Error for a file that is no model, and changes nothing.
  bool put(const std::string& name, std::string file);
  /// null if there is none.
  std::shared_ptr<Model> find(const std::string& name) const;
  /// Calls under way hold what they need.
  void erase(const std::string& name);
  std::map<std::string, std::shared_ptr<Model>> all() const;

 private:
  lazyfx::Runtime& runtime_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Model>> models_;  // protected by mutex_
};

}  // namespace serving
