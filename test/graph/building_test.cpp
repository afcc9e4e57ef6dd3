#define BOOST_TEST_MODULE graph_building
#include <boost/test/unit_test.hpp>

#include "vocabulary.hpp"

using namespace vocabulary;

BOOST_AUTO_TEST_CASE(an_empty_graph_is_valid_and_has_no_output) {
  Graph graph;
  graph.lint();
  BOOST_TEST(graph.size() == 0U);
  BOOST_TEST(!graph.output_node().defined());
  BOOST_TEST((graph.nodes().begin() == graph.nodes().end()));
  BOOST_TEST(graph.freeze().size() == 0U);
}

BOOST_AUTO_TEST_CASE(nodes_come_in_order_of_creation_with_ids_in_that_order) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node w = graph.get_attr("layer.weight");
  Node y = graph.call_function("onnx::MatMul", {x, w});
  Node z = graph.call_method("relu", {y});
  Node s = graph.call_module("head.0", {z});
  Node out = graph.output(s);
  graph.lint();
  BOOST_TEST(names(graph) == (Words{"x", "layer_weight", "mat_mul", "relu", "head_0", "output"}));
  BOOST_TEST(static_cast<unsigned>(out.id()) == 5U);
  BOOST_TEST((graph.output_node() == out));
  BOOST_TEST(names(graph.placeholders()) == (Words{"x"}));
  BOOST_TEST((x < w && w < y && y < z && !(z < y) && !(z < z)));
  BOOST_TEST((graph.find("mat_mul") == y));
  BOOST_TEST(!graph.find("matmul").defined());
  BOOST_TEST((x.next() == w && w.prev() == x));
  BOOST_TEST(!x.prev().defined());
  BOOST_TEST(!out.next().defined());
}

BOOST_AUTO_TEST_CASE(a_placeholder_keeps_its_type_and_its_default_even_if_that_is_none) {
  Graph graph;
  Node x = graph.placeholder("x", TensorType(DType::f32, {Dim("N"), 3}));
  Node y = graph.placeholder("y", {}, Argument());
  Node z = graph.placeholder("z", {}, 1.5);
  BOOST_TEST((x.type() == TensorType(DType::f32, {Dim("N"), 3})));
  BOOST_TEST(x.args().empty());
  BOOST_TEST(y.args().size() == 1U);
  BOOST_TEST(y.arg(0).is_none());
  BOOST_TEST(z.arg(0).as_double() == 1.5);
  BOOST_TEST(!y.type());
}

BOOST_AUTO_TEST_CASE(names_are_snake_case_and_targets_are_left_alone) {
  Graph graph;
  const auto name_of = [&](const char* target) { return graph.call_function(target).name(); };
  BOOST_TEST(name_of("onnx::Conv") == "conv");
  BOOST_TEST(name_of("onnx::BatchNormalization") == "batch_normalization");
  BOOST_TEST(name_of("ai.onnx.ml::Scaler") == "scaler");
  BOOST_TEST(name_of("onnx::LRN") == "lrn");
  BOOST_TEST(name_of("__add__") == "add");
  BOOST_TEST(graph.call_module("activations.PascalCase").name() == "activations_pascal_case");
  BOOST_TEST(graph.find("activations_pascal_case").target() == "activations.PascalCase");
  BOOST_TEST(graph.call_module("ALL_CAPS").name() == "all_caps");
  BOOST_TEST(graph.placeholder("Input:0").name() == "input_0");
  BOOST_TEST(graph.placeholder("3d.x").name() == "_3d_x");
  BOOST_TEST(graph.placeholder("\xc3\xa4").name() == "_");
}

