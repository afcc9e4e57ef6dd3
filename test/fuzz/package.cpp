#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>

#include "lazyfx/error.hpp"
#include "lazyfx/store/package_importer.hpp"
#include "store/modules.hpp"
#include "within_a_second.hpp"

/// Any bytes as a package, all of which is then loaded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazyfx;
  static Runtime runtime(RuntimeOptions().threads(1));
  static const PackageOptions options = PackageOptions().copy(true).load(
      LoadOptions().reconstructors(stored::with_scale()).limits(StoreLimits().memory(std::uint64_t{8} << 20).node_ids(1 << 14)));
  const int fd = ::memfd_create("package", MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, data, size) != static_cast<::ssize_t>(size)) std::abort();
  const WithinASecond limit;
  try {
    const PackageImporter package("/proc/self/fd/" + std::to_string(fd), options);
    for (const auto& [name, bytes] : package.file_structure()) static_cast<void>(package.entry(name));
    for (const std::string& name : package.modules()) package.load_module(name, runtime);
    package.verify(runtime.operators());
  } catch (const Error&) {}
  ::close(fd);
  return 0;
}
