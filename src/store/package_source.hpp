#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "store/zip.hpp"

namespace lazyfx::store {

/// A package's entries and what keeps their bytes: those of a zip file, or of a folder into which one was unpacked. A folder's entries have no
/// check sums, and nothing seals its manifest: its seal is made from what is there.
struct PackageSource {
  ZipDirectory directory;
  std::shared_ptr<const void> owner;
};

/// Maps what is large and reads the rest; with `copy` reads everything. Throws StoreError naming the file: as open_file and read_zip do, for
/// a folder as well when it holds more than `most_entries` files, links, or names that no package has.
PackageSource open_package(const std::filesystem::path& file, bool copy, std::uint64_t most_entries);

}  // namespace lazyfx::store
