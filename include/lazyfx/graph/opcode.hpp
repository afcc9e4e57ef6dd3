// Stability: stable.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// The six operations of torch.fx. Values are part of saved files: append only.
enum class Opcode : std::uint8_t {
  placeholder,    ///< an input of the graph; target is its name, args[0] its default if it has one
  get_attr,       ///< a tensor or module of the owner, found by the dotted path in target
  call_function,  ///< an operator from the registry, named by target
  call_method,    ///< the operator that the registry holds for the method `target`; args[0] is the receiver
  call_module,    ///< the submodule at the dotted path in target
  output,         ///< the result of the graph: args[0], any aggregate
};

LAZYFX_API const char* to_string(Opcode op) noexcept;
LAZYFX_API std::optional<Opcode> opcode_from_string(std::string_view name) noexcept;

}  // namespace lazyfx
