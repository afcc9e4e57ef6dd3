// Stability: the functions are stable; the text may gain forms.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/graph/snapshot.hpp"

namespace lazyfx {

/// The readable form of a graph: one line a node, in order. Deterministic: equal snapshots give equal text.
struct Code {
  std::string text;
  std::vector<NodeId> line_to_node;  ///< [i] made line i + 1 (one-based, as editors count); no_node for other lines
};

/// Renders a snapshot, for example
///
///     def forward(x: f32[N, 64], scale = 1.5):
///         weight = self.weight
///         gemm = onnx::Gemm(x, weight, transB = 1)
///         return gemm
///
/// Every argument kind prints so that it can be read back without loss; path atoms that are not identifiers
/// print as getattr(self, "0"). Thread safe. `class_name` heads the text when not empty.
LAZYFX_API Code render_code(const Snapshot& snapshot, const std::string& class_name = {});

}  // namespace lazyfx
