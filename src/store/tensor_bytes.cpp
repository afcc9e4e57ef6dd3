#include "store/tensor_bytes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "lazyfx/error.hpp"
#include "store/little_endian.hpp"
#include "tensor/expecting.hpp"

namespace lazyfx::store {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored as they lie in memory");

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::invalid_model, what); }

std::string strings_of(const Tensor& tensor) {
  std::string bytes;
  for (const std::string& s : tensor.values<std::string>()) {
    append_little<std::uint64_t>(bytes, s.size());
    bytes += s;
  }
  return bytes;
}

Tensor strings_from(std::span<const std::byte> bytes, const Shape& shape) {
  // Each string takes eight bytes at least, so the shape cannot ask for more memory than the file justifies.
  if (static_cast<std::uint64_t>(shape.size()) > bytes.size() / sizeof(std::uint64_t)) fail("it has fewer strings than its shape");
  Tensor tensor = Tensor::empty(DType::string, shape);
  std::size_t at = 0;
  for (std::string& s : tensor.mutable_values<std::string>()) {
    if (bytes.size() - at < sizeof(std::uint64_t)) fail("its strings are cut off");
    const auto size = little_at<std::uint64_t>(bytes, at);
    at += sizeof(std::uint64_t);
    if (size > bytes.size() - at) fail("one of its strings is cut off");
    s.assign(reinterpret_cast<const char*>(bytes.data()) + at, size);
    at += size;
  }
  if (at != bytes.size()) fail("there are bytes after its strings");
  return tensor;
}

Tensor numbers_from(const TensorRow& row, const Shape& shape, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                    const std::string& origin) {
  const auto dtype = static_cast<DType>(row.dtype);
  if (static_cast<std::uint64_t>(shape.size()) > bytes.size() / size_of(dtype) ||
      shape.size() * static_cast<std::int64_t>(size_of(dtype)) != static_cast<std::int64_t>(bytes.size())) {
    fail("it has " + std::to_string(bytes.size()) + " bytes for shape " + to_string(shape) + " of " + to_string(dtype));
  }
  if (dtype == DType::boolean && std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; })) {
    fail("one of its booleans is neither true nor false");
  }
  const bool usable = !bytes.empty() && std::bit_cast<std::uintptr_t>(bytes.data()) % size_of(dtype) == 0;
  if (usable && owner) return detail::wrap_expecting(row.digest, origin, dtype, shape, bytes.data(), owner);
  Tensor tensor = Tensor::empty(dtype, shape);
  if (!bytes.empty()) std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
  return tensor;
}

}  // namespace

TensorBytes::TensorBytes(const Tensor& tensor) : dense_(tensor.contiguous()) {
  if (dense_.dtype() == DType::string) {
    strings_ = strings_of(dense_);
    bytes_ = std::as_bytes(std::span(strings_));
  } else {
    bytes_ = {static_cast<const std::byte*>(dense_.raw()), dense_.byte_size()};
  }
}

Shape shape_of(const TensorRow& row) {
  if (row.dtype >= dtype_count) fail("element type " + std::to_string(row.dtype) + " does not exist");
  return Shape(std::span<const std::int64_t>(row.dims));
}

Tensor tensor_from_bytes(const TensorRow& row, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                         const std::string& origin, TensorCheck check) {
  const Shape shape = shape_of(row);
  if (row.byte_size != bytes.size()) fail("it has " + std::to_string(bytes.size()) + " of its " + std::to_string(row.byte_size) + " bytes");
  Tensor tensor =
      static_cast<DType>(row.dtype) == DType::string ? strings_from(bytes, shape) : numbers_from(row, shape, bytes, owner, origin);
  // What was copied has been read anyway.
  if ((check == TensorCheck::now || tensor.unique()) && tensor.digest() != row.digest) fail("its elements are not those that were saved");
  return tensor;
}

}  // namespace lazyfx::store
