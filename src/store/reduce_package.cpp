#include "lazyfx/store/reduce_package.hpp"

namespace lazyfx {
namespace {
constexpr const char* reconstructor = "lazyfx.reduce_package_graph_module";
}  // namespace

PackageReduced reduce_package(const GraphModule& module, PackageExporter& exporter) {
  std::string name = "fx-generated._" + exporter.get_unique_id();
  exporter.save_module(name, module);
  return {reconstructor, std::move(name)};
}

std::shared_ptr<GraphModule> reduce_package_graph_module(const PackageImporter& importer, const PackageReduced& reduced, Runtime& runtime) {
  if (reduced.reconstructor != reconstructor) {
    throw StoreError(StoreFault::incompatible, "'" + reduced.reconstructor + "' is not " + reconstructor);
  }
  return importer.load_graph_module(reduced.module, runtime);
}

}  // namespace lazyfx
