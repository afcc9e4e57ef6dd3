#pragma once

#include <cstdint>

namespace lazyfx::kernels {

/// The widest instruction set that kernels may use.
enum class Isa : std::uint8_t { sse4, avx2, avx512 };

/// What this processor has, bounded by the environment variable LAZYFX_MAX_ISA (sse4, avx2 or avx512; throws
/// Error(invalid_argument) for anything else). The first call tells Highway and oneDNN, so it comes before any use of either. Thread safe,
/// constant afterwards.
Isa isa();

}  // namespace lazyfx::kernels