BOOST_AUTO_TEST_CASE(names_stay_unique_among_given_and_derived_ones) {
  Graph graph;
  const auto named = [&](const char* name) { return graph.call_function("my::op", {}, {}, name).name(); };
  BOOST_TEST(named("foo") == "foo");
  BOOST_TEST(named("foo") == "foo_1");
  BOOST_TEST(named("foo_1") == "foo_2");
  BOOST_TEST(named("foo_1_1") == "foo_1_1");
  BOOST_TEST(named("foo_1_1") == "foo_1_2");
  BOOST_TEST(named("foo_07") == "foo_7");
  BOOST_TEST(named("foo") == "foo_8");
  BOOST_TEST(graph.call_function("my::Foo").name() == "foo_9");
  BOOST_TEST(named("x_123456789012345678901234567890") == "x_123456789012345678901234567890");
  BOOST_TEST(named("x_123456789012345678901234567890") == "x_123456789012345678901234567890_1");
  graph.lint();
}

BOOST_AUTO_TEST_CASE(no_node_is_named_like_a_reserved_word) {
  Graph graph;
  BOOST_TEST(graph.get_attr("inf").name() == "inf_1");
  BOOST_TEST(graph.get_attr("nan").name() == "nan_1");
  BOOST_TEST(graph.call_function("onnx::Abs").name() == "abs_1");
  BOOST_TEST(graph.placeholder("input").name() == "input_1");
  BOOST_TEST(graph.placeholder("self").name() == "self_1");
  BOOST_TEST(graph.call_function("my::op", {}, {}, "None").name() == "None_1");
  BOOST_TEST(graph.call_function("my::op", {}, {}, "lambda").name() == "lambda_1");
  BOOST_TEST(graph.call_function("my::op", {}, {}, "NoneType").name() == "NoneType_1");
}

BOOST_AUTO_TEST_CASE(names_stay_unique_when_one_graph_is_copied_into_another) {
  Graph inner;
  Node a = inner.placeholder("a");
  inner.output(inner.call_function("onnx::Add", {a, 1}));
  Graph outer;
  std::unordered_map<std::uint32_t, Argument> values;
  values.emplace(static_cast<std::uint32_t>(a.id()), outer.placeholder("x"));
  outer.call_function("onnx::Add", {1, 2});
  const Argument result = outer.graph_copy(inner, values);
  outer.call_function("onnx::Add", {result, 2});
  outer.output(result);
  BOOST_TEST(names(outer) == (Words{"x", "add", "add_1", "add_2", "output"}));
  outer.lint();
}

BOOST_AUTO_TEST_CASE(all_input_nodes_are_args_then_kwargs_each_once) {
  Graph graph;
  Node a = graph.placeholder("a");
  Node b = graph.get_attr("b");
  Node c = graph.call_function("onnx::Add", {a, a});
  Node d = graph.call_function("onnx::Add", {b, Argument::list({c, a, b})}, {{"other", c}, {"last", a}});
  BOOST_TEST(a.all_input_nodes().empty());
  BOOST_TEST(names(c.all_input_nodes()) == (Words{"a"}));
  BOOST_TEST(names(d.all_input_nodes()) == (Words{"b", "add", "a"}));
}

BOOST_AUTO_TEST_CASE(users_are_listed_once_each_in_the_order_in_which_they_began) {
  Graph graph;
  Node x = graph.placeholder("x");
  graph.call_function("onnx::Relu", {x});
  graph.call_function("onnx::Add", {x, x});
  graph.call_method("neg", {x});
  BOOST_TEST(x.user_count() == 3U);
  BOOST_TEST(names(x.users()) == (Words{"relu", "add", "neg"}));
}

