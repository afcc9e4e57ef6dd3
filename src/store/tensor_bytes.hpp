#pragma once

#include <memory>
#include <span>
#include <string>

#include "lazyfx/tensor/tensor.hpp"
#include "store/description.hpp"

namespace lazyfx::store {

/// The stored form of a tensor: its elements in row-major order, little-endian; for strings, each as a 64-bit length and its bytes.
class TensorBytes {
 public:
  explicit TensorBytes(const Tensor& tensor);
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  Tensor dense_;
  std::string strings_;
  std::span<const std::byte> bytes_;
};

/// Dtype and shape of a row. Throws Error in one clause when no tensor has them or the bytes cannot hold them.
Shape shape_of(const TensorRow& row);

enum class TensorCheck { now, at_first_use };
/// The tensor of a row whose stored form is `bytes`, which `owner` keeps: used where it lies if it is aligned for its elements, else
/// copied. `origin` names it in errors. Throws Error in one clause.
Tensor tensor_from_bytes(const TensorRow& row, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                         const std::string& origin, TensorCheck check);

}  // namespace lazyfx::store
