// Included before any Highway header, so that all vector files are compiled for the same targets.
// SSSE3 stays as the baseline of x86-64-v2: Highway's SSE4 asks for AES, which that baseline does not promise.
#ifndef LAZYFX_KERNELS_VECTOR_TARGETS_HPP
#define LAZYFX_KERNELS_VECTOR_TARGETS_HPP
#define HWY_DISABLED_TARGETS HWY_SSE4
#endif