BOOST_AUTO_TEST_CASE(aggregates_inside_arguments_are_searched_for_uses) {
  Graph graph;
  Node a = graph.placeholder("a");
  Node b = graph.placeholder("b");
  Node c = graph.placeholder("c");
  Node d = graph.placeholder("d");
  Node user = graph.call_function("my::op", {Argument::list({1, Argument::tuple({a})}), Argument::dict({{"k", b}})},
                                  {{"s", Argument::slice({}, c, Argument::list({d}))}});
  for (const Node node : {a, b, c, d}) BOOST_TEST(names(node.users()) == (Words{"op"}));
  user.replace_input_with(c, a);
  BOOST_TEST(c.user_count() == 0U);
  BOOST_TEST((user.kwarg("s")->as_slice().stop == Argument(a)));
  BOOST_TEST(names(user.all_input_nodes()) == (Words{"a", "b", "d"}));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(find_nodes_is_sorted_in_graph_order_and_follows_a_changed_target) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node relu = graph.call_function("onnx::Relu", {x});
  Node tanh = graph.call_function("onnx::Tanh", {relu});
  Node last = graph.call_function("onnx::Relu", {tanh});
  {
    const auto scope = graph.inserting_before(relu);
    graph.call_function("onnx::Relu", {x}, {}, "early");
  }
  BOOST_TEST(names(graph.find_nodes(Opcode::call_function, "onnx::Relu")) == (Words{"early", "relu", "relu_1"}));
  tanh.set_target("onnx::Relu");
  BOOST_TEST(names(graph.find_nodes(Opcode::call_function, "onnx::Relu")) == (Words{"early", "relu", "tanh", "relu_1"}));
  BOOST_TEST(graph.find_nodes(Opcode::call_function, "onnx::Tanh").empty());
  last.set_op(Opcode::call_method, "relu");
  BOOST_TEST(names(graph.find_nodes(Opcode::call_function)) == (Words{"early", "relu", "tanh"}));
  BOOST_TEST(names(graph.find_nodes(Opcode::call_method, "relu")) == (Words{"relu_1"}));
  BOOST_TEST(graph.find_nodes(Opcode::call_method, "tanh").empty());
  graph.erase_node(last);
  BOOST_TEST(graph.find_nodes(Opcode::call_method).empty());
}

BOOST_AUTO_TEST_CASE(a_node_with_a_wrong_form_is_refused_and_the_graph_is_unchanged) {
  Graph graph;
  Node x = graph.placeholder("x");
  const auto edits = graph.edit_count();
  error_of(ErrorKind::invalid_argument, [&] { graph.call_function(""); });
  error_of(ErrorKind::invalid_argument, [&] { graph.create_node(static_cast<Opcode>(17), "x"); });
  BOOST_TEST(contains(error_of(ErrorKind::invalid_argument, [&] { graph.call_function("my::op", {}, {{"a", 1}, {"a", x}}); }), "'a'"));
  error_of(ErrorKind::invalid_argument, [&] { graph.call_function("my::op", {NodeId{99}}); });
  error_of(ErrorKind::invalid_argument, [&] { graph.call_function("my::op", {Node()}); });
  BOOST_TEST(graph.edit_count() == edits);
  BOOST_TEST(graph.size() == 1U);
  BOOST_TEST(x.user_count() == 0U);
  graph.lint();
}

