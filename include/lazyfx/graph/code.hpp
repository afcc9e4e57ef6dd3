// Stability: the functions are stable; the text may gain forms.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
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

/// Graphs within a graph, by dotted path.
using NamedSnapshots = std::vector<std::pair<std::string, Snapshot>>;

/// Renders a snapshot, for example
///
///     def forward(x: f32[N, 64], scale = 1.5):
///         weight = self.weight
///         gemm = onnx::Gemm(x, weight, transB = 1)
///         return gemm
///
/// Every argument kind prints on one line and so that it can be read back without loss:
///
///     None True 7 1.0 inf nan "text\n" dtype.f32 [1, 2] (1,) {"key": 1} slice(None, 2, None) tensor(f32[2], [1.0, 2.0])
///
/// A NaN other than the usual one carries its bits, nan(0x7ff8000000000001); bytes that are not UTF-8 are escaped; a tensor of
/// more than 256 elements prints its digest instead of them, tensor(f32[512], digest = 0x...). A placeholder whose name is not
/// its target prints as `X as x` ("image:0" as image_0). A known type follows the name: `gemm: f32[N, 64] = ...`. Path atoms
/// that are not identifiers print as getattr(self, "0"); other targets that are no words print quoted,
/// call_function("odd name", x). A call_method without a node to receive it prints likewise. `class_name` heads the text when
/// not empty. Placeholders have no line of their own: they are in the `def` line.
///
/// Metadata ends the line of its node, where there is any; that of placeholders ends the `def` line, by their names. Any Value
/// prints, tensors as among arguments:
///
///     def forward(x):  # {"x": {"onnx_name": "x:0"}}
///         relu = onnx::Relu(x)  # {"onnx_name": "relu:0", "seen": [1, 2.5, None]}
///
/// `subgraphs`, the graphs that operators run (module/subgraph.hpp collects them), follow in their order, each after a blank line and
/// under the path that finds it from the module of the first, quoted as in the argument that names it. Each prints by the same rules,
/// `self` in it being the Subgraph; one within another has a longer path and follows likewise, so that nesting costs no indentation:
///
///     def forward(x, positive):
///         y = onnx::If(positive, x, then_branch = "sign.then_branch", else_branch = "sign.else_branch")
///         return y
///
///     def "sign.then_branch"(x):
///         return x
///
/// Lines of subgraphs belong to no node of the map. Thread safe; linear in the text.
LAZYFX_API Code render_code(const Snapshot& snapshot, const std::string& class_name = {}, const NamedSnapshots& subgraphs = {});

}  // namespace lazyfx
