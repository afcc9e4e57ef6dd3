#define BOOST_TEST_MODULE graph_lint
#include <boost/test/unit_test.hpp>

#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

std::string lint(const Graph& graph) {
  return error_of(ErrorKind::invalid_graph, [&] { graph.lint(); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(lint_names_a_node_that_is_used_before_it_is_defined) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node early = graph.call_function("my::neg", {x}, {}, "early");
  Node late = graph.call_function("my::neg", {x}, {}, "late");
  early.set_args({late});
  BOOST_TEST(contains(lint(graph), "Node late was used before it has been defined, by node early"));
  early.set_args({early});
  BOOST_TEST(contains(lint(graph), "Node early was used before it has been defined"));
}

BOOST_AUTO_TEST_CASE(lint_wants_one_output_at_the_end) {
  Graph graph;
  Node x = graph.placeholder("x");
  graph.output(x);
  graph.lint();
  Node extra = graph.call_function("my::neg", {x});
  BOOST_TEST(contains(lint(graph), "Node neg comes after the output"));
  graph.erase_node(extra);
  graph.output(x);
  BOOST_TEST(contains(lint(graph), "Node output_1 comes after the output"));
}

BOOST_AUTO_TEST_CASE(lint_checks_what_each_opcode_asks_for) {
  const auto refused = [](Opcode op, Arguments args, Keywords kwargs = {}) {
    Graph graph;
    graph.create_node(op, "target", std::move(args), std::move(kwargs));
    return contains(lint(graph), "Node target");
  };
  BOOST_TEST(refused(Opcode::placeholder, {1, 2}));
  BOOST_TEST(refused(Opcode::placeholder, {}, {{"k", 1}}));
  BOOST_TEST(refused(Opcode::get_attr, {1}));
  BOOST_TEST(refused(Opcode::call_method, {}));
  BOOST_TEST(refused(Opcode::output, {}));
  BOOST_TEST(refused(Opcode::output, {1}, {{"k", 1}}));
}

BOOST_AUTO_TEST_CASE(dead_code_is_removed_in_whole_chains_and_once) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node unused = graph.placeholder("unused");
  graph.get_attr("weight");
  Node dead = graph.call_function("my::neg", {unused});
  dead = graph.call_function("my::neg", {dead});
  graph.call_function("my::add", {dead, x});
  Node live = graph.call_function("my::mul", {x, 3});
  graph.output(live);
  const auto before = evaluate(graph.freeze(), {{"x", 4}, {"unused", 0}});
  BOOST_TEST(graph.eliminate_dead_code({}));
  BOOST_TEST(names(graph) == (Words{"x", "unused", "mul", "output"}));
  BOOST_TEST(evaluate(graph.freeze(), {{"x", 4}, {"unused", 0}}) == before);
  BOOST_TEST(!graph.eliminate_dead_code({}));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(dead_code_elimination_keeps_what_the_predicate_calls_impure_and_what_that_uses) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node seen = graph.call_function("my::neg", {x});
  graph.call_function("my::log", {seen});
  graph.call_function("my::neg", {x}, {}, "dead");
  graph.output(x);
  const auto impure = [](Node node) { return node.target() == "my::log"; };
  BOOST_TEST(graph.eliminate_dead_code(impure));
  BOOST_TEST(names(graph) == (Words{"x", "neg", "log", "output"}));
  BOOST_TEST(!graph.eliminate_dead_code(impure));
}

BOOST_AUTO_TEST_CASE(dead_code_elimination_refuses_a_graph_that_breaks_the_rules) {
  Graph graph;
  Node a = graph.call_function("my::neg", {1});
  a.set_args({graph.call_function("my::neg", {1})});
  error_of(ErrorKind::invalid_graph, [&] { graph.eliminate_dead_code({}); });
  BOOST_TEST(graph.size() == 2U);
}