BOOST_AUTO_TEST_CASE(a_node_of_another_graph_is_refused_as_an_argument) {
  Graph other;
  Node foreign = other.placeholder("x");
  Graph graph;
  Node x = graph.placeholder("x");
  Node y = graph.call_function("my::op", {x});
  const auto refused = [&](auto&& f) { return contains(error_of(ErrorKind::invalid_argument, f), "does not belong to this Graph"); };
  BOOST_TEST(refused([&] { graph.call_function("my::op", {Argument::list({foreign})}); }));
  BOOST_TEST(refused([&] { graph.output(foreign); }));
  BOOST_TEST(refused([&] { y.set_args({foreign}); }));
  BOOST_TEST(refused([&] { y.update_kwarg("k", foreign); }));
  BOOST_TEST(refused([&] { y.replace_input_with(x, foreign); }));
  BOOST_TEST(refused([&] { x.replace_all_uses_with(foreign); }));
  BOOST_TEST(refused([&] { x.append(foreign); }));
  BOOST_TEST(refused([&] { graph.erase_node(foreign); }));
  BOOST_TEST(refused([&] { (void)graph.inserting_before(foreign); }));
  BOOST_TEST(names(y.all_input_nodes()) == (Words{"x"}));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(copying_a_node_without_remapping_its_inputs_is_refused) {
  Graph other;
  Node relu = other.call_function("onnx::Relu", {other.placeholder("x")});
  Graph graph;
  const auto message = error_of(ErrorKind::invalid_argument, [&] { graph.node_copy(relu, [](Node node) { return Argument(node); }); });
  BOOST_TEST(contains(message, "does not belong to this Graph"));
  BOOST_TEST(graph.size() == 0U);
}

BOOST_AUTO_TEST_CASE(node_copy_keeps_name_type_and_metadata) {
  Graph other;
  Node x = other.placeholder("x");
  Node y = other.call_function("onnx::Add", {x, Argument::tuple({x, 2})}, {{"k", x}}, "sum_of_x");
  y.set_type(TensorType(DType::f32, {2, 3}));
  y.set_meta("stack_trace", "model.py:7");
  Graph graph;
  Node a = graph.placeholder("a");
  Node copy = graph.node_copy(y, [&](Node node) {
    BOOST_TEST((node == x));
    return Argument(a);
  });
  BOOST_TEST(copy.name() == "sum_of_x");
  BOOST_TEST((copy.type() == y.type()));
  BOOST_TEST((copy.meta().at("stack_trace") == Value("model.py:7")));
  BOOST_TEST((copy.arg(1) == Argument::tuple({a, 2})));
  copy.set_meta("stack_trace", "elsewhere");
  BOOST_TEST((y.meta().at("stack_trace") == Value("model.py:7")));
  BOOST_TEST(names(a.users()) == (Words{"sum_of_x"}));
}

BOOST_AUTO_TEST_CASE(a_failed_graph_copy_leaves_both_graphs_as_they_were) {
  Graph other;
  Node x = other.placeholder("x");
  Node y = other.call_function("onnx::Relu", {x});
  other.output(other.call_function("onnx::Tanh", {y}));
  y.prepend(other.find("tanh"));  // used before it is defined
  Graph graph;
  std::unordered_map<std::uint32_t, Argument> values;
  error_of(ErrorKind::invalid_graph, [&] { graph.graph_copy(other, values); });
  BOOST_TEST(graph.size() == 0U);
  BOOST_TEST(values.empty());
  graph.lint();
}

BOOST_AUTO_TEST_CASE(a_graph_may_be_copied_into_itself) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node y = graph.call_function("my::neg", {x});
  std::unordered_map<std::uint32_t, Argument> values;
  values.emplace(static_cast<std::uint32_t>(x.id()), y);
  graph.output(Argument());
  const auto scope = graph.inserting_before(graph.output_node());
  graph.graph_copy(graph, values);
  graph.output_node().update_arg(0, graph.find("neg_1"));
  BOOST_TEST(names(graph) == (Words{"x", "neg", "neg_1", "output"}));
  BOOST_TEST(evaluate(graph.freeze(), {{"x", 5}}) == 5);
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_graph_has_the_same_content_and_a_life_of_its_own) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node dead = graph.call_function("my::neg", {x});
  Node y = graph.call_function("my::add", {x, 3});
  Node z = graph.call_function("my::mul", {y, x});
  graph.output(z);
  y.set_meta("k", 1);
  graph.erase_node(dead);
  x.append(z), y.append(z);
  const Graph copy_of_const(graph);
  Graph copy(graph);
  copy.lint();
  BOOST_TEST(names(copy) == names(graph));
  BOOST_TEST((copy.find("add").id() == y.id()));
  BOOST_TEST((&copy.find("add").graph() == &copy));
  BOOST_TEST(names(copy.find("x").users()) == names(x.users()));
  BOOST_TEST((copy.find("add").meta() == y.meta()));
  BOOST_TEST(copy.freeze().same_content(graph.freeze()));
  BOOST_TEST(copy.node(dead.id()).erased());

  copy.find("add").update_arg(1, 4);
  BOOST_TEST(evaluate(copy.freeze(), {{"x", 2}}) == 12);
  BOOST_TEST(evaluate(graph.freeze(), {{"x", 2}}) == 10);
  BOOST_TEST(copy.call_function("my::add", {1, 1}).name() == graph.call_function("my::add", {1, 1}).name());
  BOOST_TEST(names(copy_of_const) == (Words{"x", "add", "mul", "output"}));
}
