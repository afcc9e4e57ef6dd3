#pragma once

#include <filesystem>
#include <memory>
#include <string>

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

inline void write_package(const std::filesystem::path& file, lazyfx::Runtime& runtime) {
  lazyfx::PackageExporter out(file, lazyfx::ExportOptions().reconstructors(stored::with_scale()));
  out.extern_("my::op");
  out.save_module("tree", *tree(runtime));
  out.save_text("notes", "read.me", "hello");
  out.close();
}

}  // namespace golden
