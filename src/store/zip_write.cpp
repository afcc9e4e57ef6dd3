#include <zlib.h>

#include <limits>

#include "lazyfx/store/store_error.hpp"
#include "store/little_endian.hpp"
#include "store/sha256.hpp"
#include "store/zip.hpp"
#include "store/zip_format.hpp"

namespace lazyfx::store {
namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() - 1;

std::uint32_t fitting(std::uint64_t size, const std::string& name) {
  if (size > most) throw StoreError(StoreFault::too_large, name + ": packages beyond 4 GiB are not written");
  return static_cast<std::uint32_t>(size);
}

// The fields that a local and a central header share.
void append_common(std::string& header, std::uint32_t crc, std::uint32_t size, std::size_t name, std::size_t extra) {
  append_little<std::uint16_t>(header, zip::version);
  append_little<std::uint16_t>(header, zip::utf8_names);
  append_little<std::uint16_t>(header, 0);  // stored
  append_little<std::uint16_t>(header, zip::no_time);
  append_little<std::uint16_t>(header, zip::first_day);
  append_little<std::uint32_t>(header, crc);
  append_little<std::uint32_t>(header, size);
  append_little<std::uint32_t>(header, size);
  append_little<std::uint16_t>(header, static_cast<std::uint16_t>(name));
  append_little<std::uint16_t>(header, static_cast<std::uint16_t>(extra));
}

std::string padding(std::size_t size, std::size_t alignment) {
  std::string extra;
  append_little<std::uint16_t>(extra, zip::padding_field);
  append_little<std::uint16_t>(extra, static_cast<std::uint16_t>(size - 4));
  append_little<std::uint16_t>(extra, static_cast<std::uint16_t>(alignment));
  extra.resize(size);
  return extra;
}

}  // namespace

std::uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> content, std::size_t alignment) {
  constexpr std::size_t least_padding = 6;
  const std::uint64_t unpadded = out_.size() + zip::local_size + name.size();
  std::size_t extra = 0;
  if (unpadded % alignment != 0) {
    extra = alignment - unpadded % alignment;
    while (extra < least_padding) extra += alignment;
  }
  const Entry entry{name, crc_of(content), fitting(content.size(), name), fitting(out_.size(), name)};
  std::string header;
  append_little<std::uint32_t>(header, zip::local_signature);
  append_common(header, entry.crc, entry.size, name.size(), extra);
  header += name;
  if (extra != 0) header += padding(extra, alignment);
  out_.write(as_bytes(header));
  out_.write(content);
  entries_.push_back(entry);
}

void ZipWriter::finish(const std::string& comment) {
  constexpr std::size_t most_entries = std::numeric_limits<std::uint16_t>::max() - 1;
  if (entries_.size() > most_entries) throw StoreError(StoreFault::too_large, "packages of more than 65534 entries are not written");
  const std::uint32_t start = fitting(out_.size(), "the directory");
  std::string directory;
  for (const Entry& entry : entries_) {
    append_little<std::uint32_t>(directory, zip::central_signature);
    append_little<std::uint16_t>(directory, zip::version);
    append_common(directory, entry.crc, entry.size, entry.name.size(), 0);
    directory.append(2 + 2 + 2 + 4, '\0');  // comment, disk, internal and external attributes
    append_little<std::uint32_t>(directory, entry.offset);
    directory += entry.name;
  }
  const std::uint32_t size = fitting(directory.size(), "the directory");
  append_little<std::uint32_t>(directory, zip::end_signature);
  append_little<std::uint32_t>(directory, 0);  // disks
  append_little<std::uint16_t>(directory, static_cast<std::uint16_t>(entries_.size()));
  append_little<std::uint16_t>(directory, static_cast<std::uint16_t>(entries_.size()));
  append_little<std::uint32_t>(directory, size);
  append_little<std::uint32_t>(directory, start);
  append_little<std::uint16_t>(directory, static_cast<std::uint16_t>(comment.size()));
  out_.write(as_bytes(directory + comment));
}

}  // namespace lazyfx::store
