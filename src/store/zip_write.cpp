#include <zlib.h>

#include <initializer_list>

#include "store/little_endian.hpp"
#include "store/sha256.hpp"
#include "store/zip.hpp"
#include "store/zip_format.hpp"

namespace lazyfx::store {
namespace {

// The fields that a local and a central header share.
void append_common(std::string& header, std::uint32_t crc, std::uint32_t size, std::size_t name, const std::string& extra, bool wide) {
  append_little<std::uint16_t>(header, wide ? zip::version64 : zip::version);
  append_little<std::uint16_t>(header, zip::utf8_names);
  append_little<std::uint16_t>(header, 0);  // stored
  append_little<std::uint16_t>(header, zip::no_time);
  append_little<std::uint16_t>(header, zip::first_day);
  append_little<std::uint32_t>(header, crc);
  append_little<std::uint32_t>(header, size);
  append_little<std::uint32_t>(header, size);
  append_little<std::uint16_t>(header, static_cast<std::uint16_t>(name));
  append_little<std::uint16_t>(header, static_cast<std::uint16_t>(extra.size()));
}

std::string padding(std::size_t size, std::size_t alignment) {
  std::string extra;
  append_little<std::uint16_t>(extra, zip::padding_field);
  append_little<std::uint16_t>(extra, static_cast<std::uint16_t>(size - 4));
  append_little<std::uint16_t>(extra, static_cast<std::uint16_t>(alignment));
  extra.resize(size);
  return extra;
}

std::string wide_field(std::initializer_list<std::uint64_t> numbers) {
  std::string extra;
  append_little<std::uint16_t>(extra, zip::field64);
  append_little<std::uint16_t>(extra, static_cast<std::uint16_t>(8 * numbers.size()));
  for (const std::uint64_t number : numbers) append_little<std::uint64_t>(extra, number);
  return extra;
}

}  // namespace

std::uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t ZipWriter::narrow(std::uint64_t number) const {
  return number < zip64_.bytes ? static_cast<std::uint32_t>(number) : zip::elsewhere32;
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> content, std::size_t alignment) {
  constexpr std::size_t least_padding = 6;
  const Entry entry{name, crc_of(content), content.size(), out_.size()};
  const bool wide = entry.size >= zip64_.bytes;
  std::string extra = wide ? wide_field({entry.size, entry.size}) : "";
  const std::uint64_t unpadded = out_.size() + zip::local_size + name.size() + extra.size();
  if (unpadded % alignment != 0) {
    std::size_t gap = alignment - unpadded % alignment;
    while (gap < least_padding) gap += alignment;
    extra += padding(gap, alignment);
  }
  std::string header;
  append_little<std::uint32_t>(header, zip::local_signature);
  append_common(header, entry.crc, narrow(entry.size), name.size(), extra, wide);
  out_.write(as_bytes(header + name + extra));
  out_.write(content);
  entries_.push_back(entry);
}

std::string ZipWriter::directory_row(const Entry& entry) const {
  const bool wide_size = entry.size >= zip64_.bytes, wide_offset = entry.offset >= zip64_.bytes;
  std::string extra;
  if (wide_size && wide_offset) {
    extra = wide_field({entry.size, entry.size, entry.offset});
  } else if (wide_size) {
    extra = wide_field({entry.size, entry.size});
  } else if (wide_offset) {
    extra = wide_field({entry.offset});
  }
  std::string row;
  append_little<std::uint32_t>(row, zip::central_signature);
  append_little<std::uint16_t>(row, extra.empty() ? zip::version : zip::version64);
  append_common(row, entry.crc, narrow(entry.size), entry.name.size(), extra, !extra.empty());
  row.append(2 + 2 + 2 + 4, '\0');  // comment, disk, internal and external attributes
  append_little<std::uint32_t>(row, narrow(entry.offset));
  return row + entry.name + extra;
}

void ZipWriter::finish(const std::string& comment) {
  const std::uint64_t start = out_.size(), count = entries_.size();
  for (const Entry& entry : entries_) out_.write(as_bytes(directory_row(entry)));
  const std::uint64_t end = out_.size(), size = end - start;
  const bool many = count >= zip64_.entries;
  std::string records;
  if (many || size >= zip64_.bytes || start >= zip64_.bytes) {
    append_little<std::uint32_t>(records, zip::end64_signature);
    append_little<std::uint64_t>(records, zip::end64_size - 12);  // what follows this number
    append_little<std::uint16_t>(records, zip::version64);
    append_little<std::uint16_t>(records, zip::version64);
    append_little<std::uint64_t>(records, 0);  // disks
    append_little<std::uint64_t>(records, count);
    append_little<std::uint64_t>(records, count);
    append_little<std::uint64_t>(records, size);
    append_little<std::uint64_t>(records, start);
    append_little<std::uint32_t>(records, zip::locator_signature);
    append_little<std::uint32_t>(records, 0);  // disk
    append_little<std::uint64_t>(records, end);
    append_little<std::uint32_t>(records, 1);  // disks
  }
  const std::uint16_t narrow_count = many ? zip::elsewhere16 : static_cast<std::uint16_t>(count);
  append_little<std::uint32_t>(records, zip::end_signature);
  append_little<std::uint32_t>(records, 0);  // disks
  append_little<std::uint16_t>(records, narrow_count);
  append_little<std::uint16_t>(records, narrow_count);
  append_little<std::uint32_t>(records, narrow(size));
  append_little<std::uint32_t>(records, narrow(start));
  append_little<std::uint16_t>(records, static_cast<std::uint16_t>(comment.size()));
  out_.write(as_bytes(records + comment));
}

}  // namespace lazyfx::store
