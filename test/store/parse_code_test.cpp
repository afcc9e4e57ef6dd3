#define BOOST_TEST_MODULE store_parse_code
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "modules.hpp"
#include "support/random_graph.hpp"

using namespace lazyfx;

namespace {

// Stands in text by its digest.
const Tensor large = Tensor::zeros(DType::f64, Shape{20, 20});

/// Compares node by node. Ids are new: arguments are compared through names.
void check_same_graph(const Graph& graph, const Graph& read) {
  BOOST_REQUIRE(read.size() == graph.size());
  const auto named = [](const Graph& g, const Argument& a) {
    return map_nodes(a, [&](NodeId id) { return Argument("node " + g.node(id).name()); });
  };
  auto other = read.nodes().begin();
  for (const Node node : graph.nodes()) {
    const Node copy = *other;
    ++other;
    bool same = node.op() == copy.op() && node.name() == copy.name() && node.target() == copy.target() && node.type() == copy.type() &&
                node.args().size() == copy.args().size() && node.kwargs().size() == copy.kwargs().size() && node.meta() == copy.meta();
    for (std::size_t i = 0; same && i < node.args().size(); ++i) same = named(graph, node.arg(i)) == named(read, copy.arg(i));
    for (std::size_t i = 0; same && i < node.kwargs().size(); ++i) {
      same =
          node.kwargs()[i].first == copy.kwargs()[i].first && named(graph, node.kwargs()[i].second) == named(read, copy.kwargs()[i].second);
    }
    if (!same) BOOST_ERROR(node.format() << " was read as " << copy.format());
  }
}

std::string print(const Graph& graph, const Module& root, const std::string& class_name) {
  const Snapshot snapshot = graph.freeze();
  return render_code(snapshot, class_name, subgraphs_of(snapshot, root)).text;
}

/// Prints, parses, prints again; and compares the graphs, those within included.
void check_reads_back(const Graph& graph, const std::string& class_name = {}, const Module& root = Container()) {
  const std::string text = print(graph, root, class_name);
  const ParsedCode read = parse_code(text, [](std::uint64_t digest) { return digest == large.digest() ? large : Tensor(); });
  BOOST_TEST(read.class_name == class_name);
  BOOST_TEST(print(*read.graph, *read.root, class_name) == text);
  check_same_graph(graph, *read.graph);
  for (const auto& [path, snapshot] : subgraphs_of(graph.freeze(), root)) {
    const auto subgraph = std::dynamic_pointer_cast<Subgraph>(read.root->find_submodule(path));
    BOOST_REQUIRE(subgraph);
    check_same_graph(std::dynamic_pointer_cast<Subgraph>(root.find_submodule(path))->source(), subgraph->source());
  }
}

Value random_value(support::Random& random, unsigned depth) {
  const auto items = [&] {
    Value::Items all(support::below(random, 4));
    for (Value& item : all) item = random_value(random, depth - 1);
    return all;
  };
  switch (support::below(random, depth == 0 ? 7 : 10)) {
    case 0: return {};
    case 1: return support::chance(random, 2);
    case 2: return static_cast<std::int64_t>(random());
    case 3: return std::bit_cast<double>(random());
    case 4: return std::string(support::below(random, 5), static_cast<char>(random()));
    case 5: return support::random_tensor(random, Shape{2, 3});
    case 6: return support::chance(random, 2) ? Value(large) : Value(Tensor());
    case 7: return Value::list(items());
    case 8: return Value::tuple(items());
    default: {
      Value::Entries entries;
      for (Value& item : items()) entries.emplace_back("#" + std::to_string(entries.size()), std::move(item));
      return Value::dict(std::move(entries));
    }
  }
}

/// Metadata on some nodes, and on some the paths of graphs that are put below `root`, `depth` deep.
void adorn(Graph& graph, Module& root, support::Random& random, unsigned depth) {
  for (Node node : graph.nodes()) {
    for (std::size_t i = support::below(random, 8); i < 2; ++i) node.set_meta("key " + std::to_string(i), random_value(random, 3));
    if (depth == 0 || node.op() != Opcode::call_function || !support::chance(random, 8)) continue;
    const support::RandomGraph body(random(), {.nodes = 4});
    const auto subgraph = [&] {
      const auto below = std::make_shared<Container>();
      adorn(*body.graph(), *below, random, depth - 1);
      auto made = std::make_shared<Subgraph>(*body.graph());
      for (const auto& [name, module] : below->submodules()) made->set_submodule(name, module);
      return made;
    }();
    const std::string path = node.name() + (support::chance(random, 2) ? ".body" : "");
    root.add_submodule(path, subgraph);
    Keywords keywords = node.kwargs();
    keywords.emplace_back("body", path);
    node.set_kwargs(std::move(keywords));
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

BOOST_AUTO_TEST_CASE(random_graphs_read_back_with_metadata_and_the_graphs_within) {
  std::size_t deepest = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    support::Random random(seed);
    const support::RandomGraph made(seed, {.nodes = 5 + seed});
    Container root;
    adorn(*made.graph(), root, random, 3);
    check_reads_back(*made.graph(), "Adorned", root);
    for (const auto& [path, graph] : subgraphs_of(made.graph()->freeze(), root)) {
      deepest = std::max(deepest, static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')));
    }
  }
  BOOST_TEST(deepest >= 3u);
}

BOOST_AUTO_TEST_CASE(graphs_within_graphs_read_back_with_every_kind_of_argument) {
  const auto [graph, root] = stored::branching();
  check_reads_back(*graph, {}, *root);
  check_reads_back(*graph, "two words", *root);
  const InsertionScope at_end = graph->inserting_before(graph->output_node());
  graph->call_function("my::op", {}, {{"body", "every"}});
  const auto every = std::make_shared<Subgraph>(*stored::every_kind());
  every->set_submodule("unnamed", stored::applying("onnx::Abs"));
  root->set_submodule("every", every);
  check_reads_back(*graph, {}, *root);
  BOOST_TEST(print(*graph, *root, {}).find("unnamed") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_kind_of_argument_reads_back) { check_reads_back(*stored::every_kind(), "A class, odd"); }

BOOST_AUTO_TEST_CASE(unusual_names_numbers_and_targets_read_back) {
  const auto graph = stored::unusual();
  graph->call_function("t", {large});
  for (const char* target : {"self::op", "self.a::op", "selfless::op", "getattr::op"}) graph->call_function(target, {large});
  for (const std::string& path : {std::string("."), std::string(".0"), std::string("a."), std::string("..b"), std::string(999, '.')}) {
    graph->call_module(path, {graph->get_attr(path)});
  }
  graph->output(Argument::dict({{"a\"b", graph->find("dtype")}}));
  check_reads_back(*graph);
}

// Whatever means something in code, or looks as if it did, as the name of something else.
std::string any_word(support::Random& random) {
  constexpr std::string_view parts[] = {"",       ".",        "::",     "a",    "0",    "_",   "self", "getattr", "call_function",
                                        "output", "tensor",   "slice",  "*",    "args", " ",   "\"",   "\\",      "\n",
                                        "\xff",   "\xc3\xa9", "(",      ")",    "#",    "{",   "=",    ",",       "as",
                                        "dtype",  "f32",      "return", "None", "True", "nan", "-1",   "1e5",     "onnx"};
  std::string word(support::below(random, 9) == 0 ? 1 : 0, '\0');
  for (std::size_t n = support::below(random, 5); n > 0; --n) word += parts[support::below(random, std::size(parts))];
  return word;
}

BOOST_AUTO_TEST_CASE(graphs_of_any_names_and_targets_read_back) {
  support::Random random(7);
  std::size_t nodes = 0;
  for (int round = 0; round < 3000; ++round) {
    Graph graph;
    std::vector<Node> made;
    for (std::size_t n = support::below(random, 8); n > 0; --n) {
      auto op = static_cast<Opcode>(support::below(random, static_cast<std::size_t>(Opcode::output)));
      if (op == Opcode::placeholder && !made.empty() && made.back().op() != op) op = Opcode::call_function;  // code has them in front
      Arguments args;
      Keywords kwargs;
      if (op != Opcode::placeholder && op != Opcode::get_attr) {
        if (!made.empty()) args.emplace_back(made.back());
        if (support::chance(random, 2)) kwargs.emplace_back(any_word(random), any_word(random));
      }
      try {
        const std::string target = any_word(random);
        Node node = graph.create_node(op, target, std::move(args), std::move(kwargs), any_word(random));
        made.push_back(node);
        if (support::chance(random, 3)) node.set_meta(any_word(random), Value(any_word(random)));
      } catch (const Error&) {
        continue;  // not allowed in a graph
      }
    }
    nodes += graph.size();
    check_reads_back(graph, any_word(random));
  }
  BOOST_TEST(nodes > 3000u);
}

BOOST_AUTO_TEST_CASE(an_empty_graph_reads_back) { check_reads_back(Graph()); }

BOOST_AUTO_TEST_CASE(what_a_person_writes_need_not_look_as_if_printed) {
  const ParsedCode read = parse_code(R"(# metadata in any order, graphs in any order and unused ones, lines that begin anywhere
class Net:
  def forward ( x , y ) :# { "y" : {"b":1,"a":(2 ,)} , "x":{}}
    # { "not": "metadata" }
       z = my::op( x , body="a" )   #{"k":{}}
    return (z,y)  #   {}

def "a.b" ( x ):
pass
  def "unused"():

    return None
def "a"(x):  # {"x": {"k": 1}}
    z = my::op(x, body = "b")
)");
  BOOST_TEST(read.class_name == "Net");
  BOOST_TEST((read.graph->find("y").meta() == Metadata{{"a", Value::tuple({2})}, {"b", 1}}));
  BOOST_TEST(read.graph->find("x").meta().empty());
  BOOST_TEST((read.graph->find("z").meta() == Metadata{{"k", Value::dict({})}}));
  BOOST_TEST(read.graph->output_node().meta().empty());
  for (const char* path : {"a", "a.b", "unused"}) {
    BOOST_TEST((std::dynamic_pointer_cast<Subgraph>(read.root->find_submodule(path)) != nullptr), path);
  }
  const auto within = subgraphs_of(read.graph->freeze(), *read.root);
  BOOST_REQUIRE(within.size() == 2u);
  BOOST_TEST(within[0].first == "a");
  BOOST_TEST(within[1].first == "a.b");
}

BOOST_AUTO_TEST_CASE(errors_in_metadata_and_subgraphs_name_line_and_column) {
  const std::string first = "def forward(x):\n    return x\n";
  check_refused("def forward(x):  # note\n", 1, 20, "'{' is missing");
  check_refused("def forward(x):  # {}\n", 1, 21, "a string is missing");
  check_refused("def forward(x):  # {\"y\": {}}\n", 1, 21, "no input y");
  check_refused("def forward(x):  # {\"x\": 1}\n", 1, 26, "'{' is missing");
  check_refused("def forward(x):  # {\"x\": {\"a\": 1}, \"x\": {}}\n", 1, 36, "already");
  check_refused("def forward(x):\n    return x  # why\n", 2, 17, "'{' is missing");
  check_refused("def forward(x):\n    return x  # {\"a\": 1, \"a\": 2}\n", 2, 26, "given twice");
  check_refused("def forward(x):\n    return x  # {\"a\": {\"b\": 1, \"b\": 2}}\n", 2, 39, "twice");
  check_refused("def forward(x):\n    return x  # {\"a\": 1} {}\n", 2, 26, "should end here");
  check_refused("def forward(x):\n    return x  # {\"a\": x}\n", 2, 23, "'x' is nothing that metadata holds");
  check_refused("def forward(x):\n    return x  # {\"a\": dtype.f32}\n", 2, 23, "nothing that metadata holds");
  check_refused("def forward(x):\n    return x  # {\"a\": slice(1, 2, 3)}\n", 2, 23, "nothing that metadata holds");
  check_refused("def forward(x):\n    return x  # {\"a\": tensor(f32[300], digest = 0x12)}\n", 2, 49, "no tensor of this digest");
  check_refused("def \"a\"(x):\n    return x\n", 1, 5, "'forward' is missing");
  check_refused(first + "def forward(x):\n", 3, 5, "path in quotes");
  check_refused(first + "def \"\"(x):\n", 3, 5, "none of them empty");
  for (const char* path : {".a", "a.", "a..b", "."}) check_refused(first + "def \"" + path + "\"(x):\n", 3, 5, "none of them empty");
  check_refused(first + "def \"a\"(x):\n    y = onnx::Relu(z)\n", 4, 20, "no node z");
  check_refused(first + "def \"a\"(y):\n    return x\n", 4, 12, "no node x");
  check_refused(first + "def \"a\"(y):\n    return y\n    z = f(y)\n", 5, 5, "after the end");
  check_refused(first + "def \"a\"():\n\ndef \"b\"():\ndef \"a\"():\n", 6, 5, "of this path above");
}

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

BOOST_AUTO_TEST_CASE(metadata_and_paths_as_deep_as_they_may_be_read_back) {
  Value deep = Value::tuple({});
  while (deep.depth() < Value::max_depth) deep = deep.depth() % 2 == 0 ? Value::dict({{"a", deep}}) : Value::list({deep});
  std::string path = "a";
  while (path.size() < 2 * 1000 - 1) path += ".a";
  Graph graph;
  Node x = graph.placeholder("x");
  x.set_meta("deep", deep);
  Node y = graph.call_function("my::op", {x}, {{"body", path}});
  y.set_meta("deep", deep);
  Container root;
  root.add_submodule(path, stored::applying("onnx::Abs"));
  check_reads_back(graph, {}, root);

  // Every step of a path may be a graph, each within the one before.
  std::string text;
  for (path = "a"; path.size() < 2 * 300; path += ".a") text += "def \"" + path + "\"(x):\n    y = my::op(x, body = \"a\")\n";
  const ParsedCode nested = parse_code("def forward(x):\n    y = my::op(x, body = \"a\")\n" + text);
  BOOST_TEST(subgraphs_of(nested.graph->freeze(), *nested.root).size() == 300u);
  check_reads_back(*nested.graph, {}, *nested.root);
}

BOOST_AUTO_TEST_CASE(nesting_beyond_the_limit_is_refused) {
  for (const char* open : {"(", "[", "{\"a\": "}) {
    for (const char* before : {"def forward(x):\n    return x  # {\"a\": ", "def forward(x):  # {\"x\": {\"a\": "}) {
      std::string text = before;
      for (int i = 0; i < 100'000; ++i) text += open;
      BOOST_CHECK_THROW(parse_code(text), CodeError);
    }
  }
  std::string path = "a";
  for (int i = 0; i < 1000; ++i) path += ".a";
  check_refused("def forward():\n    pass\ndef \"" + path + "\"():\n", 3, 5, "more than 1000 names");
  check_refused("def forward():\n    x = getattr(self, \"" + std::string(1000, '.') + "\")\n", 2, 9, "more than 1000 names");
  for (const char* open : {"(", "[", "{\"a\": ", "slice("}) {
    std::string text = "def forward(x):\n    y = f(";
    for (int i = 0; i < 100'000; ++i) text += open;
    BOOST_CHECK_THROW(parse_code(text), CodeError);
  }
  std::string text = "def forward(x):\n    y = ";
  for (int i = 0; i < 100'000; ++i) text += "getattr(";
  BOOST_CHECK_THROW(parse_code(text), CodeError);
}
