#include "onnx_tensor.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "lazyfx/error.hpp"
#include "problems.hpp"

namespace lazyfx::onnx {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::invalid_model, why); }

Shape shape_of(const TensorDef& tensor) {
  try {
    return Shape(tensor.dims);
  } catch (const Error& error) { refuse(std::string("its dimensions are absurd: ") + error.what()); }
}

std::uint64_t byte_count(DType dtype, const Shape& shape) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(shape.size()), static_cast<std::uint64_t>(size_of(dtype)), &bytes)) {
    refuse("shape " + to_string(shape) + " is larger than any memory");
  }
  return bytes;
}

std::string counted(std::uint64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

// The typed field that ONNX keeps elements of `dtype` in, for files without raw_data.
std::uint32_t field_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::string: return 6;
    case DType::i64: return 7;
    case DType::f64: return 10;
    case DType::u32:
    case DType::u64: return 11;
    default: return 5;
  }
}

bool is_fixed_width(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

template <class T>
T narrow(std::uint64_t encoded) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    if (encoded > 0xffff) refuse("an element has more than 16 bits");
    T value;
    value.bits = static_cast<std::uint16_t>(encoded);
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (encoded > 1) refuse("an element is neither true nor false");
    return encoded == 1;
  } else if constexpr (std::is_unsigned_v<T>) {
    if (encoded > std::numeric_limits<T>::max()) refuse("an element does not fit its type");
    return static_cast<T>(encoded);
  } else {
    const auto value = std::bit_cast<std::int64_t>(encoded);
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) refuse("an element does not fit its type");
    return static_cast<T>(value);
  }
}

template <class T>
constexpr bool is_varint = !std::is_same_v<T, float> && !std::is_same_v<T, double> && !std::is_same_v<T, std::string>;

std::uint64_t parse_number(std::string_view key, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse("the " + std::string(key) + " " + in_quotes(text) + " of its external data is not a number");
  }
  return value;
}

}  // namespace

DType dtype_of_number(std::int64_t number) {
  switch (number) {
    case 1: return DType::f32;
    case 2: return DType::u8;
    case 3: return DType::i8;
    case 4: return DType::u16;
    case 5: return DType::i16;
    case 6: return DType::i32;
    case 7: return DType::i64;
    case 8: return DType::string;
    case 9: return DType::boolean;
    case 10: return DType::f16;
    case 11: return DType::f64;
    case 12: return DType::u32;
    case 13: return DType::u64;
    case 16: return DType::bf16;
    default: break;
  }
  static constexpr std::array<const char*, 24> others = {
      nullptr, nullptr,        nullptr,          nullptr,      nullptr,          nullptr, nullptr,     nullptr,
      nullptr, nullptr,        nullptr,          nullptr,      nullptr,          nullptr, "complex64", "complex128",
      nullptr, "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4",      "float4e2m1"};
  if (number > 0 && number < static_cast<std::int64_t>(others.size())) {
    throw Error(ErrorKind::unsupported, std::string("element type ") + others[static_cast<std::size_t>(number)] + " is not supported");
  }
  if (number == 0) refuse("it has no element type");
  refuse("element type number " + std::to_string(number) + " is not one of ONNX's");
}

Tensor TensorLoader::load(const TensorDef& tensor) {
  const DType dtype = dtype_of_number(tensor.data_type);
  const Shape shape = shape_of(tensor);
  if (tensor.is_segmented) throw Error(ErrorKind::unsupported, "tensors in segments are not supported");
  if (tensor.is_external) return from_external(dtype, shape, tensor);
  if (!tensor.raw) return from_chunks(dtype, shape, tensor);
  if (!tensor.chunks.empty()) refuse("it has its elements twice, raw and typed");
  return from_bytes(dtype, shape, *tensor.raw, model_);
}

Tensor TensorLoader::from_bytes(DType dtype, const Shape& shape, Bytes bytes, const FileBytes& source) const {
  if (dtype == DType::string) refuse("strings are not stored as raw data");
  const auto needed = byte_count(dtype, shape);
  if (bytes.size() != needed) {
    refuse("shape " + to_string(shape) + " of " + to_string(dtype) + " takes " + counted(needed, "byte") + ", but it has " +
           std::to_string(bytes.size()));
  }
  if (dtype == DType::boolean && std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; })) {
    refuse("an element is neither true nor false");
  }
  const bool aligned =
      visit_dtype(dtype, [&]<class T>(std::type_identity<T>) { return std::bit_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0; });
  // Small ones are cheaper copied than pointed to, and then a model without large weights keeps no file open.
  constexpr std::size_t worth_sharing = 4096;
  if (aligned && mapping_ == Mapping::share && bytes.size() >= worth_sharing) return Tensor::wrap(dtype, shape, bytes.data(), source.owner);
  Tensor copy = Tensor::empty(dtype, shape);
  if (bytes.empty()) return copy;
  constexpr std::size_t worth_a_call = 1 << 18;
  if (bytes.size() >= worth_a_call) make_present(copy.mutable_raw(), bytes.size());
  std::memcpy(copy.mutable_raw(), bytes.data(), bytes.size());
  if (source.mapped && bytes.size() >= worth_a_call) release_pages(bytes);
  return copy;
}

