#include "memory.hpp"

#include <sys/sysinfo.h>

#include <limits>
#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

// An overcommitting kernel promises more than it has and kills the process later, so the machine's memory is the limit.
std::size_t machine_memory() noexcept {
  static const std::size_t bytes = [] {
    constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
    struct sysinfo info{};
    if (sysinfo(&info) != 0) return unlimited;
    std::size_t total = 0;
    if (__builtin_add_overflow(info.totalram, info.totalswap, &total)) return unlimited;
    if (__builtin_mul_overflow(total, std::size_t{info.mem_unit}, &total) || total == 0) return unlimited;
    return total;
  }();
  return bytes;
}

}  // namespace

std::size_t bytes_for(DType dtype, const Shape& shape) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(shape.size()), size_of(dtype), &bytes) || bytes > machine_memory())
    throw_no_memory(dtype, shape);
  return bytes;
}

void throw_no_memory(DType dtype, const Shape& shape) {
  throw Error(ErrorKind::resource, std::string("there is no memory for a tensor ") + to_string(dtype) + "[" + to_string(shape) + "]");
}

}  // namespace lazyfx
