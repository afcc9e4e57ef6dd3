#include "store/package_source.hpp"

#include <system_error>
#include <utility>
#include <vector>

#include "lazyfx/store/store_error.hpp"
#include "store/manifest.hpp"
#include "store/mapped_file.hpp"
#include "store/package_layout.hpp"

namespace lazyfx::store {
namespace {

namespace fs = std::filesystem;

PackageSource open_folder(const fs::path& folder, bool copy, std::uint64_t most_entries) {
  const auto fail = [&](StoreFault fault, const std::string& what) { throw StoreError(fault, folder.string() + ": " + what); };
  const auto owners = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  PackageSource source{{}, owners};
  std::error_code failed;
  fs::recursive_directory_iterator at(folder, failed);
  for (; !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    const auto kind = at->symlink_status(failed).type();
    if (failed) break;
    if (kind == fs::file_type::directory) continue;
    const std::string name = at->path().lexically_relative(folder).generic_string();
    if (!is_safe_entry_name(name)) fail(StoreFault::unsupported, "a file has a name that no entry has");
    if (kind != fs::file_type::regular) fail(StoreFault::unsupported, "entry " + name + " is not a regular file");
    if (source.directory.entries.size() >= most_entries) fail(StoreFault::too_large, "it has more files than the limit of entries");
    constexpr std::uint64_t worth_a_mapping = 1 << 16;
    const auto size = at->file_size(failed);
    if (failed) break;
    ZipDirectory::Entry& entry = source.directory.entries[name];
    if (size == 0) continue;
    FileView view = open_file(at->path(), copy || size < worth_a_mapping);
    entry.content = view.bytes;
    owners->push_back(std::move(view.owner));
  }
  if (failed) fail(StoreFault::not_found, "it cannot be read: " + failed.message());
  if (const auto found = source.directory.entries.find(manifest_entry); found != source.directory.entries.end()) {
    const auto bytes = found->second.content;
    source.directory.comment = make_seal({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  return source;
}

}  // namespace

PackageSource open_package(const fs::path& file, bool copy, std::uint64_t most_entries) {
  std::error_code ignored;  // what is not there is told by open_file
  if (fs::is_directory(file, ignored)) return open_folder(file, copy, most_entries);
  FileView view = open_file(file, copy);
  return {read_zip(view.bytes, most_entries, file.string()), std::move(view.owner)};
}

}  // namespace lazyfx::store
