#include "store/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string>
#include <system_error>

#include "lazyfx/store/store_error.hpp"

namespace lazyfx::store {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, StoreFault fault, const std::string& what) {
  throw StoreError(fault, file.string() + ": " + what);
}

std::string reason() { return std::generic_category().message(errno); }

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

FileView read_all(int fd, std::size_t size, const std::filesystem::path& file) {
  const std::shared_ptr<std::byte[]> memory(new (std::nothrow) std::byte[size]);
  if (!memory) fail(file, StoreFault::too_large, "there is no memory for its " + std::to_string(size) + " bytes");
  std::size_t done = 0;
  while (done < size) {
    const auto got = ::read(fd, memory.get() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(file, StoreFault::not_found, "it cannot be read: " + reason());
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return {{memory.get(), done}, memory};
}

}  // namespace

FileView open_file(const std::filesystem::path& file, bool copy) {
  const Descriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (opened.fd < 0) fail(file, StoreFault::not_found, "it cannot be opened: " + reason());
  struct ::stat status{};
  if (::fstat(opened.fd, &status) != 0) fail(file, StoreFault::not_found, "it cannot be examined: " + reason());
  if (!S_ISREG(status.st_mode)) fail(file, StoreFault::unsupported, "it is not a regular file");
  if (status.st_size <= 0) fail(file, StoreFault::truncated, "it is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (copy) return read_all(opened.fd, size, file);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, opened.fd, 0);
  if (memory == MAP_FAILED) fail(file, StoreFault::not_found, "it cannot be mapped: " + reason());
  std::shared_ptr<const void> owner(memory, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return {{static_cast<const std::byte*>(memory), size}, std::move(owner)};
}

}  // namespace lazyfx::store
