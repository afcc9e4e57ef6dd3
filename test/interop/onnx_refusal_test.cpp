#define BOOST_TEST_MODULE interop_onnx_refusal
#include <boost/test/unit_test.hpp>

#include "importing.hpp"

using namespace lazyfx;
using namespace importing;
namespace w = onnx_writer;

BOOST_AUTO_TEST_CASE(unknown_operators_are_counted_and_listed_together) {
  auto graph = w::dense();
  graph.nodes.push_back(w::node("Frobnicate", {"y"}, {"z1"}, {}, "first"));
  graph.nodes.push_back(w::node("Frobnicate", {"z1"}, {"z2"}, {}, "second"));
  graph.nodes.push_back(w::node("Gelu", {"z2"}, {"z3"}, {}, "third", "com.example"));
  check_refused(w::model(graph) + w::opset(1, "com.example"), ErrorKind::unsupported,
                {"onnx::Frobnicate of opset 13 is not supported (used 2 times, first by node 'first'",
                 "com.example::Gelu of opset 1 is not supported (used once, first by node 'third'"});
}

BOOST_AUTO_TEST_CASE(every_problem_is_told_at_once) {
  auto graph = w::dense();
  graph.nodes.push_back(w::node("Relu", {"missing"}, {"z"}, {}, "lost"));
  graph.nodes.push_back(w::node("Relu", {"z"}, {"y"}, {}, "twice"));
  graph.nodes.push_back(w::node("Cast", {"y"}, {"c"}, {w::int_attribute("to", 99)}, "bad_cast"));
  check_refused(
      w::model(graph), ErrorKind::invalid_model,
      {"node 'lost' (Relu) reads 'missing', which nothing makes", "value 'y' is made twice", "element type number 99", "bad_cast"});
}

BOOST_AUTO_TEST_CASE(a_name_is_shown_without_what_breaks_or_reorders_a_line_and_cut_between_characters) {
  const auto shown = [](const std::string& name) {
    auto graph = w::dense();
    graph.nodes.push_back(w::node("Relu", {"missing"}, {"z"}, {}, name));
    return failure_of(w::model(graph)).second;
  };
  const auto holds = [&](const std::string& name, const std::string& text) {
    const std::string message = shown(name);
    BOOST_TEST(contains(message, "node '" + text + "' (Relu)"), message);
  };
  holds(
      "a\xc2\x85"
      "b\xc2\x9b"
      "c\xe2\x80\xa8"
      "d\xe2\x80\xa9"
      "e\xe2\x80\xae"
      "f\xe2\x81\xa6g",
      "a?b?c?d?e?f?g");
  holds("\x1b[31m\x7f\xff\xe2\x80", "?[31m????");
  holds("gr\xc3\xbc\xc3\x9f \xe2\x82\xac", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac");
  holds(std::string(79, 'n') +
            "\xe2\x82\xac"
            "n",
        std::string(79, 'n') + "...");
  holds(std::string(77, 'n') + "\xe2\x82\xac", std::string(77, 'n') + "\xe2\x82\xac");
}

BOOST_AUTO_TEST_CASE(a_cycle_is_named) {
  const w::Graph graph = {.nodes = {w::node("Add", {"x", "c"}, {"a"}, {}, "one"), w::node("Relu", {"a"}, {"b"}, {}, "two"),
                                    w::node("Relu", {"b"}, {"c"}, {}, "three"), w::node("Relu", {"c"}, {"y"}, {}, "after")},
                          .initializers = {},
                          .inputs = {w::value("x", w::f32, {1})},
                          .outputs = {w::value("y", w::f32, {1})},
                          .extra = {}};
  const auto [kind, message] = failure_of(w::model(graph));
  BOOST_TEST((kind == ErrorKind::invalid_model));
  BOOST_TEST(contains(message, "cycle of 3"), message);
  for (const auto* name : {"'one'", "'two'", "'three'"}) BOOST_TEST(contains(message, name), message);
  BOOST_TEST(!contains(message, "'after'"), message);
}

BOOST_AUTO_TEST_CASE(a_node_that_reads_itself_is_a_cycle) {
  auto graph = w::dense();
  graph.nodes[1] = w::node("Relu", {"y"}, {"y"}, {}, "self");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"cycle of 1", "'self'"});
}

