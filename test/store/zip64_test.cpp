#define BOOST_TEST_MODULE store_zip64
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/command.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "lazyfx/store/package_importer.hpp"
#include "seal.hpp"
#include "store/mapped_file.hpp"
#include "store/sha256.hpp"
#include "store/zip.hpp"

using namespace lazyfx;
using command::Folder;
using store::as_bytes;

namespace {

const command::fs::path golden = command::fs::path(LAZYFX_TEST_STORE) / "golden";
constexpr std::uint64_t most_entries = 1'000'000;

using Contents = std::map<std::string, std::string>;

std::string text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string written(const Folder& folder, const Contents& contents, store::Zip64From zip64, const std::string& comment = "comment") {
  store::AtomicFile out(folder / "x.zip");
  store::ZipWriter zip(out, zip64);
  for (const auto& [name, content] : contents) zip.add(name, as_bytes(content), 64);
  zip.finish(comment);
  out.commit();
  return command::read(folder / "x.zip");
}

Contents contents_of(const std::string& bytes) {
  Contents contents;
  for (const auto& [name, entry] : store::read_zip(as_bytes(bytes), most_entries, "x").entries) {
    BOOST_TEST(store::crc_of(entry.content) == entry.crc.value());
    contents.emplace(name, text(entry.content));
  }
  return contents;
}

// Python's own reader finds as many entries, all whole.
bool python_reads(const command::fs::path& file, std::size_t entries) {
  const std::string program =
      "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); "
      "sys.exit(z.testzip() is not None or len(z.namelist()) != int(sys.argv[2]))";
  return std::system(("python3 -c '" + program + "' '" + file.string() + "' " + std::to_string(entries)).c_str()) == 0;
}

std::string fault_of(const std::string& bytes) {
  try {
    store::read_zip(as_bytes(bytes), most_entries, "x");
  } catch (const StoreError& e) { return std::string(to_string(e.fault())); }
  return "none";
}

// Two entries, all of whose numbers but the first offset are wide, and where they are.
struct Wide {
  const Folder folder;
  const std::string bytes = written(folder, {{"a", std::string(100, 'a')}, {"b", std::string(70, 'b')}}, {1, 1});
  const std::size_t end = bytes.rfind("PK\5\6"), locator = end - 20, record = locator - 56;
  const std::size_t row_a = bytes.find("PK\1\2"), row_b = bytes.find("PK\1\2", row_a + 1);
  const std::size_t local_b = bytes.find("PK\3\4", 1);

