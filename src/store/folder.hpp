#pragma once

#include <dirent.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

namespace lazyfx::store {

/// The names in a folder, in no order. Not by std::filesystem's iterators: libstdc++'s end the process when memory is exhausted.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& path) noexcept : stream_(::opendir(path.c_str())) {}
  ~Folder() {
    if (stream_ != nullptr) ::closedir(stream_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// False when it cannot be opened; errno says why.
  explicit operator bool() const noexcept { return stream_ != nullptr; }
  /// For openat() and its like.
  int descriptor() const noexcept { return ::dirfd(stream_); }
  /// Until the next call. Null after the last name, with errno 0, or when it cannot be read.
  const char* next() noexcept {
    for (;;) {
      errno = 0;
      const auto* entry = ::readdir(stream_);
      if (entry == nullptr) return nullptr;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return entry->d_name;
    }
  }

 private:
  DIR* stream_;
};

}  // namespace lazyfx::store
