#define BOOST_TEST_MODULE graph_order
#include <boost/test/unit_test.hpp>

#include <random>

#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

Node make(Graph& graph, const char* name) { return graph.call_function("my::op", {}, {}, name); }

}  // namespace

BOOST_AUTO_TEST_CASE(nodes_of_one_scope_stand_in_order_of_creation_before_the_anchor) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node out = graph.output(x);
  {
    const auto scope = graph.inserting_before(out);
    make(graph, "a");
    make(graph, "b");
  }
  make(graph, "c");
  BOOST_TEST(names(graph) == (Words{"x", "a", "b", "output", "c"}));
}

BOOST_AUTO_TEST_CASE(nodes_inserted_after_a_node_stand_in_order_of_creation_too) {
  Graph graph;
  Node x = graph.placeholder("x");
  graph.output(x);
  {
    const auto scope = graph.inserting_after(x);
    make(graph, "a");
    make(graph, "b");
  }
  BOOST_TEST(names(graph) == (Words{"x", "a", "b", "output"}));
}

BOOST_AUTO_TEST_CASE(an_undefined_anchor_means_the_start_or_the_end) {
  Graph graph;
  graph.placeholder("x");
  {
    const auto start = graph.inserting_before({});
    make(graph, "a");
    {
      const auto end = graph.inserting_after({});
      make(graph, "z");
    }
    make(graph, "b");
  }
  make(graph, "last");
  BOOST_TEST(names(graph) == (Words{"a", "b", "x", "z", "last"}));
}

BOOST_AUTO_TEST_CASE(scopes_nest_and_restore_even_if_their_anchor_was_erased) {
  Graph graph;
  Node x = make(graph, "x");
  Node anchor = make(graph, "anchor");
  make(graph, "y");
  {
    const auto outer = graph.inserting_before(anchor);
    {
      const auto inner = graph.inserting_before(x);
      make(graph, "first");
      graph.erase_node(anchor);
    }
    make(graph, "second");
  }
  BOOST_TEST(names(graph) == (Words{"first", "x", "second", "y"}));
  {
    const auto scope = graph.inserting_before(x);
    graph.erase_node(x);
    make(graph, "third");
  }
  BOOST_TEST(names(graph) == (Words{"first", "third", "second", "y"}));
}

BOOST_AUTO_TEST_CASE(an_anchor_that_is_moved_takes_the_insertion_point_along) {
  Graph graph;
  Node a = make(graph, "a");
  Node b = make(graph, "b");
  Node c = make(graph, "c");
  {
    const auto scope = graph.inserting_before(c);
    a.prepend(c);
    make(graph, "d");
  }
  BOOST_TEST(names(graph) == (Words{"d", "c", "a", "b"}));
  {
    const auto scope = graph.inserting_after(c);  // the neighbour's moves are its own
    b.append(a);
    make(graph, "e");
  }
  BOOST_TEST(names(graph) == (Words{"d", "c", "e", "b", "a"}));
}

BOOST_AUTO_TEST_CASE(a_scope_that_is_moved_from_restores_nothing) {
  Graph graph;
  Node a = make(graph, "a");
  {
    auto scope = graph.inserting_before(a);
    const auto moved = std::move(scope);
    make(graph, "b");
  }
  make(graph, "c");
  BOOST_TEST(names(graph) == (Words{"b", "a", "c"}));
}

BOOST_AUTO_TEST_CASE(iteration_skips_erased_nodes_and_meets_inserted_ones) {
  Graph graph;
  for (const char* name : {"a", "b", "c", "d", "e"}) make(graph, name);
  Words met;
  for (const Node node : graph.nodes()) {
    met.push_back(node.name());
    if (met.back() == "b") {
      graph.erase_node(graph.find("c"));
      graph.erase_node(node);  // the one stood on
      graph.erase_node(graph.find("d"));
      const auto scope = graph.inserting_before(graph.find("e"));
      make(graph, "d2");
    }
    if (met.back() == "e") make(graph, "f");
  }
  BOOST_TEST(met == (Words{"a", "b", "e", "f"}));  // from an erased node on, its old links lead
  BOOST_TEST(names(graph) == (Words{"a", "d2", "e", "f"}));
}