BOOST_AUTO_TEST_CASE(absurd_dimensions_are_refused_before_anything_is_allocated) {
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  auto graph = w::dense();
  graph.initializers[0] = w::tensor("fc.weight", w::f32, {huge, huge}, w::bytes(9, "abcd"));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"initializer 'fc.weight'", "dimensions are absurd"});
  graph.initializers[0] = w::tensor("fc.weight", w::f32, {huge}, w::bytes(9, "abcd"));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"initializer 'fc.weight'", "larger than any memory"});
  graph.initializers[0] = w::tensor("fc.weight", w::f32, {1 << 30}, {});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"initializer 'fc.weight'", "but it has 0"});
  graph.initializers[0] = w::tensor("fc.weight", w::f32, {-3}, {});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"initializer 'fc.weight'"});
  graph = w::dense();
  graph.inputs[0] = w::value("x", w::f32, {huge, 2});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"graph input 'x'", "no memory can hold"});
  graph.inputs[0] = w::value("x", w::f32, {std::int64_t{1} << 50, "two\nlines"});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"graph input 'x'", "no memory can hold", "two?lines"});
  graph.inputs[0] = w::value("x", w::f32, {std::int64_t{1} << 50, 1});
  check_refused(w::model(graph), ErrorKind::invalid_model, {"graph input 'x'", "no memory can hold"});
}

BOOST_AUTO_TEST_CASE(elements_must_match_shape_and_type) {
  const auto weight = [](const w::Message& tensor) {
    auto graph = w::dense();
    graph.initializers[0] = tensor;
    return w::model(graph);
  };
  const auto invalid = ErrorKind::invalid_model;
  check_refused(weight(w::floats("fc.weight", {3, 2}, {1, 2, 3, 4, 5})), invalid, {"takes 24 bytes, but it has 20"});
  check_refused(weight(w::tensor("fc.weight", w::i32, {2}, w::packed(5, {1, 2, 3}))), invalid, {"has 2 elements, but it has 3"});
  check_refused(weight(w::tensor("fc.weight", w::i8, {1}, w::packed(5, {200}))), invalid, {"does not fit its type"});
  check_refused(weight(w::tensor("fc.weight", w::f32, {1}, w::packed(7, {1}))), invalid, {"not stored as those of f32"});
  check_refused(weight(w::tensor("fc.weight", w::boolean, {1}, w::bytes(9, "\x07"))), invalid, {"neither true nor false"});
  check_refused(weight(w::tensor("fc.weight", w::string, {1}, w::bytes(9, "x"))), invalid, {"strings are not stored as raw data"});
  check_refused(weight(w::tensor("fc.weight", w::Type{0}, {1}, w::bytes(9, "abcd"))), invalid, {"no element type"});
  check_refused(weight(w::tensor("fc.weight", w::Type{12345}, {1}, w::bytes(9, "abcd"))), invalid, {"12345 is not one of ONNX's"});
  check_refused(weight(w::tensor("fc.weight", w::complex64, {1}, w::bytes(9, "12345678"))), ErrorKind::unsupported, {"complex64"});
}

BOOST_AUTO_TEST_CASE(attributes_must_be_ones_that_the_operator_takes) {
  const auto with = [](const std::vector<w::Message>& attributes) {
    auto graph = w::dense();
    graph.nodes[0] = w::node("Gemm", {"x", "fc.weight", "fc.bias"}, {"h"}, attributes, "fc");
    return w::model(graph);
  };
  const auto invalid = ErrorKind::invalid_model;
  check_refused(with({w::int_attribute("transC", 1)}), invalid, {"node 'fc' (Gemm)", "'transC' is not one that onnx::Gemm takes"});
  check_refused(with({w::float_attribute("transB", 1)}), invalid, {"'transB' is a number where the operator takes an integer"});
  check_refused(with({w::int_attribute("transB", 1), w::int_attribute("transB", 0)}), invalid, {"'transB' is given twice"});
  check_refused(with({w::bytes(1, "transB") + w::number(20, 77) + w::number(3, 1)}), invalid, {"a type that ONNX does not define"});
  check_refused(with({w::bytes(1, "transB") + w::bytes(21, "outer") + w::number(20, 2)}), invalid, {"attribute of a function"});
}

BOOST_AUTO_TEST_CASE(inputs_and_outputs_of_a_node_are_counted) {
  auto graph = w::dense();
  graph.nodes[1] = w::node("Relu", {"h", "h"}, {"y"}, {}, "act");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"node 'act' (Relu) has 2 inputs where its operator has 1"});
  graph.nodes[1] = w::node("Relu", {}, {"y"}, {}, "act");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"node 'act' (Relu) lacks input 0"});
  graph.nodes[1] = w::node("Relu", {"h"}, {"y", "z"}, {}, "act");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"node 'act' (Relu) has 2 outputs where its operator has 1"});
  graph.nodes[1] = w::node("Relu", {"h"}, {}, {}, "act");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"node 'act' (Relu) has no outputs", "'y' is made by nothing"});
}

