#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "interop/onnx_writer.hpp"

/// Small models to begin with where no others are at hand: the operators of a text detector, branches and loops, recurrence, every way in
/// which a file keeps tensors.
namespace onnx_seeds {

namespace w = onnx_writer;

inline std::string convolutions() {
  const std::vector<float> kernel(4 * 3 * 3 * 3, 0.1F);
  return w::model(
      {.nodes = {w::node("Conv", {"x", "k", ""}, {"c"}, {w::ints_attribute("pads", {1, 1, 1, 1}), w::ints_attribute("strides", {2, 2})},
                         "conv"),
                 w::node("BatchNormalization", {"c", "one", "zero", "zero", "one"}, {"n"}, {w::float_attribute("epsilon", 1e-5F)}),
                 w::node("HardSigmoid", {"n"}, {"s"}, {w::float_attribute("alpha", 0.2F)}), w::node("Mul", {"n", "s"}, {"m"}),
                 w::node("GlobalAveragePool", {"m"}, {"g"}), w::node("Shape", {"m"}, {"size"}),
                 w::node("Slice", {"size", "from", "to"}, {"tail"}),
                 w::node("Resize", {"m", "", "scales"}, {"r"}, {w::text_attribute("mode", "nearest")}),
                 w::node("MaxPool", {"r"}, {"p"}, {w::ints_attribute("kernel_shape", {2, 2}), w::int_attribute("ceil_mode", 1)}),
                 w::node("Concat", {"p", "p"}, {"y"}, {w::int_attribute("axis", 1)})},
       .initializers = {w::floats("k", {4, 3, 3, 3}, kernel), w::floats("one", {4}, {1, 1, 1, 1}), w::floats("zero", {4}, {0, 0, 0, 0}),
                        w::floats("scales", {4}, {1, 1, 2, 2}), w::tensor("from", w::i64, {1}, w::packed(7, {2})),
                        w::tensor("to", w::i64, {1}, w::packed(7, {4}))},
       .inputs = {w::value("x", w::f32, {"N", 3, "H", "W"})},
       .outputs = {w::value("y", w::f32, {"N", 8, "H", "W"}), w::value("g", w::f32, {"N", 4, 1, 1}), w::value("tail", w::i64, {2})},
       .extra = {}});
}

inline std::string control_flow() {
  const auto branch = [](const char* op, const char* out) {
    return w::Graph{
        .nodes = {w::node(op, {"x"}, {out})}, .initializers = {}, .inputs = {}, .outputs = {w::value(out, w::f32, {2})}, .extra = {}}
        .encode();
  };
  const w::Graph body = {
      .nodes = {w::node("Add", {"state", "x"}, {"next"}), w::node("Identity", {"go"}, {"on"}),
                w::node("If", {"on"}, {"chosen"},
                        {w::graph_attribute("then_branch", branch("Relu", "t")), w::graph_attribute("else_branch", branch("Neg", "e"))})},
      .initializers = {},
      .inputs = {w::value("i", w::i64, {}), w::value("go", w::boolean, {}), w::value("state", w::f32, {2})},
      .outputs = {w::value("on", w::boolean, {}), w::value("next", w::f32, {2}), w::value("chosen", w::f32, {2})},
      .extra = {}};
  return w::model({.nodes = {w::node("Loop", {"trips", "", "x"}, {"last", "all"}, {w::graph_attribute("body", body.encode())}, "loop")},
                   .initializers = {w::tensor("trips", w::i64, {}, w::packed(7, {3}))},
                   .inputs = {w::value("x", w::f32, {2})},
                   .outputs = {w::value("last", w::f32, {2}), w::value("all", w::f32, {3, 2})},
                   .extra = {}});
}

inline std::string recurrence() {
  return w::model(
      {.nodes = {w::node("LSTM", {"x", "w", "r", "", "", "h", "h"}, {"y", "", "c"},
                         {w::int_attribute("hidden_size", 1), w::text_attribute("direction", "forward")}),
                 w::node("Squeeze", {"y", "axis"}, {"flat"}), w::node("Softmax", {"flat"}, {"p"})},
       .initializers = {w::floats("w", {1, 4, 2}, std::vector<float>(8, 0.5F)), w::floats("r", {1, 4, 1}, std::vector<float>(4, 0.5F)),
                        w::floats("h", {1, 1, 1}, {0}), w::tensor("axis", w::i64, {1}, w::packed(7, {1}))},
       .inputs = {w::value("x", w::f32, {"T", 1, 2})},
       .outputs = {w::value("p", w::f32, {"T", 1, 1}), w::value("c", w::f32, {1, 1, 1})},
       .extra = {}});
}

inline std::string tensors() {
  const w::Message outside = w::bytes(13, w::bytes(1, "location") + w::bytes(2, "weights.bin")) + w::number(14, 1);
  return w::model({.nodes = {w::node("Constant", {}, {"k"}, {w::ints_attribute("value_ints", {1, 2, 3})}),
                             w::node("Constant", {}, {"s"},
                                     {w::tensor_attribute("value", w::tensor("", w::string, {2}, w::bytes(6, "a") + w::bytes(6, "b")))}),
                             w::node("Cast", {"half"}, {"f"}, {w::int_attribute("to", 1)}), w::node("Add", {"f", "wide"}, {"sum"}),
                             w::node("Gather", {"sum", "k"}, {"y"}), w::node("Identity", {"away"}, {"z"})},
                   .initializers = {w::tensor("half", w::f16, {4}, w::packed(5, {0x3c00, 0, 0x7c00, 0x7e00})),
                                    w::floats("wide", {4}, {1, 2, 3, 4}), w::tensor("away", w::f32, {2}, outside)},
                   .inputs = {},
                   .outputs = {w::value("y", w::f32, {3}), w::value("s", w::string, {2}), w::value("z", w::f32, {2})},
                   .extra = {}});
}

inline const std::vector<std::string>& all() {
  static const std::vector<std::string> models = {w::model(w::dense()), convolutions(), control_flow(), recurrence(), tensors()};
  return models;
}

}  // namespace onnx_seeds
