#include "lazyfx/graph/opcode.hpp"

#include <array>
#include <cstddef>

namespace lazyfx {
namespace {

constexpr std::array<const char*, 6> names{"placeholder", "get_attr", "call_function", "call_method", "call_module", "output"};

}  // namespace

const char* to_string(Opcode op) noexcept {
  const auto i = static_cast<std::size_t>(op);
  return i < names.size() ? names[i] : "unknown";
}

std::optional<Opcode> opcode_from_string(std::string_view name) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<Opcode>(i);
  }
  return std::nullopt;
}

}  // namespace lazyfx
