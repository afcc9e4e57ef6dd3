#include <algorithm>
#include <array>
#include <limits>

#include "lazyfx/store/store_error.hpp"
#include "store/little_endian.hpp"
#include "store/zip.hpp"
#include "store/zip_format.hpp"

namespace lazyfx::store {
namespace {

std::string_view text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::uint64_t most_entries, const std::string& place)
      : bytes_(bytes), most_entries_(most_entries), place_(place) {}

  ZipDirectory run() {
    find_end();
    std::uint64_t at = directory_;
    for (std::uint64_t i = 0; i < count_; ++i) at = read_entry(at);
    if (at != end_) fail(StoreFault::corrupted, "the directory does not end where its end says");
    check_coverage();
    return std::move(result_);
  }

 private:
  struct Extent {
    std::uint64_t begin, end;
  };

  [[noreturn]] void fail(StoreFault fault, const std::string& what) const { throw StoreError(fault, place_ + ": " + what); }

  // The record at the very end whose comment reaches exactly to the end of the file.
  void find_end() {
    if (bytes_.size() < 4 || little_at<std::uint32_t>(bytes_, 0) != zip::local_signature) {
      fail(StoreFault::corrupted, "it is no package: it does not begin like a zip file");
    }
    if (bytes_.size() < zip::end_size) fail(StoreFault::truncated, "it ends before a zip file can");
    constexpr std::size_t longest_comment = std::numeric_limits<std::uint16_t>::max();
    const std::size_t last = bytes_.size() - zip::end_size;
    const std::size_t first = last > longest_comment ? last - longest_comment : 0;
    bool beyond = false;
    for (std::size_t at = last + 1; at-- > first;) {
      if (little_at<std::uint32_t>(bytes_, at) != zip::end_signature) continue;
      const std::size_t comment = little_at<std::uint16_t>(bytes_, at + 20);
      if (comment > last - at) fail(StoreFault::truncated, "its end is cut off");
      if (comment < last - at) {
        beyond = true;
        continue;
      }
      open_end(at);
      return;
    }
    if (beyond) fail(StoreFault::extended, "there are bytes after its end");
    fail(StoreFault::truncated, "it has no end: the directory of a zip file is missing");
  }

  void open_end(std::size_t at) {
    end_ = at;
    count_ = little_at<std::uint16_t>(bytes_, at + 10);
    std::uint64_t size = little_at<std::uint32_t>(bytes_, at + 12);
    directory_ = little_at<std::uint32_t>(bytes_, at + 16);
    if (little_at<std::uint32_t>(bytes_, at + 4) != 0 || little_at<std::uint16_t>(bytes_, at + 8) != count_) {
      fail(StoreFault::unsupported, "zip files in several parts are not read");
    }
    if (count_ == zip::elsewhere16 || size == zip::elsewhere32 || directory_ == zip::elsewhere32) size = open_end64(size);
    if (count_ > most_entries_) fail(StoreFault::too_large, std::to_string(count_) + " entries are beyond the limit");
    if (directory_ > end_ || size != end_ - directory_) fail(StoreFault::corrupted, "the directory is not where its end says");
    if (count_ > size / zip::central_size) fail(StoreFault::corrupted, "the directory is too short for its entries");
    result_.comment = text(bytes_.subspan(at + zip::end_size));
  }

  // The record of zip64 and what tells where it is, both right before the end; returns the directory's size.
  std::uint64_t open_end64(std::uint64_t narrow_size) {
    if (end_ < zip::end64_size + zip::locator_size) fail(StoreFault::corrupted, "its end points to a zip64 record that is not there");
    const auto at = static_cast<std::size_t>(end_) - zip::locator_size - zip::end64_size;
    const auto record = bytes_.subspan(at, zip::end64_size), locator = bytes_.subspan(at + zip::end64_size, zip::locator_size);
    if (little_at<std::uint32_t>(locator, 0) != zip::locator_signature || little_at<std::uint64_t>(locator, 8) != at ||
        little_at<std::uint32_t>(record, 0) != zip::end64_signature || little_at<std::uint64_t>(record, 4) != zip::end64_size - 12) {
      fail(StoreFault::corrupted, "its end points to a zip64 record that is not there");
    }
    const auto count = little_at<std::uint64_t>(record, 24), size = little_at<std::uint64_t>(record, 40);
    const auto directory = little_at<std::uint64_t>(record, 48);
    if (little_at<std::uint32_t>(locator, 4) != 0 || little_at<std::uint32_t>(locator, 16) > 1 ||
        little_at<std::uint64_t>(record, 16) != 0 || little_at<std::uint64_t>(record, 32) != count) {
      fail(StoreFault::unsupported, "zip files in several parts are not read");
    }
    const auto contradicts = [](std::uint64_t narrow, std::uint64_t elsewhere, std::uint64_t wide) {
      return narrow != elsewhere && narrow != wide;
    };
    if (contradicts(count_, zip::elsewhere16, count) || contradicts(narrow_size, zip::elsewhere32, size) ||
        contradicts(directory_, zip::elsewhere32, directory)) {
      fail(StoreFault::corrupted, "its end contradicts the zip64 record");
    }
    count_ = count;
    directory_ = directory;
    end_ = at;
    return size;
  }

