#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace lazyfx::onnx {

using Bytes = std::span<const std::byte>;

/// Where the bytes of a file stop making sense. Thrown within this room, which turns it into an Error that names the file.
struct Damage {
  std::size_t offset;  ///< in the file
  std::string what;
};

/// Walks the fields of one protobuf message without copying or allocating:
///
///     while (r.next()) switch (r.field()) { case 1: name = r.text(); break; default: r.skip(); }
///
/// The value of every field is taken or skipped before the next one. Never reads outside the message; throws Damage instead.
/// Source: https://protobuf.dev/programming-guides/encoding/
class WireReader {
 public:
  /// `what` names the message in complaints: "a node". `file` is where offsets count from.
  WireReader(Bytes message, const std::byte* file, const char* what) noexcept
      : at_(message.data()), end_(message.data() + message.size()), file_(file), what_(what) {}

  bool next();
  std::uint32_t field() const noexcept { return field_; }
  void skip();

  std::uint64_t unsigned_value();
  std::int64_t signed_value() { return std::bit_cast<std::int64_t>(unsigned_value()); }
  float float_value() { return std::bit_cast<float>(fixed32()); }
  Bytes bytes();
  std::string_view text();
  WireReader message(const char* what) { return {bytes(), file_, what}; }

  /// A repeated number in either of its encodings: packed, or one element a field. Gives the encoded elements.
  Bytes elements();
  /// Calls `f(std::uint64_t)` for each element of a repeated varint field, packed or not.
  template <class F> void each_varint(F&& f);
  /// Calls `f(float)` for each element of a repeated float field, packed or not.
  template <class F> void each_float(F&& f);

  std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - file_); }
  [[noreturn]] void fail(const std::string& complaint) const;

 private:
  enum : std::uint32_t { varint_type = 0, fixed64_type = 1, bytes_type = 2, fixed32_type = 5 };
  std::uint64_t read_varint();
  std::uint32_t fixed32();
  Bytes take(std::uint64_t size);
  void expect(std::uint32_t type) const;

  const std::byte* at_;
  const std::byte* end_;
  const std::byte* file_;
  const char* what_;
  std::uint32_t field_ = 0;
  std::uint32_t type_ = 0;
};

/// Decodes the varints of `encoded` one after the other; throws Damage when one is cut off or too long.
class Varints {
 public:
  Varints(Bytes encoded, const std::byte* file) noexcept : at_(encoded.data()), end_(encoded.data() + encoded.size()), file_(file) {}
  bool done() const noexcept { return at_ == end_; }
  std::uint64_t next();
  const std::byte* position() const noexcept { return at_; }

 private:
  const std::byte* at_;
  const std::byte* end_;
  const std::byte* file_;
};

template <class F>
void WireReader::each_varint(F&& f) {
  for (Varints values(elements(), file_); !values.done();) f(values.next());
}

template <class F>
void WireReader::each_float(F&& f) {
  const Bytes encoded = elements();
  if (encoded.size() % sizeof(float) != 0) fail("a list of floats is not a whole number of them");
  for (std::size_t i = 0; i < encoded.size(); i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, encoded.data() + i, sizeof value);
    f(value);
  }
}

}  // namespace lazyfx::onnx
