// Stability: experimental.
#pragma once

#include <memory>
#include <string>

#include "lazyfx/export.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace lazyfx {

/// After torch.fx's `__reduce_package__`: the name of what rebuilds a graph module from a package, and the name that it was saved under there.
struct PackageReduced {
  std::string reconstructor;  ///< "lazyfx.reduce_package_graph_module"
  std::string module;  ///< "fx-generated._0"
};

/// Saves `module` into the package under a name of its own, for a format that keeps only references: what it returns is enough to have the
/// module again. Neither compiles nor marks. Editor's thread of the module, and the exporter's. Throws Error(invalid_argument) when the
/// exporter is closed; what cannot be saved is told by PackageExporter::close().
LAZYFX_API PackageReduced reduce_package(const GraphModule& module, PackageExporter& exporter);

/// The reconstructor of the same name: a new module each time. Any thread. Throws StoreError(incompatible) for a `reduced` of another
/// reconstructor, else as PackageImporter::load_module does.
LAZYFX_API std::shared_ptr<GraphModule> reduce_package_graph_module(const PackageImporter& importer, const PackageReduced& reduced,
                                                                    Runtime& runtime);

}  // namespace lazyfx
