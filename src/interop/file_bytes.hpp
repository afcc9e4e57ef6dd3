#pragma once

#include <filesystem>
#include <memory>

#include "lazyfx/interop/onnx.hpp"
#include "wire.hpp"

namespace lazyfx::onnx {

/// The whole of a file, readable while `owner` lives: mapped, or read into memory.
struct FileBytes {
  Bytes bytes;
  std::shared_ptr<const void> owner;
  bool mapped = false;
};

/// Throws Error(invalid_model) "FILE: ..." for what is absent, unreadable, empty, or not a regular file; Error(resource) when memory
/// is short.
FileBytes open_file(const std::filesystem::path& file, Mapping mapping);

/// Makes the pages of memory that is about to be written present in one call: taking a fault for each costs more than copying into them.
void make_present(void* memory, std::size_t size) noexcept;

/// Tells the system that the pages wholly inside `bytes` of a mapped file were copied and need not stay in this process.
void release_pages(Bytes bytes) noexcept;

}  // namespace lazyfx::onnx
