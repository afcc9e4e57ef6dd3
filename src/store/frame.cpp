#include "store/frame.hpp"

#include <algorithm>
#include <cstring>

#include "lazyfx/store/store_error.hpp"
#include "store/little_endian.hpp"
#include "store/sha256.hpp"

namespace lazyfx::store {
namespace {

constexpr std::string_view magic("lazyfx\x1a\n", 8);
constexpr std::uint32_t newest_version = 1;
constexpr std::uint32_t oldest_version = 1;
constexpr std::size_t header_size = 64;
constexpr std::size_t digested_header = 32;  // the digest of these bytes and the directory follows
constexpr std::size_t row_size = 64;
constexpr std::size_t tag_size = 8;
constexpr std::uint32_t most_sections = 64;
constexpr std::uint32_t required_flag = 1;

std::size_t aligned(std::size_t size) { return (size + section_alignment - 1) / section_alignment * section_alignment; }
std::string_view text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class Opener {
 public:
  Opener(std::span<const std::byte> bytes, const std::string& place) : bytes_(bytes), place_(place) {}

  std::vector<SectionView> run() {
    check_header();
    std::size_t end = header_size + count_ * row_size;
    std::vector<SectionView> sections;
    for (std::size_t i = 0; i < count_; ++i) open_section(header_size + i * row_size, end, sections);
    if (end != bytes_.size()) fail(StoreFault::corrupted, "its sections do not fill it");
    return sections;
  }

 private:
  [[noreturn]] void fail(StoreFault fault, const std::string& what) const { throw StoreError(fault, place_ + ": " + what); }

  void check_header() {
    const auto start = text(bytes_.first(std::min(bytes_.size(), magic.size())));
    if (start != magic.substr(0, start.size())) fail(StoreFault::corrupted, "it is no lazyfx archive: it does not begin like one");
    if (bytes_.size() < header_size) fail(StoreFault::truncated, "it ends within its header");
    const auto version = little_at<std::uint32_t>(bytes_, 8);
    if (version > newest_version) {
      fail(StoreFault::too_new, "format version " + std::to_string(version) + " is newer than " + std::to_string(newest_version));
    }
    if (version < oldest_version) fail(StoreFault::outdated, "format version " + std::to_string(version) + " is no longer read");
    const auto size = little_at<std::uint64_t>(bytes_, 16);
    if (size > bytes_.size()) {
      fail(StoreFault::truncated, "it has " + std::to_string(bytes_.size()) + " of its " + std::to_string(size) + " bytes");
    }
    if (size < bytes_.size()) fail(StoreFault::extended, "it goes on after its " + std::to_string(size) + " bytes");
    count_ = little_at<std::uint32_t>(bytes_, 12);
    if (count_ > most_sections)
      fail(StoreFault::too_large, std::to_string(count_) + " sections are more than " + std::to_string(most_sections));
    if (header_size + count_ * row_size > bytes_.size()) fail(StoreFault::corrupted, "its directory is longer than it");
    Sha256 hash;
    hash.add(bytes_.first(digested_header));
    hash.add(bytes_.subspan(header_size, count_ * row_size));
    if (hash.finish() != text(bytes_.subspan(digested_header, sha256_size))) fail(StoreFault::corrupted, "its header is damaged");
  }

  void open_section(std::size_t row, std::size_t& end, std::vector<SectionView>& sections) const {
    std::string_view tag = text(bytes_.subspan(row, tag_size));
    tag = tag.substr(0, tag.find('\0'));
    const auto flags = little_at<std::uint32_t>(bytes_, row + 8);
    const auto offset = little_at<std::uint64_t>(bytes_, row + 16);
    const auto size = little_at<std::uint64_t>(bytes_, row + 24);
    if (offset != aligned(end) || offset > bytes_.size() || size > bytes_.size() - offset) {
      fail(StoreFault::corrupted, "section '" + std::string(tag) + "' is not where it should be");
    }
    const auto gap = bytes_.subspan(end, offset - end);
    if (std::any_of(gap.begin(), gap.end(), [](std::byte b) { return b != std::byte{0}; })) {
      fail(StoreFault::corrupted, "the gap before section '" + std::string(tag) + "' is not empty");
    }
    end = offset + size;
    const auto content = bytes_.subspan(offset, size);
    if (sha256(content) != text(bytes_.subspan(row + 32, sha256_size))) {
      fail(StoreFault::corrupted, "section '" + std::string(tag) + "' is damaged");
    }
    if (tag == state_tag || tag == data_tag) {
      const bool again = std::any_of(sections.begin(), sections.end(), [&](const SectionView& s) { return s.tag == tag; });
      if (again) fail(StoreFault::corrupted, "section '" + std::string(tag) + "' is there twice");
      sections.push_back({tag, content});
    } else if ((flags & required_flag) != 0) {
      fail(StoreFault::too_new, "section '" + std::string(tag) + "' is not known here and cannot be skipped");
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& place_;
  std::uint32_t count_ = 0;
};

}  // namespace

std::string make_frame(const std::vector<Section>& sections) {
  std::string directory;
  std::size_t end = header_size + sections.size() * row_size;
  for (const Section& section : sections) {
    const std::size_t offset = aligned(end);
    directory.append(section.tag).append(tag_size - section.tag.size(), '\0');
    append_little<std::uint32_t>(directory, section.required ? required_flag : 0);
    append_little<std::uint32_t>(directory, 0);
    append_little<std::uint64_t>(directory, offset);
    append_little<std::uint64_t>(directory, section.bytes.size());
    directory += sha256(as_bytes(section.bytes));
    end = offset + section.bytes.size();
  }
  std::string frame(magic);
  frame.reserve(end);
  append_little<std::uint32_t>(frame, newest_version);
  append_little<std::uint32_t>(frame, static_cast<std::uint32_t>(sections.size()));
  append_little<std::uint64_t>(frame, end);
  append_little<std::uint64_t>(frame, 0);
  frame += sha256(as_bytes(frame + directory));
  frame += directory;
  for (const Section& section : sections) {
    frame.resize(aligned(frame.size()));
    frame += section.bytes;
  }
  return frame;
}

std::vector<SectionView> open_frame(std::span<const std::byte> bytes, const std::string& place) { return Opener(bytes, place).run(); }

}  // namespace lazyfx::store
