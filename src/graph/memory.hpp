#pragma once

#include <cstddef>

#include "lazyfx/graph/snapshot.hpp"

namespace lazyfx::detail {

/// What a snapshot keeps alive, about: its chunks, nodes, names, arguments and constants, as if it shared them with no other; of what its
/// nodes share, constants count for each that names them, and targets not at all. Linear in the nodes. Any thread.
std::size_t memory_of(const Snapshot& snapshot);

}  // namespace lazyfx::detail
