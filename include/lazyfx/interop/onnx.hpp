// Stability: stable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/module/module.hpp"
#include "lazyfx/ops/registry.hpp"
#include "lazyfx/tensor/type.hpp"

namespace lazyfx::onnx {

/// How the bytes of a model reach its tensors. share: the file stays mapped while a tensor points into it, so it may be replaced by rename
/// but must not be rewritten in place. copy: the file is read once and never looked at again; costs one more pass over it.
enum class Mapping : std::uint8_t { share, copy };

/// Chain the setters: `ImportOptions().mapping(Mapping::copy)`.
class ImportOptions {
 public:
  ImportOptions() {}
  /// Default: share.
  ImportOptions& mapping(Mapping how) noexcept {
    mapping_ = how;
    return *this;
  }
  /// Where files of external data lie; nothing outside is ever opened. Default: the folder of the model file; for a model in memory
  /// none, and external data is refused.
  ImportOptions& data_folder(std::filesystem::path folder) {
    data_folder_ = std::move(folder);
    return *this;
  }

  Mapping mapping() const noexcept { return mapping_; }
  const std::filesystem::path& data_folder() const noexcept { return data_folder_; }

 private:
  Mapping mapping_ = Mapping::share;
  std::filesystem::path data_folder_;
};

/// What flows through a port: a tensor, a sequence of tensors (a list), or an optional one of these (itself, or none).
enum class PortKind : std::uint8_t { tensor, sequence, optional };

/// A graph input or output under its ONNX name. The type is what the file declares: inputs that are tensors always have one, outputs may not.
struct Port {
  std::string name;
  std::optional<TensorType> type;
  PortKind kind = PortKind::tensor;
};

/// A model file as a graph that nobody has compiled yet. The caller owns all of it; make a module with
/// `LazyGraphModule(runtime, model.graph, model.root.get())`.
struct ImportedModel {
  /// One placeholder per input that is not an initializer, in the file's order; call_function nodes named after the operators of the
  /// registry, ONNX inputs as positional arguments (none where one is left out), attributes as keyword arguments; the output node
  /// returns the tensor itself, or a tuple when there are several. Node metadata "onnx_name" keeps the file's spelling.
  std::shared_ptr<Graph> graph;
  /// Initializers and Constant nodes that are used, as parameters named after them (only letters, digits and underscores).
  std::shared_ptr<Module> root;
  std::vector<Port> inputs, outputs;
  int opset = 0;  ///< version of ONNX's own operator set that the file was written for
  std::string producer;  ///< "pytorch 1.13.1"; may be empty
};

/// Reads an ONNX model file: IR version 3 and later, every opset as far as `operators` knows the versions. Weights are used where
/// they lie in the file; small ones, and those that the file did not align for their element type, are copied. The graphs that control flow
/// holds become Subgraphs below the root; what they read of the graph around them becomes inputs of theirs and of the node. Sparse tensors,
/// maps and model-local functions are not supported. Nodes may come in any order that has no cycle.
///
/// Threads: any; nothing is shared between calls. Cost: linear in the file, recursion only as deep as graphs are nested (32 at most), memory
/// bounded by the file's size.
/// Fails with one sentence that names the file and every problem found (operators counted, first node named): Error(invalid_model) when
/// the file cannot be read or is damaged or contradicts itself, else Error(unsupported) when it asks for what is not known here.
LAZYFX_API ImportedModel import_model(const std::filesystem::path& file, const OperatorRegistry& operators, ImportOptions options = {});

/// The same from memory that `owner` keeps alive and nobody writes to while a tensor lives (with Mapping::copy: during the call).
/// `display_name` stands for the file in messages.
LAZYFX_API ImportedModel import_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const std::string& display_name,
                                      const OperatorRegistry& operators, ImportOptions options = {});

/// Reads a file that holds one TensorProto, as ONNX's own test data do (input_0.pb). Threads and ownership as above; fails with one
/// sentence that names the file: Error(invalid_model), or Error(unsupported) for an element type that is not known here.
LAZYFX_API Tensor import_tensor(const std::filesystem::path& file);
/// The same for a file that holds a TensorProto, SequenceProto or OptionalProto, as `kind` says.
LAZYFX_API Value import_value(const std::filesystem::path& file, PortKind kind);

}  // namespace lazyfx::onnx