  std::string with(std::size_t at, std::size_t size, std::uint64_t value) const {
    std::string changed = bytes;
    seal::put(changed, at, size, value);
    return changed;
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(wide_records_are_written_where_needed_only_and_read_here_and_by_python) {
  const Folder folder;
  const Contents contents = {{"a", ""}, {"b", "short"}, {"c", std::string(1000, 'c')}, {"d", std::string(300, 'd')}};
  const std::string narrow = written(folder, contents, {});
  BOOST_TEST(narrow.find("PK\6\6") == std::string::npos);
  BOOST_TEST((contents_of(narrow) == contents));
  for (const auto& [bytes, entries] : {std::pair{1, 1}, {300, 4}, {300, 5}, {1000, 5}, {1500, 5}, {1 << 20, 4}}) {
    const std::string wide = written(folder, contents, {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(entries)});
    BOOST_TEST_INFO(bytes << " " << entries);
    BOOST_TEST(wide.find("PK\6\6") != std::string::npos);
    BOOST_TEST((contents_of(wide) == contents));
    BOOST_TEST(wide.find("ccc") % 64 == 0u);
    BOOST_TEST(python_reads(folder / "x.zip", contents.size()));
  }
}

BOOST_AUTO_TEST_CASE(the_golden_wide_package_is_what_is_written) {
  const std::string narrow = command::read(golden / "package-2.lfx");
  const Folder folder;
  const std::string wide = written(folder, contents_of(narrow), {400, 1}, store::read_zip(as_bytes(narrow), most_entries, "x").comment);
  BOOST_TEST((wide == command::read(golden / "package-2-wide.lfx")));
}

BOOST_AUTO_TEST_CASE(a_package_of_more_entries_than_sixteen_bits_count_comes_back) {
  const Folder folder;
  PackageExporter out(folder / "m.lfx");
  constexpr int count = 66'000;
  for (int i = 0; i < count; ++i) out.save_text("t", std::to_string(i), std::to_string(i));
  out.close();
  const PackageImporter in(folder / "m.lfx");
  BOOST_TEST(in.file_structure().size() == count + 1u);
  BOOST_TEST(in.load_text("t", "65999") == "65999");
  BOOST_TEST(python_reads(folder / "m.lfx", count + 1));
  BOOST_CHECK_EXCEPTION(PackageImporter(folder / "m.lfx", PackageOptions().load(LoadOptions().limits(StoreLimits().entries(count)))),
                        StoreError, [](const StoreError& e) { return e.fault() == StoreFault::too_large; });
}

// Four GiB of hole in the middle of the first entry: what comes after it is out of reach of 32 bits.
BOOST_AUTO_TEST_CASE(entries_beyond_four_gib_are_found) {
  const Wide wide;
  constexpr std::uint64_t hole = std::uint64_t{1} << 32;
  std::string bytes = wide.bytes;
  const auto grow = [&](std::size_t at) { seal::put(bytes, at, 8, seal::number(bytes, at, 8) + hole); };
  for (const std::size_t field : {std::size_t{30 + 1}, wide.row_a + 46 + 1}) {
    grow(field + 4);
    grow(field + 12);
  }
  for (const std::size_t at : {wide.row_b + 46 + 1 + 20, wide.record + 48, wide.locator + 8}) grow(at);
  const auto split = static_cast<std::ptrdiff_t>(bytes.find("aaaa") + 50);
  const auto file = wide.folder.write("sparse.zip", bytes.substr(0, static_cast<std::size_t>(split)));
  const int fd = ::open(file.c_str(), O_WRONLY);
  const auto rest = bytes.size() - static_cast<std::size_t>(split);
  const bool done = ::pwrite(fd, bytes.data() + split, rest, static_cast<::off_t>(hole) + split) == static_cast<::ssize_t>(rest);
  ::close(fd);
  BOOST_REQUIRE(done);
  const store::FileView view = store::open_file(file, false);
  const auto directory = store::read_zip(view.bytes, most_entries, file);
  BOOST_TEST(directory.entries.at("a").content.size() == hole + 100);
  BOOST_TEST(text(directory.entries.at("a").content.last(50)) == std::string(50, 'a'));
  BOOST_TEST(text(directory.entries.at("b").content) == std::string(70, 'b'));
}

BOOST_FIXTURE_TEST_CASE(wide_numbers_that_lie_are_refused, Wide) {
  BOOST_TEST(fault_of(bytes) == "none");
  const std::size_t field_a = row_a + 46 + 1, field_b = row_b + 46 + 1;
  constexpr std::uint64_t huge = ~std::uint64_t{0};
  const auto number = [&](std::size_t at) { return seal::number(bytes, at, 8); };
  struct Lie {
    std::size_t at, size;
    std::uint64_t value;
  };
  const Lie corrupting[] = {
      {field_a + 4, 8, 99},
      {field_a + 4, 8, 101},
      {field_a + 4, 8, huge},        // one of the sizes
      {field_a + 12, 8, 99},
      {field_a + 12, 8, huge},
      {30 + 1 + 4, 8, 99},           // the other, the local one
      {30 + 1 + 12, 8, huge},
      {field_b + 20, 8, 0},
      {field_b + 20, 8, huge},       // overlapping, outside
      {field_b + 20, 8, local_b + 1},
      {field_a, 2, 2},
      {field_a + 2, 2, 8},           // no such field, a short one
      {field_a + 2, 2, 17},
      {row_a + 20, 4, 100},
      {row_a + 42, 4, 0xffffffff},   // too many numbers, too few
      {30 + 1, 2, 2},
      {record + 40, 8, huge},
      {record + 40, 8, number(record + 40) - 1},
      {record + 48, 8, huge},
      {record + 48, 8, number(record + 48) + 1},
      {record, 1, 0},
      {record + 4, 8, 45},
      {locator, 1, 0},
      {locator + 8, 8, huge},
      {locator + 8, 8, record - 1},
      {end + 12, 4, 1},              // contradictions of the end
      {end + 16, 4, 1},
  };
  for (const auto& [at, size, value] : corrupting) {
    BOOST_TEST_INFO("at " << at << " of " << row_a << " " << row_b << " " << record << ": " << value);
    BOOST_TEST(fault_of(with(at, size, value)) == "corrupted");
  }
  const Lie unsupported[] = {{record + 16, 4, 1}, {record + 20, 4, 1}, {record + 24, 8, 1},
                             {record + 32, 8, 3}, {locator + 4, 4, 1}, {locator + 16, 4, 2}};
  for (const auto& [at, size, value] : unsupported) BOOST_TEST(fault_of(with(at, size, value)) == "unsupported");

  std::string counts = bytes;
  for (const std::size_t at : {record + 24, record + 32}) seal::put(counts, at, 8, std::uint64_t{1} << 60);
  BOOST_TEST(fault_of(counts) == "too_large");
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, most_entries}) {
    for (const std::size_t at : {record + 24, record + 32}) seal::put(counts, at, 8, count);
    BOOST_TEST(fault_of(counts) == "corrupted");
  }
  for (const std::size_t at : {end + 8, end + 10}) seal::put(counts, at, 2, 1);
  for (const std::size_t at : {record + 24, record + 32}) seal::put(counts, at, 8, 2);
  BOOST_TEST(fault_of(counts) == "corrupted");
}

BOOST_FIXTURE_TEST_CASE(repeated_names_and_cut_off_records_are_refused, Wide) {
  std::string twice = bytes;
  for (const std::size_t at : {local_b + 30, row_b + 46}) twice[at] = 'a';
  BOOST_TEST(fault_of(twice) == "corrupted");
  BOOST_TEST(fault_of(bytes.substr(0, record) + bytes.substr(end)) == "corrupted");
  BOOST_TEST(fault_of(bytes.substr(0, locator) + bytes.substr(end)) == "corrupted");
  BOOST_TEST(fault_of(bytes.substr(0, locator) + std::string(4, '\0') + bytes.substr(locator)) == "corrupted");
  BOOST_TEST(fault_of(bytes.substr(0, record) + std::string(4, '\0') + bytes.substr(record)) == "corrupted");
}
