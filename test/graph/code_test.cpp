#define BOOST_TEST_MODULE graph_code
#include <boost/test/unit_test.hpp>

#include <bit>
#include <limits>
#include <sstream>

#include "lazyfx/graph/code.hpp"
#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

/// How `a` prints as the argument of a call.
std::string text_of(const Argument& a) {
  Graph graph;
  graph.call_function("my::op", {a});
  const std::string text = render_code(graph.freeze()).text;
  const std::string before = "op = my::op(";
  const auto start = text.find(before) + before.size();
  return text.substr(start, text.rfind(")\n") - start);
}

std::string first_statement(const Graph& graph) {
  const std::string text = render_code(graph.freeze()).text;
  const auto start = text.find('\n') + 5;
  return text.substr(start, text.find('\n', start) - start);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_graph_renders_one_line_a_node_with_a_map_back) {
  Graph graph;
  Node x = graph.placeholder("x", TensorType(DType::f32, {Dim("N"), 64}));
  Node scale = graph.placeholder("scale", {}, 1.5);
  Node w = graph.get_attr("weight");
  Node gemm = graph.call_function("onnx::Gemm", {x, w}, {{"transB", 1}});
  gemm.set_type(TensorType(DType::f32));
  Node relu = graph.call_method("relu", {gemm, scale});
  Node head = graph.call_module("layers.0.head", {relu}, {{"k", true}});
  Node out = graph.output(Argument::tuple({head, x}));
  const Code code = render_code(graph.freeze());
  BOOST_TEST(code.text ==
             "def forward(x: f32[N, 64], scale = 1.5):\n"
             "    weight = self.weight\n"
             "    gemm: f32 = onnx::Gemm(x, weight, transB = 1)\n"
             "    relu = gemm.relu(scale)\n"
             "    layers_0_head = getattr(self.layers, \"0\").head(relu, k = True)\n"
             "    return (layers_0_head, x)\n");
  BOOST_TEST((code.line_to_node == std::vector<NodeId>{no_node, w.id(), gemm.id(), relu.id(), head.id(), out.id()}));
}

BOOST_AUTO_TEST_CASE(a_class_name_heads_the_text_and_the_map_still_holds) {
  Graph graph;
  Node out = graph.output(1);
  const Code code = render_code(graph.freeze(), "Net");
  BOOST_TEST(code.text == "class Net:\n    def forward():\n        return 1\n");
  BOOST_TEST((code.line_to_node == std::vector<NodeId>{no_node, no_node, out.id()}));
}

BOOST_AUTO_TEST_CASE(an_empty_graph_passes) {
  BOOST_TEST(render_code(Snapshot()).text == "def forward():\n    pass\n");
  BOOST_TEST(render_code(Graph().freeze()).text == "def forward():\n    pass\n");
}

BOOST_AUTO_TEST_CASE(a_placeholder_whose_name_is_not_its_target_shows_both) {
  Graph graph;
  graph.placeholder("X");
  graph.placeholder("input");
  graph.placeholder("image:0", TensorType(DType::u8), Argument());
  graph.placeholder("*args");
  graph.placeholder("**kwargs");
  BOOST_TEST(render_code(graph.freeze()).text ==
             "def forward(X as x, input as input_1, \"image:0\" as image_0: u8 = None, *args as _args, **kwargs as _kwargs):\n    pass\n");
}

