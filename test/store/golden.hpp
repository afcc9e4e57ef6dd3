#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/archive.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "modules.hpp"

/// The modules in the golden files, made anew.
namespace golden {

inline std::shared_ptr<lazyfx::LazyGraphModule> every_kind(lazyfx::Runtime& runtime) {
  lazyfx::LazyGraphModuleOptions options;
  options.class_name("Every").schedule(lazyfx::Schedule::on_demand);
  options.graph_module().first_generation(3);
  return std::make_shared<lazyfx::LazyGraphModule>(runtime, stored::every_kind(), nullptr, options);
}

inline std::shared_ptr<lazyfx::Module> tree(lazyfx::Runtime& runtime) {
  auto root = std::make_shared<lazyfx::Container>();
  root->set_submodule("every", every_kind(runtime));
  root->set_submodule("nested", stored::nested(runtime));
  root->set_submodule("scale", std::make_shared<stored::Scale>(2.5));
  return root;
}

/// Graphs that operators run, with tensors among their members and in metadata.
inline std::shared_ptr<lazyfx::LazyGraphModule> branching(lazyfx::Runtime& runtime) {
  const auto [graph, root] = stored::branching();
  const auto branch = root->find_submodule("choice.else_branch");
  branch->set_parameter("weight", lazyfx::Tensor::from<float>({1, 2}, lazyfx::Shape{2}));
  branch->find_submodule("plain")->set_buffer("count", lazyfx::Tensor::scalar<std::int64_t>(3), false);
  return std::make_shared<lazyfx::LazyGraphModule>(runtime, graph, root.get(), lazyfx::LazyGraphModuleOptions().class_name("Branching"));
}

inline void write_subgraphs_package(const std::filesystem::path& file, lazyfx::Runtime& runtime) {
  lazyfx::PackageExporter out(file);
  out.save_module("branching", *branching(runtime));
  out.close();
}

inline std::string code_of(const lazyfx::Graph& graph, const lazyfx::Module& root, const std::string& class_name) {
  const lazyfx::Snapshot snapshot = graph.freeze();
  return lazyfx::render_code(snapshot, class_name, lazyfx::subgraphs_of(snapshot, root)).text;
}

/// The texts in the golden files whose graphs are made here, by file.
inline std::map<std::string, std::string> code() {
  const auto [graph, root] = stored::branching();
  return {{"code-1-arguments.fx", code_of(*stored::every_kind(), lazyfx::Container(), "Every kind")},
          {"code-1-unusual.fx", code_of(*stored::unusual(), lazyfx::Container(), {})},
          {"code-1-subgraphs.fx", code_of(*graph, *root, "Branching")}};
}

inline void write_package(const std::filesystem::path& file, lazyfx::Runtime& runtime) {
  lazyfx::PackageExporter out(file, lazyfx::ExportOptions().reconstructors(stored::with_scale()));
  out.extern_("my::op");
  out.save_module("tree", *tree(runtime));
  out.save_text("notes", "read.me", "hello");
  out.close();
}

}  // namespace golden
