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

/// Zip files of stored entries, as packages use them (PKWARE's APPNOTE 6.3): `unzip` lists and unpacks them.

/// True for names that stay inside a folder wherever they are unpacked: parts joined by '/', none of them empty, "." or "..", no
/// backslash, colon, or control character.
bool is_safe_entry_name(std::string_view name);

/// From where on a number is written in the records of zip64. Smaller ones than the default make small files of large ones' form.
struct Zip64From {
  std::uint64_t bytes = 0xffffffff;
  std::uint64_t entries = 0xffff;
};

class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& out, Zip64From zip64 = {}) : out_(out), zip64_(zip64) {}
  /// The content begins at a multiple of `alignment`, below 65536, in the file.
  void add(const std::string& name, std::span<const std::byte> content, std::size_t alignment = 1);
  void finish(const std::string& comment);

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc;
    std::uint64_t size, offset;
  };
  std::string directory_row(const Entry& entry) const;
  std::uint32_t narrow(std::uint64_t number) const;

  AtomicFile& out_;
  Zip64From zip64_;
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