BOOST_AUTO_TEST_CASE(every_kind_of_argument_prints_its_own_way) {
  BOOST_TEST(text_of({}) == "None");
  BOOST_TEST(text_of(true) == "True");
  BOOST_TEST(text_of(-7) == "-7");
  BOOST_TEST(text_of(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  BOOST_TEST(text_of(DType::bf16) == "dtype.bf16");
  BOOST_TEST(text_of(Argument::list({})) == "[]");
  BOOST_TEST(text_of(Argument::list({1})) == "[1]");
  BOOST_TEST(text_of(Argument::tuple({})) == "()");
  BOOST_TEST(text_of(Argument::tuple({1})) == "(1,)");
  BOOST_TEST(text_of(Argument::tuple({1, 2})) == "(1, 2)");
  BOOST_TEST(text_of(Argument::dict({})) == "{}");
  BOOST_TEST(text_of(Argument::dict({{"a b", 1}, {"c", Argument::list({true})}})) == "{\"a b\": 1, \"c\": [True]}");
  BOOST_TEST(text_of(Argument::slice({}, 2, -1)) == "slice(None, 2, -1)");
}

BOOST_AUTO_TEST_CASE(metadata_ends_the_line_of_its_node) {
  Graph graph;
  Node x = graph.placeholder("X:0");
  graph.placeholder("plain");
  Node y = graph.placeholder("y", TensorType(DType::f32), 1);
  x.set_meta("onnx_name", "X:0");
  y.set_meta("b", Value::tuple({1}));
  y.set_meta("a", Value());
  Node relu = graph.call_function("onnx::Relu", {x});
  relu.set_meta("facts", Value::dict({{"seen", Value::list({1, 2.0, true, "#\n"})}, {"t", Tensor::scalar<std::int64_t>(7)}}));
  graph.output(relu).set_meta("", Value::tuple({}));
  const Code code = render_code(graph.freeze());
  BOOST_TEST(code.text ==
             "def forward(\"X:0\" as x_0, plain, y: f32 = 1):  # {\"x_0\": {\"onnx_name\": \"X:0\"}, \"y\": {\"a\": None, \"b\": (1,)}}\n"
             "    relu = onnx::Relu(x_0)  # {\"facts\": {\"seen\": [1, 2.0, True, \"#\\n\"], \"t\": tensor(i64[], [7])}}\n"
             "    return relu  # {\"\": ()}\n");
  BOOST_TEST((code.line_to_node == std::vector<NodeId>{no_node, relu.id(), graph.output_node().id()}));
}

BOOST_AUTO_TEST_CASE(subgraphs_follow_and_the_map_still_holds) {
  Graph graph;
  Node out = graph.output(graph.call_function("my::op", {}, {{"body", "a b.body"}}, "y"));
  Graph body;
  body.output(body.get_attr("w"));
  const Code code = render_code(graph.freeze(), "Net", {{"a b.body", body.freeze()}, {"a b.body.c", Snapshot()}});
  BOOST_TEST(code.text ==
             "class Net:\n"
             "    def forward():\n"
             "        y = my::op(body = \"a b.body\")\n"
             "        return y\n"
             "\n"
             "    def \"a b.body\"():\n"
             "        w = self.w\n"
             "        return w\n"
             "\n"
             "    def \"a b.body.c\"():\n"
             "        pass\n");
  std::vector<NodeId> map(11, no_node);
  map[2] = graph.find("y").id();
  map[3] = out.id();
  BOOST_TEST((code.line_to_node == map));
}

BOOST_AUTO_TEST_CASE(doubles_print_without_loss_and_never_like_integers) {
  BOOST_TEST(text_of(1.0) == "1.0");
  BOOST_TEST(text_of(-0.0) == "-0.0");
  BOOST_TEST(text_of(0.1) == "0.1");
  BOOST_TEST(text_of(1e300) == "1e+300");
  for (const double value : {0.1 + 0.2, 1.0 / 3, 5e-324, 1.7976931348623157e308}) {
    BOOST_TEST(std::bit_cast<std::uint64_t>(std::stod(text_of(value == 5e-324 ? 1.5 : value))) ==
               std::bit_cast<std::uint64_t>(value == 5e-324 ? 1.5 : value));
  }
  const double inf = std::numeric_limits<double>::infinity();
  BOOST_TEST(text_of(inf) == "inf");
  BOOST_TEST(text_of(-inf) == "-inf");
  BOOST_TEST(text_of(std::numeric_limits<double>::quiet_NaN()) == "nan");
  BOOST_TEST(text_of(std::bit_cast<double>(0xfff8000000000001U)) == "nan(0xfff8000000000001)");
}

BOOST_AUTO_TEST_CASE(inf_and_nan_as_constants_are_never_taken_for_nodes) {
  Graph graph;
  Node inf = graph.get_attr("inf");
  graph.call_function("my::op", {inf, std::numeric_limits<double>::infinity()});
  BOOST_TEST(contains(render_code(graph.freeze()).text, "op = my::op(inf_1, inf)"));
}

BOOST_AUTO_TEST_CASE(strings_print_on_one_line_and_read_back) {
  BOOST_TEST(text_of("plain") == "\"plain\"");
  BOOST_TEST(text_of("two\nlines\r\t\"quoted\" \\ \x01\x7f") == "\"two\\nlines\\r\\t\\\"quoted\\\" \\\\ \\x01\\x7f\"");
  BOOST_TEST(text_of(std::string("nul\0byte", 8)) == "\"nul\\x00byte\"");
  BOOST_TEST(text_of("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") == "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
  BOOST_TEST(text_of("\xff\xc3(\xed\xa0\x80\xc0\x80\xe2\x80\xa8") == "\"\\xff\\xc3(\\xed\\xa0\\x80\\xc0\\x80\\xe2\\x80\\xa8\"");
}

BOOST_AUTO_TEST_CASE(tensors_print_their_elements_and_large_ones_their_digest) {
  BOOST_TEST(text_of(Tensor()) == "tensor()");
  BOOST_TEST(text_of(Tensor::from<float>({1, 0.1F, -2.5F}, {3, 1})) == "tensor(f32[3, 1], [1.0, 0.1, -2.5])");
  BOOST_TEST(text_of(Tensor::scalar<std::int64_t>(7)) == "tensor(i64[], [7])");
  BOOST_TEST(text_of(Tensor::from<bool>({true, false}, {2})) == "tensor(bool[2], [True, False])");
  BOOST_TEST(text_of(Tensor::from<std::uint8_t>({200}, {1})) == "tensor(u8[1], [200])");
  BOOST_TEST(text_of(Tensor::from<std::string>({"a\n"}, {1})) == "tensor(string[1], [\"a\\n\"])");
  BOOST_TEST(text_of(Tensor::from<Float16>({Float16(1.5F)}, {1})) == "tensor(f16[1], [1.5])");
  BOOST_TEST(text_of(Tensor::zeros(DType::f32, {0, 3})) == "tensor(f32[0, 3], [])");
  const std::string large = text_of(Tensor::zeros(DType::f32, {100, 100}));
  BOOST_TEST(contains(large, "tensor(f32[100, 100], digest = 0x"));
  BOOST_TEST(large.size() < 60U);
}

BOOST_AUTO_TEST_CASE(targets_that_are_no_words_print_quoted) {
  const auto function = [](const char* target) {
    Graph graph;
    graph.call_function(target, {1}, {{"k", 2}}, "y");
    return first_statement(graph);
  };
  BOOST_TEST(function("com.microsoft::Gelu") == "y = com.microsoft::Gelu(1, k = 2)");
  BOOST_TEST(function("plain") == "y = plain(1, k = 2)");
  BOOST_TEST(function("a.b") == "y = call_function(\"a.b\", 1, k = 2)");
  BOOST_TEST(function("getattr") == "y = call_function(\"getattr\", 1, k = 2)");
  BOOST_TEST(function("two\nlines") == "y = call_function(\"two\\nlines\", 1, k = 2)");
  BOOST_TEST(function("x::") == "y = call_function(\"x::\", 1, k = 2)");

  const auto attribute = [](const char* path) {
    Graph graph;
    graph.create_node(Opcode::get_attr, path, {}, {}, "y");
    return first_statement(graph);
  };
  BOOST_TEST(attribute("a.b") == "y = self.a.b");
  BOOST_TEST(attribute("0") == "y = getattr(self, \"0\")");
  BOOST_TEST(attribute("a..class\"") == "y = getattr(getattr(self.a, \"\"), \"class\\\"\")");

  Graph graph;
  graph.call_method("relu", {1}, {{"not a word", 2}}, "y");
  BOOST_TEST(first_statement(graph) == "y = call_method(\"relu\", 1, \"not a word\" = 2)");
}

BOOST_AUTO_TEST_CASE(types_print_known_named_and_open_dimensions) {
  Graph graph;
  graph.placeholder("x", TensorType(DType::i64, {Dim(3), Dim("H"), Dim(), Dim("two words")}));
  BOOST_TEST(contains(render_code(graph.freeze()).text, "x: i64[3, H, ?, \"two words\"]"));
}

BOOST_AUTO_TEST_CASE(every_text_has_as_many_lines_as_the_map_whatever_the_strings_hold) {
  Graph graph;
  const std::string nasty = "a\nb\rc\xe2\x80\xa8\"";
  Node x = graph.placeholder(nasty, TensorType(DType::f32, {Dim(nasty)}), Argument(nasty));
  graph.get_attr(nasty + "." + nasty);
  graph.call_function(nasty, {x, nasty}, {{nasty, Argument::dict({{nasty, nasty}})}}, nasty);
  graph.call_method(nasty, {x});
  graph.call_module(nasty);
  graph.output(nasty);
  const Code code = render_code(graph.freeze(), nasty);
  BOOST_TEST(static_cast<std::size_t>(std::count(code.text.begin(), code.text.end(), '\n')) == code.line_to_node.size());
  BOOST_TEST(code.text.find('\r') == std::string::npos);
  const std::string listing = to_string(graph);
  BOOST_TEST(std::count(listing.begin(), listing.end(), '\n') == 7);
}

BOOST_AUTO_TEST_CASE(equal_snapshots_give_equal_text) {
  const auto text = [] {
    Graph graph;
    Node x = graph.placeholder("x");
    graph.output(graph.call_function("onnx::Add", {x, Argument::dict({{"b", 1}, {"a", 2}})}));
    return render_code(graph.freeze()).text;
  };
  BOOST_TEST(text() == text());
}

BOOST_AUTO_TEST_CASE(a_graph_prints_as_torch_fx_prints_it) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node y = graph.placeholder("y", {}, 2);
  Node add = graph.call_function("onnx::Add", {x, Argument::list({y})}, {{"k", 1}});
  graph.get_attr("w");
  graph.output(add);
  BOOST_TEST(add.format() == "%add : [num_users=1] = call_function[target=onnx::Add](args = (%x, [%y]), kwargs = {k = 1})");
  BOOST_TEST(to_string(graph) ==
             "graph():\n"
             "    %x : [num_users=1] = placeholder[target=x]\n"
             "    %y : [num_users=1] = placeholder[target=y](default = 2)\n"
             "    %add : [num_users=1] = call_function[target=onnx::Add](args = (%x, [%y]), kwargs = {k = 1})\n"
             "    %w : [num_users=0] = get_attr[target=w]\n"
             "    return %add\n");
}

BOOST_AUTO_TEST_CASE(the_table_is_aligned) {
  Graph graph;
  Node x = graph.placeholder("x");
  graph.output(graph.call_function("onnx::Add", {x, 1}));
  std::ostringstream out;
  graph.print_tabular(out);
  BOOST_TEST(out.str() ==
             "opcode         name    target     args    kwargs\n"
             "-------------  ------  ---------  ------  ------\n"
             "placeholder    x       x          ()      {}\n"
             "call_function  add     onnx::Add  (x, 1)  {}\n"
             "output         output  output     (add,)  {}\n");
}
