#pragma once

#include "compile/failure.hpp"
#include "compile/source.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx::compile {

/// True if equal content is bound to fail alike: what is wrong is in the content, and nobody's code but the library's had a say in it. A
/// user's operator may throw what it likes, and something else the next time. False where there is no memory to tell.
bool is_lasting(const Failure& failure, const Source& source, const OperatorRegistry& operators) noexcept;

}  // namespace lazyfx::compile
