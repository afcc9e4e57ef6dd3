#define BOOST_TEST_MODULE graph_fingerprint
#include <boost/test/unit_test.hpp>

#include <functional>
#include <random>
#include <set>

#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

std::unique_ptr<Graph> sample(float constant = 1) {
  auto graph = std::make_unique<Graph>();
  Node x = graph->placeholder("x", TensorType(DType::f32, {Dim("N"), 3}));
  Node last = x;
  for (int i = 0; i < 100; ++i) last = graph->call_function("my::op", {last, i, Argument::list({x, 0.5})}, {{"axis", i % 3}});
  last = graph->call_function("my::add", {last, Tensor::from<float>({constant, 2}, {2})});
  graph->output(last);
  return graph;
}

std::uint64_t structure(const Graph& graph) { return graph.freeze().structure_fingerprint(); }
std::uint64_t constants(const Graph& graph) { return graph.freeze().constants_fingerprint(); }

}  // namespace

BOOST_AUTO_TEST_CASE(equal_graphs_built_twice_agree) {
  const auto a = sample();
  const auto b = sample();
  BOOST_TEST(structure(*a) == structure(*b));
  BOOST_TEST(constants(*a) == constants(*b));
  BOOST_TEST(a->freeze().same_content(b->freeze()));
  BOOST_TEST(Snapshot().same_content(Graph().freeze()));
  BOOST_TEST(Snapshot().structure_fingerprint() == structure(Graph()));
}

BOOST_AUTO_TEST_CASE(every_edit_of_content_changes_the_structure_and_undoing_it_restores_it) {
  const auto graph = sample();
  Node node = graph->node(NodeId{40});
  Node other = graph->node(NodeId{41});
  const Snapshot original = graph->freeze();
  const auto print = original.structure_fingerprint();
  std::set<std::uint64_t> seen{print};
  const auto differs = [&](const std::function<void()>& edit, const std::function<void()>& undo) {
    edit();
    const Snapshot changed = graph->freeze();
    const bool is_new = seen.insert(changed.structure_fingerprint()).second;
    const bool told_apart = !changed.same_content(original) && !original.same_content(changed);
    undo();
    const Snapshot restored = graph->freeze();
    return is_new && told_apart && restored.structure_fingerprint() == print && restored.same_content(original);
  };
  const auto args = node.args();
  const auto kwargs = node.kwargs();
  const auto with = [&](Argument a) { return differs([&] { node.update_arg(1, a); }, [&] { node.set_args(args); }); };
  for (const Argument& a : std::vector<Argument>{{},
                                                 true,
                                                 false,
                                                 1000,
                                                 39.0,
                                                 -0.0,
                                                 0.0,
                                                 "39",
                                                 "",
                                                 DType::f32,
                                                 DType::f64,
                                                 NodeId{3},
                                                 NodeId{4},
                                                 Argument::list({}),
                                                 Argument::tuple({}),
                                                 Argument::dict({}),
                                                 Argument::list({1}),
                                                 Argument::list({Argument::list({})}),
                                                 Argument::list({1, 2}),
                                                 Argument::dict({{"a", 1}}),
                                                 Argument::dict({{"b", 1}}),
                                                 Argument::slice(1, {}, {}),
                                                 Argument::slice({}, 1, {}),
                                                 Tensor(),
                                                 Tensor::zeros(DType::f32, {2}),
                                                 Tensor::zeros(DType::f32, {1, 2}),
                                                 Tensor::zeros(DType::i32, {2})}) {
    BOOST_TEST(with(a), "argument of kind " << a.kind());
  }
  BOOST_TEST(differs([&] { node.insert_arg(0, 1); }, [&] { node.set_args(args); }));
  BOOST_TEST(differs([&] { node.set_kwargs({}); }, [&] { node.set_kwargs(kwargs); }));
  BOOST_TEST(differs([&] { node.set_kwargs({{"axes", kwargs[0].second}}); }, [&] { node.set_kwargs(kwargs); }));
  BOOST_TEST(differs([&] { node.set_target("my::other"); }, [&] { node.set_target("my::op"); }));
  BOOST_TEST(differs([&] { node.set_op(Opcode::call_method, "my::op"); }, [&] { node.set_op(Opcode::call_function, "my::op"); }));
  BOOST_TEST(differs([&] { node.set_type(TensorType(DType::f32)); }, [&] { node.set_type({}); }));
  BOOST_TEST(differs([&] { node.set_type(TensorType(DType::f32, std::vector<Dim>{})); }, [&] { node.set_type({}); }));
  BOOST_TEST(differs([&] { node.set_type(TensorType(DType::f32, {Dim("N")})); }, [&] { node.set_type({}); }));
  BOOST_TEST(differs([&] { node.set_type(TensorType(DType::f32, {Dim("M")})); }, [&] { node.set_type({}); }));
  BOOST_TEST(differs([&] { node.set_type(TensorType(DType::f32, {Dim(4)})); }, [&] { node.set_type({}); }));
  BOOST_TEST(differs([&] { other.append(node); }, [&] { other.prepend(node); }));
  BOOST_TEST(differs([&] { graph->node(NodeId{0}).prepend(node); }, [&] { other.prepend(node); }));
  Node extra;
  BOOST_TEST(differs([&] { extra = graph->call_function("my::more"); }, [&] { graph->erase_node(extra); }));
}

