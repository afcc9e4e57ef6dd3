#define BOOST_TEST_MODULE store_parse_code
#include <boost/test/unit_test.hpp>

#include <bit>
#include <limits>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "modules.hpp"
#include "support/random_graph.hpp"

using namespace lazyfx;

namespace {

/// Prints, parses, prints again; and compares the graphs node by node.
void check_reads_back(const Graph& graph, const std::string& class_name = {}) {
  const std::string text = render_code(graph.freeze(), class_name).text;
  std::unordered_map<std::uint64_t, Tensor> tensors;
  for (const Node node : graph.nodes()) {
    for (const Argument& arg : node.args()) {
      if (arg.is_tensor() && arg.as_tensor().defined()) tensors.emplace(arg.as_tensor().digest(), arg.as_tensor());
    }
  }
  const ParsedCode read = parse_code(text, [&](std::uint64_t digest) { return tensors[digest]; });
  BOOST_TEST(read.class_name == class_name);
  BOOST_TEST(render_code(read.graph->freeze(), class_name).text == text);
  BOOST_REQUIRE(read.graph->size() == graph.size());
  // Ids are new: arguments are compared through names.
  const auto named = [](const Graph& g, const Argument& a) {
    return map_nodes(a, [&](NodeId id) { return Argument("node " + g.node(id).name()); });
  };
  auto other = read.graph->nodes().begin();
  for (const Node node : graph.nodes()) {
    const Node copy = *other;
    ++other;
    bool same = node.op() == copy.op() && node.name() == copy.name() && node.target() == copy.target() && node.type() == copy.type() &&
                node.args().size() == copy.args().size() && node.kwargs().size() == copy.kwargs().size();
    for (std::size_t i = 0; same && i < node.args().size(); ++i) same = named(graph, node.arg(i)) == named(*read.graph, copy.arg(i));
    for (std::size_t i = 0; same && i < node.kwargs().size(); ++i) {
      same = node.kwargs()[i].first == copy.kwargs()[i].first &&
             named(graph, node.kwargs()[i].second) == named(*read.graph, copy.kwargs()[i].second);
    }
    if (!same) BOOST_ERROR(node.format() << " was read as " << copy.format());
  }
}

void check_refused(const std::string& text, std::size_t line, std::size_t column, const std::string& part) {
  BOOST_CHECK_EXCEPTION(parse_code(text), CodeError, [&](const CodeError& e) {
    BOOST_TEST(e.line() == line, e.what());
    BOOST_TEST(e.column() == column, e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_graphs_read_back_to_the_same_graph) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    support::RandomGraph random(seed, {.nodes = 5 + seed});
    check_reads_back(*random.graph());
  }
}

BOOST_AUTO_TEST_CASE(every_kind_of_argument_reads_back) { check_reads_back(*stored::every_kind(), "A class, odd"); }

BOOST_AUTO_TEST_CASE(unusual_names_numbers_and_targets_read_back) {
  using L = std::numeric_limits<double>;
  Graph graph;
  const Node image = graph.placeholder("image:0", TensorType(DType::f16, {Dim("odd name"), Dim(0), Dim()}));
  graph.placeholder("*args");
  graph.placeholder("x", TensorType(DType::i8), Argument(Argument::tuple({1})));
  const Node conv = graph.call_module("layers.0.conv", {image});
  const Node weight = graph.get_attr("0.1.class.weight");
  graph.call_function("odd target", {conv, L::infinity(), -L::infinity(), L::quiet_NaN(), std::bit_cast<double>(0x7ff8000000000001)});
  graph.call_function("ai.onnx.ml::Scaler", {-0.0, 5e-324, L::max(), 1e22, std::int64_t{1} << 62, L::denorm_min()});
  graph.call_function("getattr", {weight});
  graph.call_function("plain", {});
  const Node dtype = graph.call_function("onnx::Relu", {conv}, {}, "dtype");
  graph.call_method("relu", {dtype, DType::u16});
  graph.call_method("relu", {1});
  graph.call_method("odd method", {dtype, Tensor()});
  graph.call_function("t", {Tensor::from<float>({1, std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0xffc00000U)}, Shape{3}),
                            Tensor::from<bool>({true, false}, Shape{2, 1}), Tensor::empty(DType::i64, Shape{0, 3}),
                            Tensor::from<std::uint64_t>({~std::uint64_t{0}}, Shape{}), Tensor::from<Float16>({Float16(1.5F)}, Shape{1}),
                            Tensor::zeros(DType::f64, Shape{20, 20})});
  graph.output(Argument::dict({{"a\"b", conv}}));
  check_reads_back(graph);
}

BOOST_AUTO_TEST_CASE(an_empty_graph_reads_back) { check_reads_back(Graph()); }

BOOST_AUTO_TEST_CASE(errors_name_line_and_column) {
  check_refused("", 1, 1, "def forward(");
  check_refused("def forward(x):\n    y = onnx::Relu(z)\n", 2, 20, "no node z");
  check_refused("def forward(x):\n    y = onnx::Relu(x\n", 2, 21, "')' is missing");
  check_refused("def forward(x, x):\n", 1, 16, "the name x is taken");
  check_refused("def forward(x: f31):\n", 1, 16, "no element type");
  check_refused("def forward(x):\n    return x\n    y = onnx::Relu(x)\n", 3, 5, "after the end");
  check_refused("def forward(x):\n    y = f(99999999999999999999)\n", 2, 11, "no number that fits");
  check_refused("def forward(x):\n    y = f(\"a\n", 2, 11, "does not end");
  check_refused("def forward(x):\n    y = f(a = 1, a = 2)\n", 2, 5, "given twice");
  check_refused("def forward(x):\n    y = f(tensor(f32[1000000000], [1.0]))\n", 2, 18, "fewer elements");
  check_refused("def forward(x):\n    y = f(tensor(f32[300], digest = 0x12))\n", 2, 37, "no tensor of this digest");
}

BOOST_AUTO_TEST_CASE(nesting_beyond_the_limit_is_refused) {
  for (const char* open : {"(", "[", "{\"a\": ", "slice("}) {
    std::string text = "def forward(x):\n    y = f(";
    for (int i = 0; i < 100'000; ++i) text += open;
    BOOST_CHECK_THROW(parse_code(text), CodeError);
  }
  std::string text = "def forward(x):\n    y = ";
  for (int i = 0; i < 100'000; ++i) text += "getattr(";
  BOOST_CHECK_THROW(parse_code(text), CodeError);
}
