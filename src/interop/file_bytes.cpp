#include "file_bytes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "lazyfx/error.hpp"

namespace lazyfx::onnx {
namespace {

constexpr std::uintptr_t page = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw Error(ErrorKind::invalid_model, file.string() + ": " + why);
}

[[noreturn]] void refuse_with_errno(const std::filesystem::path& file, const char* verb) {
  const int code = errno;
  refuse(file, std::string("it cannot be ") + verb + ": " + std::generic_category().message(code));
}

FileBytes read_all(const Descriptor& fd, std::size_t size, const std::filesystem::path& file) {
  const std::shared_ptr<std::byte[]> memory(new (std::nothrow) std::byte[size]);
  if (memory == nullptr)
    throw Error(ErrorKind::resource, file.string() + ": there is no memory for its " + std::to_string(size) + " bytes");
  std::size_t done = 0;
  while (done < size) {
    const auto got = ::read(fd.get(), memory.get() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_with_errno(file, "read");
    if (got == 0) break;  // somebody shortened it meanwhile: what is there will be judged
    done += static_cast<std::size_t>(got);
  }
  return {Bytes(memory.get(), done), memory, false};
}

FileBytes map_all(const Descriptor& fd, std::size_t size, const std::filesystem::path& file) {
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_WILLNEED);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) refuse_with_errno(file, "mapped");
  std::shared_ptr<const void> owner(memory, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return {Bytes(static_cast<const std::byte*>(memory), size), std::move(owner), true};
}

}  // namespace

FileBytes open_file(const std::filesystem::path& file, Mapping mapping) {
  // Opening a pipe must not wait for its writer.
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) refuse_with_errno(file, "opened");
  struct ::stat status{};
  if (::fstat(fd.get(), &status) != 0) refuse_with_errno(file, "examined");
  if (S_ISDIR(status.st_mode)) refuse(file, "it is a directory, not a model file");
  if (!S_ISREG(status.st_mode)) refuse(file, "it is not a regular file");
  if (status.st_size <= 0) refuse(file, "it is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  return mapping == Mapping::copy ? read_all(fd, size, file) : map_all(fd, size, file);
}

namespace {
// Advice is only advice: a kernel that does not know it changes nothing.
void advise(const void* begin, std::size_t size, int advice) noexcept {
  const auto first = (std::bit_cast<std::uintptr_t>(begin) + page - 1) / page * page;
  const auto last = (std::bit_cast<std::uintptr_t>(begin) + size) / page * page;
  if (last > first) ::madvise(std::bit_cast<void*>(first), last - first, advice);
}
}  // namespace

void make_present(void* memory, std::size_t size) noexcept { advise(memory, size, MADV_POPULATE_WRITE); }
void release_pages(Bytes bytes) noexcept { advise(bytes.data(), bytes.size(), MADV_DONTNEED); }

}  // namespace lazyfx::onnx
