#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace lazyfx::kernels {

struct AlignedDelete {
  void operator()(std::byte* p) const noexcept { ::operator delete[](p, std::align_val_t(64)); }
};
/// Memory aligned to 64 bytes, not initialised.
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;
inline AlignedBytes allocate_aligned(std::size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(::operator new[](std::max<std::size_t>(bytes, 64), std::align_val_t(64))));
}

}  // namespace lazyfx::kernels
