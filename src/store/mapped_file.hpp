#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace lazyfx::store {

/// A file's bytes, which `owner` keeps.
struct FileView {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// Maps a file, read only and on demand; with `copy` reads it instead. Throws StoreError naming the file: not_found when it cannot be
/// opened, truncated when it is empty, unsupported when it is no regular file.
FileView open_file(const std::filesystem::path& file, bool copy);

}  // namespace lazyfx::store
