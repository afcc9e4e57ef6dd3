#include "lazyfx/store/package_importer.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "store/frame.hpp"
#include "store/graph_table.hpp"
#include "store/input_archive.hpp"
#include "store/manifest.hpp"
#include "store/output_archive.hpp"
#include "store/package_layout.hpp"
#include "store/package_source.hpp"
#include "store/sha256.hpp"
#include "store/state.hpp"
#include "store/tensor_bytes.hpp"
#include "store/zip.hpp"

namespace lazyfx {

using namespace store;

struct PackageImporter::Impl {
  Impl(const std::filesystem::path& f, PackageOptions o)
      : file(f.string()), options(std::move(o)), source(open_package(f, options.copy(), limits().entries())) {
    const auto found = zip.entries.find(manifest_entry);
    if (found == zip.entries.end()) fail(StoreFault::corrupted, "it is no package: it has no manifest");
    const auto bytes = found->second.content;
    constexpr std::uint64_t json_growth = 32;  // what a parsed byte may take in memory
    if (bytes.size() > limits().memory() / json_growth) fail(StoreFault::too_large, "its manifest is beyond the limit of memory");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    check_seal(zip.comment, text, file);
    manifest = manifest_from_json(text, file);
    check_entries();
  }

  const StoreLimits& limits() const noexcept { return options.load().limits(); }
  [[noreturn]] void fail(StoreFault fault, const std::string& what) const { throw StoreError(fault, file + ": " + what); }

  void check_entries() const {
    for (const auto& [name, entry] : zip.entries) {
      if (name == manifest_entry) continue;
      const auto listed = manifest.files.find(name);
      if (listed == manifest.files.end()) fail(StoreFault::corrupted, "entry " + name + " is not in the manifest");
      if (listed->second.size != entry.content.size()) {
        fail(StoreFault::corrupted, "entry " + name + " has " + std::to_string(entry.content.size()) + " of its " +
                                        std::to_string(listed->second.size) + " bytes");
      }
    }
    for (const auto& [name, listed] : manifest.files) {
      if (!zip.entries.contains(name)) fail(StoreFault::corrupted, "entry " + name + " is missing");
    }
  }

  std::span<const std::byte> content(const std::string& name) const {
    const auto found = zip.entries.find(name);
    if (found == zip.entries.end()) fail(StoreFault::not_found, "it has no entry " + name);
    return found->second.content;
  }

  std::span<const std::byte> checked(const std::string& name) const {
    const auto bytes = content(name);
    if (sha256(bytes) != manifest.files.find(name)->second.sha256) fail(StoreFault::corrupted, "entry " + name + " is damaged");
    return bytes;
  }

  Description describe(std::string_view module) const {
    const std::string name = graph_entry(module);
    if (!zip.entries.contains(name)) fail(StoreFault::not_found, "it has no module " + std::string(module));
    const std::string place = file + ": module " + std::string(module);
    const auto sections = open_frame(checked(name), place);
    if (sections.empty() || sections[0].tag != state_tag) fail(StoreFault::corrupted, "module " + std::string(module) + " has no state");
    Description description;
    InputArchive archive(sections[0].bytes, limits().memory(), place);
    archive >> description;
    archive.finish();
    return description;
  }

  Tensor tensor(const TensorRow& row, TensorCheck check) const {
    if (row.sha256.size() != sha256_size) fail(StoreFault::corrupted, "a tensor has no digest");
    const std::string name = tensor_entry(to_hex(row.sha256));
    const auto bytes = content(name);
    try {
      return tensor_from_bytes(row, bytes, source.owner, file + ": " + name, check);
    } catch (const Error& e) { fail(StoreFault::corrupted, name + ": " + e.what()); }
  }

  // Modules of one package share their tensors, whichever thread loads them.
  std::vector<Tensor> tensors(const Description& description) const {
    std::vector<Tensor> loaded;
    const std::lock_guard lock(mutex);
    for (const TensorRow& row : description.tensors) {
      OutputArchive key;
      key << row;
      Tensor& known = shared[key.take()];
      if (!known.defined()) known = tensor(row, TensorCheck::at_first_use);
      loaded.push_back(known);
    }
    return loaded;
  }