Tensor TensorLoader::from_chunks(DType dtype, const Shape& shape, const TensorDef& tensor) const {
  const auto field = field_of(dtype);
  for (const auto& chunk : tensor.chunks) {
    if (chunk.field != field) refuse(std::string("its elements are not stored as those of ") + to_string(dtype) + " are");
  }
  if (is_fixed_width(dtype) && tensor.chunks.size() == 1) return from_bytes(dtype, shape, tensor.chunks.front().encoded, model_);
  return visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    std::vector<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>> elements;
    for (const auto& chunk : tensor.chunks) {
      if constexpr (is_varint<T>) {
        for (Varints values(chunk.encoded, model_.bytes.data()); !values.done();) elements.push_back(narrow<T>(values.next()));
      } else if constexpr (std::is_same_v<T, std::string>) {
        elements.emplace_back(reinterpret_cast<const char*>(chunk.encoded.data()), chunk.encoded.size());
      } else {
        if (chunk.encoded.size() % sizeof(T) != 0) refuse("its elements are cut off");
        const auto before = elements.size();
        elements.resize(before + chunk.encoded.size() / sizeof(T));
        if (!chunk.encoded.empty()) std::memcpy(elements.data() + before, chunk.encoded.data(), chunk.encoded.size());
      }
    }
    if (elements.size() != static_cast<std::size_t>(shape.size())) {
      refuse("shape " + to_string(shape) + " has " + counted(static_cast<std::uint64_t>(shape.size()), "element") + ", but it has " +
             std::to_string(elements.size()));
    }
    Tensor made = Tensor::empty(dtype, shape);
    std::copy(elements.begin(), elements.end(), made.mutable_values<T>().begin());
    return made;
  });
}

Tensor TensorLoader::from_external(DType dtype, const Shape& shape, const TensorDef& tensor) {
  if (tensor.raw || !tensor.chunks.empty()) refuse("it has its elements twice, here and in an external file");
  std::string_view location;
  std::optional<std::uint64_t> offset, length;
  for (const auto& [key, value] : tensor.external) {
    if (key == "location") location = value;
    if (key == "offset") offset = parse_number(key, value);
    if (key == "length") length = parse_number(key, value);
  }
  if (location.empty()) refuse("its external data has no location");
  const FileBytes& file = external_file(std::string(location));
  const auto begin = offset.value_or(0);
  const auto size = length.value_or(byte_count(dtype, shape));
  if (begin > file.bytes.size() || size > file.bytes.size() - begin) {
    refuse("its external data lies at bytes " + std::to_string(begin) + " to " + std::to_string(begin) + "+" + std::to_string(size) +
           " of " + in_quotes(location) + ", which has " + std::to_string(file.bytes.size()));
  }
  return from_bytes(dtype, shape, file.bytes.subspan(begin, size), file);
}

const FileBytes& TensorLoader::external_file(const std::string& location) {
  if (const auto known = external_files_.find(location); known != external_files_.end()) return known->second;
  if (data_folder_.empty())
    refuse("its elements lie in the external file " + in_quotes(location) + ", but a model in memory has no folder");
  const std::filesystem::path relative(location);
  const bool climbs = std::any_of(relative.begin(), relative.end(), [](const auto& part) { return part == ".."; });
  if (relative.is_absolute() || climbs || location.find('\0') != std::string::npos) {
    refuse("external file " + in_quotes(location) + " is not inside the model's folder");
  }
  // A symbolic link may lead out as well.
  std::error_code failed;
  const auto folder = std::filesystem::canonical(data_folder_, failed);
  if (failed) refuse("its data folder " + in_quotes(data_folder_.string()) + " cannot be opened: " + failed.message());
  const auto file = std::filesystem::canonical(folder / relative, failed);
  if (failed) refuse("its external file " + in_quotes(location) + " cannot be opened: " + failed.message());
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  if (end != folder.end()) refuse("external file " + in_quotes(location) + " is not inside the model's folder");
  return external_files_.emplace(location, open_file(file, mapping_)).first->second;
}

}  // namespace lazyfx::onnx
