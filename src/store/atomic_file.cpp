#include "store/atomic_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

#include "lazyfx/store/store_error.hpp"
#include "store/folder.hpp"
#include "store/sha256.hpp"

namespace lazyfx::store {
namespace {

constexpr std::size_t buffered = std::size_t{1} << 20;

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

bool lock(int fd) noexcept { return ::flock(fd, LOCK_EX | LOCK_NB) == 0; }

}  // namespace

void AtomicFile::fail(const char* verb) const {
  const int code = errno;
  throw StoreError(StoreFault::unwritable, target_.string() + ": it cannot be " + verb + ": " + std::generic_category().message(code));
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  const std::string prefix = "." + target_.filename().string() + ".saving-";
  remove_litter(prefix);
  // Another save may take the new file for litter before it is locked; then it has no name any more, and another is made.
  for (struct ::stat status{}; fd_ < 0 || status.st_nlink == 0;) {
    if (fd_ >= 0) ::close(fd_);
    temporary_ = folder_of(target_) / (prefix + std::to_string(std::random_device()()));
    // Not mkstemp: the file shall have the permissions that any new file gets.
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EEXIST) continue;
    if (fd_ < 0) fail("saved");
    if (lock(fd_) ? ::fstat(fd_, &status) == 0 : errno == EWOULDBLOCK) continue;
    const int code = errno;
    ::unlink(temporary_.c_str());
    ::close(std::exchange(fd_, -1));
    errno = code;
    fail("locked");
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  ::close(fd_);
}

void AtomicFile::remove_litter(const std::string& prefix) const {
  Folder folder(folder_of(target_));
  if (!folder) return;
  while (const char* name = folder.next()) {
    if (!std::string_view(name).starts_with(prefix)) continue;
    const int fd = ::openat(folder.descriptor(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (lock(fd)) ::unlinkat(folder.descriptor(), name, 0);
    ::close(fd);
  }
}

void AtomicFile::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto done = ::write(fd_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("written");
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void AtomicFile::flush() {
  put(as_bytes(buffer_));
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > buffered) flush();
  if (bytes.size() > buffered)
    put(bytes);
  else
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void AtomicFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail("flushed");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("put in place");
  temporary_.clear();
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail("flushed");
  const int done = ::fsync(folder);
  ::close(folder);
  if (done != 0) fail("flushed");
}

}  // namespace lazyfx::store
