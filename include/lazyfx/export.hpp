#pragma once

/// Marks what the shared library shows; everything else has hidden visibility.
#if defined(LAZYFX_STATIC)
#define LAZYFX_API
#else
#define LAZYFX_API __attribute__((visibility("default")))
#endif
