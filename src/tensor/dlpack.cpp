#include "lazyfx/tensor/dlpack.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/tensor/dlpack_abi.hpp"

namespace lazyfx {
namespace {

static_assert(sizeof(DLTensor) == 48 && offsetof(DLTensor, ndim) == 16 && offsetof(DLTensor, shape) == 24);
static_assert(sizeof(DLManagedTensor) == 64 && offsetof(DLManagedTensor, deleter) == 56);

struct Exported {
  DLManagedTensor managed{};
  Tensor tensor;
  std::array<std::int64_t, Shape::max_rank> shape{};
  std::array<std::int64_t, Shape::max_rank> strides{};
};

void delete_exported(DLManagedTensor* managed) { delete static_cast<Exported*>(managed->manager_ctx); }

DLDataType dlpack_type(DType dtype) {
  const auto type = [dtype](DLDataTypeCode code) {
    return DLDataType{static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(8 * size_of(dtype)), 1};
  };
  if (dtype == DType::string) throw Error(ErrorKind::unsupported, "a tensor of strings cannot be exported with DLPack");
  if (dtype == DType::boolean) return type(kDLBool);
  if (dtype == DType::bf16) return type(kDLBfloat);
  return type(is_floating(dtype) ? kDLFloat : is_signed_integer(dtype) ? kDLInt : kDLUInt);
}

std::optional<DType> dtype_of_dlpack(DLDataType type) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::string) continue;
    const DLDataType known = dlpack_type(dtype);
    if (known.code == type.code && known.bits == type.bits && known.lanes == type.lanes) return dtype;
  }
  return std::nullopt;
}

[[noreturn]] void refuse(ErrorKind kind, const std::string& why) { throw Error(kind, "a DLPack tensor was refused: " + why); }

Tensor wrap(const DLTensor& foreign, std::shared_ptr<const void> owner) {
  if (foreign.device.device_type != kDLCPU) {
    refuse(ErrorKind::unsupported,
           "it lies on a device of type " + std::to_string(static_cast<int>(foreign.device.device_type)) + ", not on the CPU");
  }
  const std::optional<DType> dtype = dtype_of_dlpack(foreign.dtype);
  if (!dtype) {
    refuse(ErrorKind::unsupported, "its element type (code " + std::to_string(foreign.dtype.code) + ", " +
                                       std::to_string(foreign.dtype.bits) + " bits, " + std::to_string(foreign.dtype.lanes) +
                                       " lanes) is not known here");
  }
  if (foreign.ndim < 0 || foreign.ndim > static_cast<int>(Shape::max_rank)) {
    refuse(ErrorKind::invalid_argument, "its rank is " + std::to_string(foreign.ndim));
  }
  const auto rank = static_cast<std::size_t>(foreign.ndim);
  if (rank != 0 && foreign.shape == nullptr) refuse(ErrorKind::invalid_argument, "it has no shape");
  const Shape shape(std::span<const std::int64_t>(foreign.shape, rank));
  const std::byte* data = nullptr;
  if (shape.size() != 0) {
    if (foreign.data == nullptr) refuse(ErrorKind::invalid_argument, "its data pointer is null");
    if (foreign.byte_offset > std::numeric_limits<std::uintptr_t>::max() - reinterpret_cast<std::uintptr_t>(foreign.data)) {
      refuse(ErrorKind::invalid_argument, "its byte offset leaves the address space");
    }
    data = static_cast<const std::byte*>(foreign.data) + foreign.byte_offset;
  }
  if (foreign.strides == nullptr) return Tensor::wrap(*dtype, shape, data, std::move(owner));
  return Tensor::wrap(*dtype, shape, std::span<const std::int64_t>(foreign.strides, rank), data, std::move(owner));
}

}  // namespace

DLManagedTensor* to_dlpack(const Tensor& tensor) {
  if (!tensor.defined()) throw Error(ErrorKind::invalid_argument, "an undefined tensor cannot be exported with DLPack");
  const DLDataType type = dlpack_type(tensor.dtype());
  auto exported = std::make_unique<Exported>();
  exported->tensor = tensor;
  std::copy(tensor.shape().begin(), tensor.shape().end(), exported->shape.begin());
  std::copy(tensor.strides().begin(), tensor.strides().end(), exported->strides.begin());

  DLManagedTensor& managed = exported->managed;
  managed.dl_tensor.data = tensor.size() == 0 ? nullptr : const_cast<void*>(tensor.raw());
  managed.dl_tensor.device = {kDLCPU, 0};
  managed.dl_tensor.ndim = static_cast<std::int32_t>(tensor.rank());
  managed.dl_tensor.dtype = type;
  managed.dl_tensor.shape = exported->shape.data();
  managed.dl_tensor.strides = exported->strides.data();
  managed.dl_tensor.byte_offset = 0;
  managed.manager_ctx = exported.get();
  managed.deleter = delete_exported;
  return &exported.release()->managed;
}

Tensor from_dlpack(DLManagedTensor* managed) {
  if (managed == nullptr) throw Error(ErrorKind::invalid_argument, "a DLPack tensor was refused: the pointer is null");
  std::shared_ptr<const void> owner(managed, [](DLManagedTensor* m) {
    if (m->deleter != nullptr) m->deleter(m);
  });
  return wrap(managed->dl_tensor, std::move(owner));
}

}  // namespace lazyfx