BOOST_AUTO_TEST_CASE(names_are_unique) {
  auto graph = w::dense();
  graph.initializers.push_back(w::floats("fc.bias", {3}, {1, 2, 3}));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"'fc.bias' is made twice, by initializer 1 and by initializer 2"});
  graph = w::dense();
  graph.inputs.push_back(w::value("x", w::f32, {1}));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"'x' is made twice, by graph input 0 and by graph input 1"});
  graph = w::dense();
  graph.outputs.push_back(w::value("y", w::f32, {1}));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"graph output 'y' is listed twice"});
  graph = w::dense();
  graph.initializers.push_back(w::floats("h", {1}, {1}));
  check_refused(w::model(graph), ErrorKind::invalid_model, {"'h' is made twice, by initializer 2 and by node 'fc' (Gemm)"});
}

BOOST_AUTO_TEST_CASE(a_graph_needs_typed_inputs_and_outputs) {
  auto graph = w::dense();
  graph.inputs[0] = w::bytes(1, "x");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"graph input 'x' has no type"});
  graph.inputs[0] = w::bytes(1, "x") + w::bytes(2, w::bytes(5, {}));
  check_refused(w::model(graph), ErrorKind::unsupported, {"graph input 'x' is not a tensor"});
  graph = w::dense();
  graph.outputs.clear();
  check_refused(w::model(graph), ErrorKind::invalid_model, {"no outputs"});
  graph = w::dense();
  graph.outputs[0] = w::bytes(1, "nowhere");
  check_refused(w::model(graph), ErrorKind::invalid_model, {"'nowhere' is made by nothing"});
}

BOOST_AUTO_TEST_CASE(versions_out_of_range_are_refused) {
  check_refused(w::model(w::dense(), 0), ErrorKind::unsupported, {"opset 0 is older than 1"});
  check_refused(w::model(w::dense(), 6), ErrorKind::unsupported, {"operator onnx::Gemm of opset 6"});  // what broadcasting meant before 7
  check_refused(w::model(w::dense(), 13, 2), ErrorKind::unsupported, {"IR version 2 is older than 3"});
  check_refused(w::number(1, 8) + w::bytes(7, w::dense().encode()), ErrorKind::invalid_model, {"'ai.onnx'", "imports no version"});
  check_refused(w::model(w::dense()) + w::opset(12), ErrorKind::invalid_model, {"twice"});
}

BOOST_AUTO_TEST_CASE(what_is_no_model_is_told_so) {
  check_refused("", ErrorKind::invalid_model, {"empty"});
  check_refused("0123456789", ErrorKind::invalid_model, {"no ONNX model", "at byte"});
  check_refused(w::number(1, 8), ErrorKind::invalid_model, {"it has no graph"});
  check_refused(w::bytes(2, "producer"), ErrorKind::invalid_model, {"neither an IR version nor a graph"});
  check_refused("<!DOCTYPE html><html></html>", ErrorKind::invalid_model, {"no ONNX model"});
  check_refused(w::model(w::dense()) + w::bytes(7, w::dense().encode()), ErrorKind::invalid_model, {"two graphs"});
}

BOOST_AUTO_TEST_CASE(features_that_are_not_offered_are_named) {
  auto graph = w::dense();
  graph.extra = w::bytes(15, {});
  check_refused(w::model(graph), ErrorKind::unsupported, {"sparse initializers"});
  graph = w::dense();
  graph.nodes[1] = w::node("Mine", {"h"}, {"y"}, {}, "f", "local");
  check_refused(w::model(graph) + w::opset(1, "local") + w::bytes(25, w::bytes(1, "Mine") + w::bytes(10, "local")), ErrorKind::unsupported,
                {"local::Mine"});
}

BOOST_AUTO_TEST_CASE(names_are_shown_without_their_control_characters) {
  auto graph = w::dense();
  graph.nodes[1] = w::node("Relu", {"evil\n\x1b[31m"}, {"y"}, {}, std::string(1000, 'a'));
  const auto [kind, message] = failure_of(w::model(graph));
  BOOST_TEST(!contains(message, "\n"));
  BOOST_TEST(!contains(message, "\x1b"));
  BOOST_TEST(message.size() < 400U);

  graph.nodes[1] = w::node("Relu",
                           {"gr\xc3\xb6\xc3\x9f"
                            "e\xf3"},
                           {"y"});
  BOOST_TEST(contains(failure_of(w::model(graph)).second,
                      "'gr\xc3\xb6\xc3\x9f"
                      "e?'"));
}
