#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace lazyfx::store {

/// Writes a file so that whoever opens it, after a kill or power cut at any moment too, finds the old one or the new one, whole. The bytes
/// go to a hidden file beside the target, ".NAME.saving-NUMBER", which a lock marks as in use; what a killed save left behind is
/// removed by the next one. Throws StoreError(unwritable) naming the file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  std::uint64_t size() const noexcept { return size_; }
  /// Flushes, and puts the file in the target's place.
  void commit();

 private:
  [[noreturn]] void fail(const char* verb) const;
  void flush();
  void put(std::span<const std::byte> bytes);
  void remove_litter(const std::string& prefix) const;

  std::filesystem::path target_, temporary_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string buffer_;
};

}  // namespace lazyfx::store