  // Numbers of a header, in this order, each of which is in the header's zip64 field when it is all ones; the field holds nothing else.
  template <std::size_t n>
  void widen(std::array<std::uint64_t*, n> numbers, std::span<const std::byte> extra, const std::string& which) const {
    const auto damaged = [&] { fail(StoreFault::corrupted, which + " has damaged extra fields"); };
    std::optional<std::span<const std::byte>> field;
    while (!extra.empty()) {
      if (extra.size() < 4) damaged();
      const std::size_t size = little_at<std::uint16_t>(extra, 2);
      if (size > extra.size() - 4) damaged();
      if (little_at<std::uint16_t>(extra, 0) == zip::field64) {
        if (field) damaged();
        field = extra.subspan(4, size);
      }
      extra = extra.subspan(4 + size);
    }
    auto left = field.value_or(std::span<const std::byte>());
    for (std::uint64_t* const number : numbers) {
      if (*number != zip::elsewhere32) continue;
      if (left.size() < 8) fail(StoreFault::corrupted, which + " lacks a number of its zip64 field");
      *number = little_at<std::uint64_t>(left, 0);
      left = left.subspan(8);
    }
    if (!left.empty() || (field && field->empty())) fail(StoreFault::corrupted, which + " has numbers in its zip64 field for nothing");
  }

  std::uint64_t read_entry(std::uint64_t at) {
    if (end_ - at < zip::central_size || little_at<std::uint32_t>(bytes_, at) != zip::central_signature) {
      fail(StoreFault::corrupted, "the directory is damaged");
    }
    const std::size_t name_size = little_at<std::uint16_t>(bytes_, at + 28);
    const std::size_t extra = little_at<std::uint16_t>(bytes_, at + 30);
    const std::size_t comment = little_at<std::uint16_t>(bytes_, at + 32);
    if (end_ - at - zip::central_size < name_size + extra + comment) fail(StoreFault::corrupted, "the directory is damaged");
    const std::string name(text(bytes_.subspan(at + zip::central_size, name_size)));
    if (!is_safe_entry_name(name)) fail(StoreFault::unsupported, "an entry has a name that could lead out of a folder");
    const std::string which = "entry " + name;
    const auto central = bytes_.subspan(at);
    if ((little_at<std::uint16_t>(central, 8) & ~zip::utf8_names) != 0) {
      fail(StoreFault::unsupported, which + " is encrypted or streamed, which is not read");
    }
    if (little_at<std::uint16_t>(central, 10) != 0) fail(StoreFault::unsupported, which + " is compressed, which is not read");
    std::uint64_t packed = little_at<std::uint32_t>(central, 20), size = little_at<std::uint32_t>(central, 24);
    std::uint64_t offset = little_at<std::uint32_t>(central, 42);
    widen<3>({&size, &packed, &offset}, central.subspan(zip::central_size + name_size, extra), which);
    if (packed != size) fail(StoreFault::corrupted, which + " has two sizes");
    if (little_at<std::uint16_t>(central, 34) != 0) fail(StoreFault::unsupported, which + " lies in another file");
    const auto content = open_local(central, offset, size, name);
    if (!result_.entries.emplace(name, ZipDirectory::Entry{content, little_at<std::uint32_t>(central, 16)}).second) {
      fail(StoreFault::corrupted, which + " is there twice");
    }
    return at + zip::central_size + name_size + extra + comment;
  }

  std::span<const std::byte> open_local(std::span<const std::byte> central, std::uint64_t offset, std::uint64_t size,
                                        const std::string& name) {
    const auto contradiction = [&] { fail(StoreFault::corrupted, "the header of entry " + name + " contradicts the directory"); };
    if (directory_ < zip::local_size || offset > directory_ - zip::local_size) contradiction();
    const auto local = bytes_.subspan(offset);
    if (little_at<std::uint32_t>(local, 0) != zip::local_signature) contradiction();
    // Flags and method, check sum, the name's length, which stand two bytes further in the directory.
    const auto same = [&](std::size_t from, std::size_t to) {
      return std::equal(local.begin() + static_cast<std::ptrdiff_t>(from), local.begin() + static_cast<std::ptrdiff_t>(to),
                        central.begin() + static_cast<std::ptrdiff_t>(from) + 2);
    };
    if (!same(6, 10) || !same(14, 18) || !same(26, 28)) contradiction();
    const std::size_t extra = little_at<std::uint16_t>(local, 28);
    const std::uint64_t header = zip::local_size + name.size() + extra;
    if (header > directory_ - offset || size > directory_ - offset - header) contradiction();
    std::uint64_t packed = little_at<std::uint32_t>(local, 18), whole = little_at<std::uint32_t>(local, 22);
    widen<2>({&whole, &packed}, local.subspan(zip::local_size + name.size(), extra), "the local header of entry " + name);
    if (packed != size || whole != size) contradiction();
    if (text(local.subspan(zip::local_size, name.size())) != name) contradiction();
    extents_.push_back({offset, offset + header + size});
    return local.subspan(header, size);
  }

  void check_coverage() {
    std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    std::uint64_t end = 0;
    for (const Extent& extent : extents_) {
      if (extent.begin != end) fail(StoreFault::corrupted, "its entries overlap or leave gaps");
      end = extent.end;
    }
    if (end != directory_) fail(StoreFault::corrupted, "its entries overlap or leave gaps");
  }

  std::span<const std::byte> bytes_;
  std::uint64_t most_entries_;
  const std::string& place_;
  std::uint64_t end_ = 0, directory_ = 0, count_ = 0;
  std::vector<Extent> extents_;
  ZipDirectory result_;
};

}  // namespace

bool is_safe_entry_name(std::string_view name) {
  constexpr std::size_t longest = 4096;
  if (name.empty() || name.size() > longest) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == ':') return false;
  }
  for (;;) {
    const auto slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

ZipDirectory read_zip(std::span<const std::byte> bytes, std::uint64_t most_entries, const std::string& place) {
  return Reader(bytes, most_entries, place).run();
}

}  // namespace lazyfx::store