  void check_operators(const Description& description, const OperatorRegistry& registry, std::string_view module) const {
    std::string missing;
    for (const std::string& name : operators_of(description)) {
      const auto known = registry.find(name);
      const auto needed = std::find_if(manifest.operators.begin(), manifest.operators.end(), [&](const auto& o) { return o.name == name; });
      if (needed != manifest.operators.end() && needed->mocked) continue;
      if (!known) {
        missing += ", " + name + " (not found)";
      } else if (needed != manifest.operators.end() && needed->effect && *needed->effect != known->effect) {
        missing += ", " + name + " (of another effect)";
      }
    }
    if (!missing.empty()) {
      fail(StoreFault::incompatible, "module " + std::string(module) + " needs operators that are not here: " + missing.substr(2));
    }
  }

  const std::string file;
  const PackageOptions options;
  const PackageSource source;
  const ZipDirectory& zip = source.directory;
  Manifest manifest;
  mutable std::mutex mutex;
  mutable std::unordered_map<std::string, Tensor> shared;  // protected by mutex
};

PackageImporter::PackageImporter(const std::filesystem::path& file, PackageOptions options)
    : impl_(std::make_unique<Impl>(file, std::move(options))) {}
PackageImporter::~PackageImporter() = default;

std::shared_ptr<Module> PackageImporter::load_module(std::string_view name, Runtime& runtime) const {
  const Description description = impl_->describe(name);
  impl_->check_operators(description, runtime.operators(), name);
  const auto tensors = impl_->tensors(description);
  const LoadOptions& load = impl_->options.load();
  auto module = store::rebuild(
      description, tensors,
      {runtime, load.reconstructors(), load.limits(), impl_->file + ": module " + std::string(name), &impl_->options.externs()});
  if (load.schedule_on_load()) {
    if (auto* lazy = dynamic_cast<LazyGraphModule*>(module.get())) lazy->prefetch();
  }
  return module;
}

std::shared_ptr<GraphModule> PackageImporter::load_graph_module(std::string_view name, Runtime& runtime) const {
  if (auto module = std::dynamic_pointer_cast<GraphModule>(load_module(name, runtime))) return module;
  impl_->fail(StoreFault::incompatible, "module " + std::string(name) + " is no graph module");
}

std::string PackageImporter::load_text(std::string_view package, std::string_view resource) const {
  const auto bytes = load_binary(package, resource);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> PackageImporter::load_binary(std::string_view package, std::string_view resource) const {
  return impl_->checked(resource_entry(package, resource));
}

std::string PackageImporter::load_code(std::string_view name) const {
  const auto bytes = impl_->checked(code_entry(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> PackageImporter::modules() const { return impl_->manifest.modules; }
std::vector<std::string> PackageImporter::extern_modules() const { return impl_->manifest.extern_modules; }

std::vector<std::string> PackageImporter::operators() const {
  std::vector<std::string> names;
  for (const auto& needed : impl_->manifest.operators) names.push_back(needed.name);
  return names;
}

std::vector<std::pair<std::string, std::uint64_t>> PackageImporter::file_structure(const Glob& names) const {
  std::vector<std::pair<std::string, std::uint64_t>> files;
  for (const auto& [name, entry] : impl_->zip.entries) {
    if (names.matches(name)) files.emplace_back(name, entry.content.size());
  }
  return files;
}

std::span<const std::byte> PackageImporter::entry(std::string_view name) const { return impl_->content(std::string(name)); }

void PackageImporter::verify(const OperatorRegistry& operators) const {
  for (const auto& [name, entry] : impl_->zip.entries) {
    if (name != manifest_entry) impl_->checked(name);
    if (entry.crc && crc_of(entry.content) != *entry.crc)
      impl_->fail(StoreFault::corrupted, "entry " + name + " does not match its check sum");
  }
  for (const std::string& name : impl_->manifest.modules) {
    const Description description = impl_->describe(name);
    impl_->check_operators(description, operators, name);
    std::vector<Tensor> tensors;
    for (const TensorRow& row : description.tensors) tensors.push_back(impl_->tensor(row, TensorCheck::now));
    for (const GraphTable& graph : description.graphs) {
      try {
        rebuild_graph(graph, description.strings, tensors, impl_->limits().node_ids());
      } catch (const StoreError&) { throw; } catch (const Error& e) {
        impl_->fail(StoreFault::corrupted, "module " + name + ": " + e.what());
      }
    }
  }
}

}  // namespace lazyfx
