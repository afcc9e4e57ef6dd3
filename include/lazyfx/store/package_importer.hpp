// Stability: stable. The layout is specified in docs/format.md.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "lazyfx/store/archive.hpp"
#include "lazyfx/store/glob.hpp"

namespace lazyfx {

/// How a package is read. Chain the setters.
class PackageOptions {
 public:
  PackageOptions() {}
  PackageOptions& load(LoadOptions options) {
    load_ = std::move(options);
    return *this;
  }
  /// What the package left to its host, under the name that it had there.
  PackageOptions& extern_module(std::string name, std::shared_ptr<Module> module) {
    externs_.insert_or_assign(std::move(name), std::move(module));
    return *this;
  }
  /// Read the file instead of mapping it: for files that others may rewrite in place. Default: mapped.
  PackageOptions& copy(bool copy) noexcept {
    copy_ = copy;
    return *this;
  }

  const LoadOptions& load() const noexcept { return load_; }
  const std::map<std::string, std::shared_ptr<Module>, std::less<>>& externs() const noexcept { return externs_; }
  bool copy() const noexcept { return copy_; }

 private:
  LoadOptions load_;
  std::map<std::string, std::shared_ptr<Module>, std::less<>> externs_;
  bool copy_ = false;
};

/// Reads a package, or the folder into which one was unpacked, after torch.package's PackageImporter; runs nothing of it. Opening reads the directory and the manifest, whose digest is
/// checked first. Tensors are used where they lie in the mapped file: memory grows with what is touched, and processes share it. Their
/// digests are checked at their first use by a compile, or by verify().
///
/// Threads: any number at once. Several importers do not know of each other. What was loaded keeps the file mapped.
/// Fails with StoreError naming file and entry.
class LAZYFX_API PackageImporter {
 public:
  explicit PackageImporter(const std::filesystem::path& file, PackageOptions options = {});
  ~PackageImporter();
  PackageImporter(const PackageImporter&) = delete;
  PackageImporter& operator=(const PackageImporter&) = delete;

  /// A new module each time; tensors are shared. Operators that it needs and the runtime lacks are StoreError(incompatible), all named.
  std::shared_ptr<Module> load_module(std::string_view name, Runtime& runtime) const;
  /// StoreError(incompatible) when the module is no graph module.
  std::shared_ptr<GraphModule> load_graph_module(std::string_view name, Runtime& runtime) const;
  std::string load_text(std::string_view package, std::string_view resource) const;
  std::span<const std::byte> load_binary(std::string_view package, std::string_view resource) const;  ///< valid while the importer lives
  /// The readable code that was saved beside a module.
  std::string load_code(std::string_view name) const;

  std::vector<std::string> modules() const;
  std::vector<std::string> extern_modules() const;  ///< what load_module asks the host for
  std::vector<std::string> operators() const;  ///< that the modules call
  /// Names and sizes of the entries that match.
  std::vector<std::pair<std::string, std::uint64_t>> file_structure(const Glob& names = Glob("**")) const;
  std::span<const std::byte> entry(std::string_view name) const;  ///< unchecked bytes of one; valid while the importer lives

  /// Checks every digest and check sum, that every graph passes lint and that `operators` has what they call. Makes no module. Throws at
  /// the first thing wrong.
  void verify(const OperatorRegistry& operators) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lazyfx
