#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/atomic_file.hpp"

namespace lazyfx::store {

/// Zip files of stored entries, as packages use them (PKWARE's APPNOTE 6.3, without zip64): `unzip` lists and unpacks them.

/// True for names that stay inside a folder wherever they are unpacked: parts joined by '/', none of them empty, "." or "..", no
/// backslash, colon, or control character.
bool is_safe_entry_name(std::string_view name);

class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& out) : out_(out) {}
  /// The content begins at a multiple of `alignment` in the file. Throws StoreError(too_large) beyond 4 GiB.
  void add(const std::string& name, std::span<const std::byte> content, std::size_t alignment = 1);
  void finish(const std::string& comment);

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc, size, offset;
  };
  AtomicFile& out_;
  std::vector<Entry> entries_;
};

/// What a zip file holds, by name.
struct ZipDirectory {
  struct Entry {
    std::span<const std::byte> content;
    std::optional<std::uint32_t> crc;  ///< none: nobody wrote one
  };
  std::map<std::string, Entry, std::less<>> entries;
  std::string comment;
};

/// Reads a directory and refuses every trick: entries compressed or encrypted, unsafe or repeated names, headers that contradict each
/// other, entries that overlap or leave gaps, bytes before or after. Looks at headers only, not at contents. Throws StoreError; `place`
/// begins its message.
ZipDirectory read_zip(std::span<const std::byte> bytes, std::uint64_t most_entries, const std::string& place);

std::uint32_t crc_of(std::span<const std::byte> bytes);

}  // namespace lazyfx::store
