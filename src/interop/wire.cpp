#include "wire.hpp"

namespace lazyfx::onnx {

std::uint64_t Varints::next() {
  std::uint64_t value = 0;
  const std::byte* start = at_;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) throw Damage{static_cast<std::size_t>(start - file_), "a number is cut off"};
    const auto byte = std::to_integer<std::uint64_t>(*at_++);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw Damage{static_cast<std::size_t>(start - file_), "a number has more than 64 bits"};
}

void WireReader::fail(const std::string& complaint) const { throw Damage{offset(), complaint + " (in " + what_ + ")"}; }

std::uint64_t WireReader::read_varint() {
  Varints one({at_, end_}, file_);
  const auto value = one.next();
  at_ = one.position();
  return value;
}

bool WireReader::next() {
  if (at_ == end_) return false;
  const auto tag = read_varint();
  type_ = static_cast<std::uint32_t>(tag & 7);
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) fail("a field has a number that no field can have");
  field_ = static_cast<std::uint32_t>(tag >> 3);
  return true;
}

Bytes WireReader::take(std::uint64_t size) {
  const auto left = static_cast<std::uint64_t>(end_ - at_);
  if (size > left) {
    fail("field " + std::to_string(field_) + " claims " + std::to_string(size) + " bytes where " + std::to_string(left) + " are left");
  }
  const Bytes taken(at_, static_cast<std::size_t>(size));
  at_ += size;
  return taken;
}

void WireReader::expect(std::uint32_t type) const {
  if (type_ != type) fail("field " + std::to_string(field_) + " is encoded as another type");
}

void WireReader::skip() {
  switch (type_) {
    case varint_type: read_varint(); return;
    case fixed64_type: take(8); return;
    case bytes_type: take(read_varint()); return;
    case fixed32_type: take(4); return;
    default: fail("field " + std::to_string(field_) + " has an encoding that ONNX does not use");
  }
}

std::uint64_t WireReader::unsigned_value() {
  expect(varint_type);
  return read_varint();
}

std::uint32_t WireReader::fixed32() {
  expect(fixed32_type);
  std::uint32_t bits = 0;
  std::memcpy(&bits, take(4).data(), sizeof bits);
  return bits;
}

Bytes WireReader::bytes() {
  expect(bytes_type);
  return take(read_varint());
}

std::string_view WireReader::text() {
  const Bytes b = bytes();
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

Bytes WireReader::elements() {
  if (type_ == bytes_type) return bytes();
  const std::byte* start = at_;
  skip();
  return {start, at_};
}

}  // namespace lazyfx::onnx
