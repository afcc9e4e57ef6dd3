#define BOOST_TEST_MODULE graph_scale
#include <boost/test/unit_test.hpp>

#include "lazyfx/graph/code.hpp"
#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

// A million where that takes a second or two; sanitizers and unoptimised code are some ten times slower, and what would
// overflow a stack or take quadratic time does so at a fifth of that as well.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
constexpr std::size_t many = 200000;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t many = 200000;
#else
constexpr std::size_t many = 1000000;
#endif
#else
constexpr std::size_t many = 1000000;
#endif

}  // namespace

BOOST_AUTO_TEST_CASE(a_million_nodes_build_copy_lint_freeze_and_go_without_recursion) {
  auto graph = std::make_unique<Graph>();
  Node last = graph->placeholder("x");
  while (graph->size() + 1 < many) last = graph->call_function("my::neg", {last});
  graph->output(last);
  graph->lint();
  Snapshot snapshot = graph->freeze();
  BOOST_TEST(snapshot.size() == many);
  Snapshot of_copy;
  {
    Graph copy(*graph);
    copy.lint();
    of_copy = copy.freeze();
  }
  BOOST_TEST(of_copy.structure_fingerprint() == snapshot.structure_fingerprint());
  BOOST_TEST(of_copy.same_content(snapshot));
  BOOST_TEST(render_code(snapshot).line_to_node.size() == many);  // the placeholder shares the first line
  graph->output_node().update_arg(0, graph->find("x"));
  BOOST_TEST(graph->eliminate_dead_code({}));
  BOOST_TEST(graph->size() == 2U);
  graph.reset();
  std::size_t walked = 0;
  for (const NodeView node : snapshot) walked += node.args().size();
  BOOST_TEST(walked == many - 1);
}

BOOST_AUTO_TEST_CASE(a_node_with_a_hundred_thousand_users_is_edited_in_linear_time) {
  constexpr int users = 100000;
  Graph graph;
  Node x = graph.placeholder("x");
  Node y = graph.placeholder("y");
  for (int i = 0; i < users; ++i) graph.call_function("my::add", {x, i});
  BOOST_TEST(x.user_count() == static_cast<std::size_t>(users));
  for (const Node user : x.users()) graph.node(user.id()).update_arg(0, y);  // from the front, where lists are searched longest
  BOOST_TEST(x.user_count() == 0U);
  BOOST_TEST(y.replace_all_uses_with(x).size() == static_cast<std::size_t>(users));
  for (const Node node : graph.nodes()) {
    if (node.op() == Opcode::call_function) graph.erase_node(node);
  }
  BOOST_TEST(x.user_count() == 0U);
  graph.lint();
}

BOOST_AUTO_TEST_CASE(one_node_may_have_a_hundred_thousand_inputs) {
  Graph graph;
  Argument::Items items;
  for (int i = 0; i < 100000; ++i) items.push_back(graph.call_function("my::op"));
  Node all = graph.output(Argument::list(std::move(items)));
  graph.lint();
  BOOST_TEST(all.all_input_nodes().size() == 100000U);
  all.update_arg(0, 1);
  BOOST_TEST(graph.eliminate_dead_code({}));
  BOOST_TEST(graph.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_nodes_of_one_name_and_place_stay_linear) {
  Graph graph;
  Node out = graph.output(1);
  for (int i = 0; i < 100000; ++i) {
    const auto scope = graph.inserting_before(i % 2 ? out : graph.node(NodeId{static_cast<std::uint32_t>(i)}));
    graph.call_function("my::op", {}, {}, i % 3 ? "same" : "same_1");
  }
  graph.lint();
  BOOST_TEST(graph.size() == 100001U);
}
