#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::kernels {

/// A constant in the order that a kernel reads it in: 64-byte aligned, immutable, shared by all kernels that read it so.
using Packed = std::shared_ptr<const std::byte>;

/// Where kernels get their packed constants from. Any thread.
class Packing {
 public:
  virtual ~Packing() = default;
  /// `constant` in `order`, `bytes` long. `order` says everything about the result that the constant does not; `pack` fills memory with it, if
  /// nobody has it yet.
  virtual Packed pack(const Tensor& constant, std::string order, std::size_t bytes, const std::function<void(std::byte*)>& pack) = 0;
};

/// Packs for one kernel alone where `packing` is null.
Packed pack_constant(Packing* packing, const Tensor& constant, std::string order, std::size_t bytes,
                     const std::function<void(std::byte*)>& pack);

/// The bytes of plain numbers, to build an order of.
template <class... T>
std::string order_of(const char* kind, const T&... numbers) {
  std::string order(kind);
  (order.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
  return order;
}

}  // namespace lazyfx::kernels
