#include "kernels/packing.hpp"

#include "kernels/aligned.hpp"

namespace lazyfx::kernels {

Packed pack_constant(Packing* packing, const Tensor& constant, std::string order, std::size_t bytes,
                     const std::function<void(std::byte*)>& pack) {
  if (packing != nullptr) return packing->pack(constant, std::move(order), bytes, pack);
  AlignedBytes memory = allocate_aligned(bytes);
  pack(memory.get());
  return {memory.release(), AlignedDelete()};
}

}  // namespace lazyfx::kernels
