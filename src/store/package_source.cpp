#include "store/package_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "lazyfx/store/store_error.hpp"
#include "store/folder.hpp"
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
  const auto unreadable = [&] { fail(StoreFault::not_found, "it cannot be read: " + std::generic_category().message(errno)); };
  std::vector<std::string> pending = {""};  // folders within it, each with its slash
  while (!pending.empty()) {
    const std::string within = std::move(pending.back());
    pending.pop_back();
    Folder at(folder / within);
    if (!at) unreadable();
    while (const char* file = at.next()) {
      const std::string name = within + file;
      struct ::stat status{};
      if (::fstatat(at.descriptor(), file, &status, AT_SYMLINK_NOFOLLOW) != 0) unreadable();
      if (S_ISDIR(status.st_mode)) {
        pending.push_back(name + "/");
        continue;
      }
      if (!is_safe_entry_name(name)) fail(StoreFault::unsupported, "a file has a name that no entry has");
      if (!S_ISREG(status.st_mode)) fail(StoreFault::unsupported, "entry " + name + " is not a regular file");
      if (source.directory.entries.size() >= most_entries) fail(StoreFault::too_large, "it has more files than the limit of entries");
      constexpr std::int64_t worth_a_mapping = 1 << 16;
      ZipDirectory::Entry& entry = source.directory.entries[name];
      if (status.st_size == 0) continue;
      FileView view = open_file(folder / name, copy || status.st_size < worth_a_mapping);
      entry.content = view.bytes;
      owners->push_back(std::move(view.owner));
    }
    if (errno != 0) unreadable();
  }
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