BOOST_AUTO_TEST_CASE(iteration_meets_what_is_inserted_further_on) {
  Graph graph;
  Node a = make(graph, "a");
  Node b = make(graph, "b");
  Words met;
  for (const Node node : graph.nodes()) {
    met.push_back(node.name());
    if (node == a) {
      const auto scope = graph.inserting_before(b);
      make(graph, "new");
    }
  }
  BOOST_TEST(met == (Words{"a", "new", "b"}));
}

BOOST_AUTO_TEST_CASE(every_node_may_be_erased_while_iterating_backwards) {
  Graph graph;
  Node last = graph.placeholder("x");
  for (int i = 0; i < 100; ++i) last = graph.call_function("my::neg", {last});
  for (const Node node : graph.nodes().reversed()) graph.erase_node(node);
  BOOST_TEST(graph.size() == 0U);
  BOOST_TEST((graph.nodes().begin() == graph.nodes().end()));
  make(graph, "again");
  BOOST_TEST(names(graph) == (Words{"again"}));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(reversed_twice_is_forwards) {
  Graph graph;
  for (const char* name : {"a", "b", "c"}) make(graph, name);
  Words backwards, forwards;
  for (const Node node : graph.nodes().reversed()) backwards.push_back(node.name());
  for (const Node node : graph.nodes().reversed().reversed()) forwards.push_back(node.name());
  BOOST_TEST(backwards == (Words{"c", "b", "a"}));
  BOOST_TEST(forwards == (Words{"a", "b", "c"}));
  BOOST_TEST(graph.nodes().size() == 3U);
}

BOOST_AUTO_TEST_CASE(neighbours_of_an_erased_node_are_live) {
  Graph graph;
  Node a = make(graph, "a");
  Node b = make(graph, "b");
  Node c = make(graph, "c");
  Node d = make(graph, "d");
  graph.erase_node(b);
  graph.erase_node(c);
  BOOST_TEST((b.next() == d));
  BOOST_TEST((c.prev() == a));
}

BOOST_AUTO_TEST_CASE(order_is_kept_however_often_nodes_are_squeezed_into_one_place) {
  Graph graph;
  Node first = make(graph, "first");
  Node last = make(graph, "last");
  for (int i = 0; i < 3000; ++i) {  // far more than halving a gap allows
    const auto scope = i % 3 == 0 ? graph.inserting_before(last) : i % 3 == 1 ? graph.inserting_after(first) : graph.inserting_before({});
    make(graph, "n");
  }
  graph.lint();
  for (Node node = first; node.next().defined(); node = node.next()) BOOST_REQUIRE((node < node.next()));
}

BOOST_AUTO_TEST_CASE(order_is_kept_under_random_moves) {
  Graph graph;
  std::vector<Node> model;
  for (int i = 0; i < 300; ++i) model.push_back(make(graph, "n"));
  std::mt19937 random(11);
  for (int i = 0; i < 20000; ++i) {
    const auto from = random() % model.size();
    Node moved = model[from];
    Node anchor = model[random() % model.size()];
    if (moved == anchor) continue;
    model.erase(model.begin() + static_cast<std::ptrdiff_t>(from));
    const bool after = random() % 2 != 0;
    if (after)
      anchor.append(moved);
    else
      anchor.prepend(moved);
    model.insert(std::find(model.begin(), model.end(), anchor) + (after ? 1 : 0), moved);
  }
  std::size_t i = 0;
  for (const Node node : graph.nodes()) BOOST_REQUIRE((node == model[i++]));
  for (i = 1; i < model.size(); ++i) BOOST_REQUIRE((model[i - 1] < model[i]));
  graph.lint();
}
