// Stability: experimental; follows the forms of graph/code.hpp.
#pragma once

#include <string>
#include <string_view>

#include "lazyfx/export.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/ops/registry.hpp"

namespace lazyfx {

/// True for bytes that begin as a text graph does ("def ", "class ", "#"), which no ONNX file can.
LAZYFX_API bool is_text_graph(std::string_view bytes) noexcept;

/// A text that people write, or that render_code wrote, as a graph that nobody has compiled yet:
///
///     def forward(x: f32[N, 2]):
///         y = onnx::Add(x, tensor(f32[2], [0.5, 1.0]))
///         return y
///
/// Inputs are named after the placeholders' targets, outputs after the nodes that are returned ("output_1" for what is no node). All constants
/// stand in the text; it has no members but the graphs that operators run, which the root holds (see graph/code.hpp). opset is 0 and there is
/// no producer.
///
/// Threads: any. Cost: linear in the text. The caller owns all of it. Fails with one sentence that begins with `display_name`:
/// Error(invalid_model), with line and column, for a text that parse_code refuses, and for one that reads members of `self`; Error(unsupported)
/// for operators that are not in `operators`, all of them named.
LAZYFX_API onnx::ImportedModel import_text(std::string_view text, const std::string& display_name, const OperatorRegistry& operators);

}  // namespace lazyfx
