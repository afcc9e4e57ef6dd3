// Stability: stable.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/ops/registry.hpp"
#include "lazyfx/store/dependency_report.hpp"
#include "lazyfx/store/glob.hpp"
#include "lazyfx/store/reduce.hpp"
#include "lazyfx/store/store_error.hpp"

namespace lazyfx {

/// Everything that keeps a package from being made, at once.
class LAZYFX_API PackagingError : public StoreError {
 public:
  PackagingError(const std::string& message, DependencyReport report);
  const DependencyReport& report() const noexcept { return *report_; }

 private:
  std::shared_ptr<const DependencyReport> report_;
};

class ExportOptions {
 public:
  ExportOptions() : operators_(OperatorRegistry::standard()) {}
  /// The operators that ship need no rule; others do. Default: the standard ones, whose effects are recorded.
  ExportOptions& operators(OperatorRegistry registry) {
    operators_ = std::move(registry);
    return *this;
  }
  ExportOptions& reconstructors(Reconstructors known) {
    reconstructors_ = std::move(known);
    return *this;
  }
  const OperatorRegistry& operators() const noexcept { return operators_; }
  const Reconstructors& reconstructors() const noexcept { return reconstructors_; }

 private:
  OperatorRegistry operators_;
  Reconstructors reconstructors_;
};

/// Writes a package, after torch.package's PackageExporter: a zip file of modules, their tensors (each content once) and resources.
///
/// Rules say by name what becomes of operators ("my::op") and submodules ("model.blocks.0", beginning with the name saved under); the
/// first that matches holds. Submodules without a rule are interned: stored. Operators are never stored: those that ship are extern without
/// a rule, any other needs one. extern: the importing host brings it. mock: it may be absent; calling it fails. deny: may not occur.
///
/// One thread. save_* takes what there is now (tensors shared) and refuses a name given twice or unsafe (Error(invalid_argument)); nothing
/// is written before close(), and nothing at all without it.
class LAZYFX_API PackageExporter {
 public:
  explicit PackageExporter(std::filesystem::path file, ExportOptions options = {});
  ~PackageExporter();
  PackageExporter(const PackageExporter&) = delete;
  PackageExporter& operator=(const PackageExporter&) = delete;

  /// With allow_empty false, close() fails when nothing matched.
  void intern(Glob names, bool allow_empty = true);
  void extern_(Glob names, bool allow_empty = true);
  void mock(Glob names, bool allow_empty = true);
  void deny(Glob names);

  void save_module(const std::string& name, const Module& module);
  void save_text(const std::string& package, const std::string& resource, std::string_view text);
  void save_binary(const std::string& package, const std::string& resource, std::span<const std::byte> bytes);
  /// "0", "1", ...: never the same twice in this package.
  std::string get_unique_id();

  /// Called inside close(), in the order of registration, with each name that got the action.
  void on_intern(std::function<void(const std::string&)> hook);
  void on_extern(std::function<void(const std::string&)> hook);
  void on_mock(std::function<void(const std::string&)> hook);

  const DependencyReport& dependencies() const noexcept;

  /// Checks everything, then writes the file in one step (a kill leaves the old one or the new one). Throws PackagingError with every problem,
  /// StoreError(unwritable), or what a hook throws; nothing is written then.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lazyfx