BOOST_AUTO_TEST_CASE(names_and_metadata_are_not_content) {
  const auto graph = sample();
  const Snapshot before = graph->freeze();
  graph->node(NodeId{7}).rename("another");
  graph->node(NodeId{8}).set_meta("k", 1);
  BOOST_TEST(structure(*graph) == before.structure_fingerprint());
  BOOST_TEST(constants(*graph) == before.constants_fingerprint());
  BOOST_TEST(graph->freeze().same_content(before));
}

BOOST_AUTO_TEST_CASE(contents_of_tensors_count_among_the_constants_alone) {
  const auto a = sample(1);
  const auto b = sample(7);
  BOOST_TEST(structure(*a) == structure(*b));
  BOOST_TEST(constants(*a) != constants(*b));
  BOOST_TEST(!a->freeze().same_content(b->freeze()));
  BOOST_TEST(constants(*a) != constants(Graph()));
  b->node(NodeId{101}).update_arg(1, Tensor::from<float>({1, 2}, {2}));
  BOOST_TEST(constants(*a) == constants(*b));
  BOOST_TEST(a->freeze().same_content(b->freeze()));
}

BOOST_AUTO_TEST_CASE(constants_of_two_nodes_do_not_cancel_or_commute) {
  const auto with = [](float first, float second) {
    Graph graph;
    graph.call_function("my::op", {Tensor::scalar(first)});
    graph.call_function("my::op", {Tensor::scalar(second)});
    return constants(graph);
  };
  const std::set<std::uint64_t> prints{with(1, 2), with(2, 1), with(1, 1), with(2, 2)};
  BOOST_TEST(prints.size() == 4U);
}

BOOST_AUTO_TEST_CASE(only_the_content_counts_not_how_the_table_came_to_hold_it) {
  const auto plain = sample();
  const auto edited = sample();
  for (int i = 0; i < 5000; ++i) edited->call_function("my::more", {i});  // the trie grows a level
  for (const Node node : edited->nodes().reversed()) {
    if (node.target() == "my::more") edited->erase_node(node);
  }
  BOOST_TEST(structure(*edited) == structure(*plain));
  BOOST_TEST(edited->freeze().same_content(plain->freeze()));
  BOOST_TEST(plain->freeze().same_content(edited->freeze()));
  edited->call_function("my::more");
  BOOST_TEST(!edited->freeze().same_content(plain->freeze()));
  BOOST_TEST(!plain->freeze().same_content(edited->freeze()));
}

BOOST_AUTO_TEST_CASE(fingerprints_kept_from_edit_to_edit_equal_those_computed_anew) {
  const auto graph = sample();
  std::mt19937 random(2);
  Snapshot held;
  for (int i = 0; i < 300; ++i) {
    Node node = graph->node(NodeId{1 + static_cast<std::uint32_t>(random() % 100)});
    switch (random() % 5) {
      case 0: node.update_arg(1, static_cast<int>(random() % 50)); break;
      case 1: node.set_target(random() % 2 ? "my::op" : "my::other"); break;
      case 2: node.update_arg(1, Tensor::scalar(static_cast<float>(random() % 9))); break;
      case 3: node.append(graph->node(NodeId{1 + static_cast<std::uint32_t>(random() % 100)})); break;
      default: graph->call_function("my::more", {i}); break;
    }
    if (random() % 3 == 0) held = graph->freeze();
    if (random() % 2 == 0) continue;
    const Snapshot incremental = graph->freeze();
    const Snapshot anew = Graph(*graph).freeze();
    BOOST_REQUIRE(incremental.structure_fingerprint() == anew.structure_fingerprint());
    BOOST_REQUIRE(incremental.constants_fingerprint() == anew.constants_fingerprint());
    BOOST_REQUIRE(incremental.same_content(anew));
  }
}
