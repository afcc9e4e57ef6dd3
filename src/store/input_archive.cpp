#include "store/input_archive.hpp"

#include <cstring>

namespace lazyfx::store {

void InputArchive::fail(StoreFault fault, const std::string& what) const {
  throw StoreError(fault, place_ + ": at byte " + std::to_string(at_) + " " + what);
}

void InputArchive::load_binary(void* data, std::size_t size) {
  if (size > bytes_.size() - at_) fail(StoreFault::truncated, std::to_string(size) + " bytes are asked for where fewer are left");
  if (size != 0) std::memcpy(data, bytes_.data() + at_, size);
  at_ += size;
}

std::uint64_t InputArchive::number(std::uint64_t most) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (at_ == bytes_.size()) fail(StoreFault::truncated, "a number is cut off");
    const auto byte = static_cast<std::uint64_t>(bytes_[at_]);
    if (shift == 63 && byte > 1) fail(StoreFault::corrupted, "a number has more than 64 bits");
    ++at_;
    value |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift != 0) fail(StoreFault::corrupted, "a number is longer than it needs to be");
    break;
  }
  if (value > most) fail(StoreFault::corrupted, std::to_string(value) + " stands where at most " + std::to_string(most) + " may");
  return value;
}

std::size_t InputArchive::length(std::size_t item_size) {
  const std::uint64_t count = number(~std::uint64_t{0});
  if (count > bytes_.size() - at_) fail(StoreFault::truncated, std::to_string(count) + " items cannot be in the bytes that are left");
  if (count > memory_ / item_size) fail(StoreFault::too_large, std::to_string(count) + " items are beyond the limit of memory");
  memory_ -= count * item_size;
  return static_cast<std::size_t>(count);
}

void InputArchive::load(std::string& text) {
  const std::size_t size = length(1);
  text.resize(size);
  load_binary(text.data(), size);
}

void InputArchive::finish() const {
  if (at_ != bytes_.size()) fail(StoreFault::extended, "there are bytes after the end");
}

}  // namespace lazyfx::store
