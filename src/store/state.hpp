#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lazyfx/store/reduce.hpp"
#include "lazyfx/store/store_error.hpp"
#include "store/description.hpp"

namespace lazyfx::store {

/// A description and the tensors that its rows stand for. The rows' dtype and dims are set, the rest when they are written.
struct State {
  Description description;
  std::vector<Tensor> tensors;
};

inline constexpr const char* graph_module_name = "lazyfx.reduce_graph_module";
inline constexpr const char* container_name = "lazyfx.Container";
inline constexpr const char* subgraph_name = "lazyfx.Subgraph";
inline constexpr const char* extern_name = "lazyfx.Extern";  ///< state: its dotted name
inline constexpr const char* mock_name = "lazyfx.Mock";      ///< state: its dotted name

/// What becomes of a submodule: stored, or only named.
enum class Presence { stored, named_extern, named_mock };
using PresenceOf = std::function<Presence(const std::string& dotted_path)>;

/// `root_name` stands for the module in messages, and begins the paths that `presence` is asked about.
std::shared_ptr<const State> describe(const Module& root, const Reconstructors& reconstructors, const std::string& root_name = "root",
                                      const PresenceOf& presence = {});

/// Modules that a package left to its host.
using ExternModules = std::map<std::string, std::shared_ptr<Module>, std::less<>>;

struct RebuildContext {
  Runtime& runtime;
  const Reconstructors& reconstructors;
  StoreLimits limits;
  std::string place;  ///< begins the messages
  const ExternModules* externs = nullptr;
};
/// Trusts no index, count or number in the description.
std::shared_ptr<Module> rebuild(const Description& description, const std::vector<Tensor>& tensors, const RebuildContext& context);

/// The names of the operators that the graphs call, sorted.
std::vector<std::string> operators_of(const Description& description);

}  // namespace lazyfx::store
