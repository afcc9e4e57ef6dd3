// Stability: stable. The bytes are specified in docs/format.md; files of every version are read for ever.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "lazyfx/export.hpp"
#include "lazyfx/store/limits.hpp"
#include "lazyfx/store/reduce.hpp"
#include "lazyfx/store/store_error.hpp"

namespace lazyfx {

/// How an archive is read. Chain the setters.
class LoadOptions {
 public:
  LoadOptions() {}
  /// What user modules are made with. Default: none are known.
  LoadOptions& reconstructors(Reconstructors known) {
    reconstructors_ = std::move(known);
    return *this;
  }
  LoadOptions& limits(StoreLimits limits) noexcept {
    limits_ = limits;
    return *this;
  }
  /// Lazy graph modules begin to compile in the background as soon as they are loaded. Default: no.
  LoadOptions& schedule_on_load(bool schedule) noexcept {
    schedule_on_load_ = schedule;
    return *this;
  }

  const Reconstructors& reconstructors() const noexcept { return reconstructors_; }
  const StoreLimits& limits() const noexcept { return limits_; }
  bool schedule_on_load() const noexcept { return schedule_on_load_; }

 private:
  Reconstructors reconstructors_;
  StoreLimits limits_;
  bool schedule_on_load_ = false;
};

/// A module, its graphs and tensors as one string of bytes, equal for equal modules and on every machine. Editor's thread; neither compiles
/// nor marks. Throws as reduce() does.
LAZYFX_API std::string save_to_bytes(const Module& module, const Reconstructors& reconstructors = {});

/// Makes the module again, exactly (see rebuild() about laziness). Any thread. Safe on any bytes: digests are checked before anything is
/// parsed, sizes before anything is allocated. `display_name` stands for the file in messages. Tensors are copies.
/// Throws StoreError; CompileError when a saved eager module does not compile here.
LAZYFX_API std::shared_ptr<Module> load_from_bytes(std::span<const std::byte> bytes, Runtime& runtime, const LoadOptions& options = {},
                                                   const std::string& display_name = "archive");

/// The same through a file. Saving is atomic: a kill at any moment leaves the old file or the new one. Loading maps the file and uses large
/// tensors where they lie, so replace it by rename only.
LAZYFX_API void save_to_file(const std::filesystem::path& file, const Module& module, const Reconstructors& reconstructors = {});
LAZYFX_API std::shared_ptr<Module> load_from_file(const std::filesystem::path& file, Runtime& runtime, const LoadOptions& options = {});

/// What an archive says of a module, by Boost's stock text and XML archives: to look at and compare, never read back (those formats are not
/// safe on foreign bytes). Elements of tensors are left out. Throw StoreError(unwritable) when the stream refuses.
LAZYFX_API void write_text(std::ostream& out, const Module& module, const Reconstructors& reconstructors = {});
LAZYFX_API void write_xml(std::ostream& out, const Module& module, const Reconstructors& reconstructors = {});

}  // namespace lazyfx
