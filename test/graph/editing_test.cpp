#define BOOST_TEST_MODULE graph_editing
#include <boost/test/unit_test.hpp>

#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

/// output(x + y) with both inputs.
struct Sum {
  Graph graph;
  Node x = graph.placeholder("x");
  Node y = graph.placeholder("y");
  Node sum = graph.call_function("my::add", {x, y});
  Node out = graph.output(sum);
  std::int64_t at(std::int64_t a, std::int64_t b) { return evaluate(graph.freeze(), {{"x", a}, {"y", b}}); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(a_sum, Sum)

BOOST_AUTO_TEST_CASE(erase_node_refuses_a_used_node_and_names_its_users) {
  const auto used_by_node = error_of(ErrorKind::invalid_graph, [&] { graph.erase_node(x); });
  BOOST_TEST(contains(used_by_node, "Tried to erase Node x but it still had 1 users in the graph: add"));
  const auto used_by_output = error_of(ErrorKind::invalid_graph, [&] { graph.erase_node(sum); });
  BOOST_TEST(contains(used_by_output, "but it still had 1 users in the graph: output"));
  BOOST_TEST(graph.size() == 4U);
}

BOOST_AUTO_TEST_CASE(erasing_twice_does_nothing_the_second_time) {
  Node dead = graph.call_function("my::neg", {x});
  BOOST_TEST(graph.erase_node(dead));
  BOOST_TEST(dead.erased());
  BOOST_TEST(!graph.erase_node(dead));
  BOOST_TEST(names(x.users()) == (Words{"add"}));
  BOOST_TEST(graph.size() == 4U);
  BOOST_TEST(contains(error_of(ErrorKind::invalid_argument, [&] { (void)dead.name(); }), "was erased"));
  error_of(ErrorKind::invalid_argument, [&] { dead.set_args({}); });
  error_of(ErrorKind::invalid_argument, [&] { graph.call_function("my::neg", {dead}); });
  graph.lint();
}

BOOST_AUTO_TEST_CASE(replace_all_uses_with_then_erase_keeps_both_sides_right) {
  Node product = graph.call_function("my::mul", {x, y});
  sum.append(product);
  BOOST_TEST(names(sum.replace_all_uses_with(product)) == (Words{"output"}));
  BOOST_TEST(sum.user_count() == 0U);
  BOOST_TEST(names(product.users()) == (Words{"output"}));
  BOOST_TEST(graph.erase_node(sum));
  BOOST_TEST(names(x.users()) == (Words{"mul"}));
  BOOST_TEST(at(3, 5) == 15);
  graph.lint();
}

BOOST_AUTO_TEST_CASE(replace_all_uses_with_a_filter_keeps_the_filtered_users) {
  const auto scope = graph.inserting_before(sum);
  Node neg = graph.call_function("my::neg", {x});
  const auto changed = x.replace_all_uses_with(neg, [&](Node user) { return user != neg; });
  BOOST_TEST(names(changed) == (Words{"add"}));
  BOOST_TEST(names(x.users()) == (Words{"neg"}));
  BOOST_TEST(at(3, 5) == 2);
  graph.lint();
}

BOOST_AUTO_TEST_CASE(replace_all_uses_with_moves_metadata_only_where_there_is_none) {
  Node product = graph.call_function("my::mul", {x, y});
  sum.append(product);
  sum.set_meta("k", 1);
  product.set_meta("other", 2);
  const auto edits = graph.edit_count();
  error_of(ErrorKind::invalid_argument, [&] { sum.replace_all_uses_with(product, {}, true); });
  BOOST_TEST(graph.edit_count() == edits);
  BOOST_TEST(sum.user_count() == 1U);
  product.erase_meta("other");
  sum.replace_all_uses_with(product, {}, true);
  BOOST_TEST((product.meta().at("k") == Value(1)));
  BOOST_TEST(sum.meta().empty());
}

BOOST_AUTO_TEST_CASE(replace_input_with_changes_every_occurrence_and_the_result) {
  BOOST_TEST(at(3, 5) == 8);
  sum.replace_input_with(x, y);
  BOOST_TEST(at(3, 5) == 10);
  BOOST_TEST(x.user_count() == 0U);
  sum.replace_input_with(y, x);
  BOOST_TEST(at(3, 5) == 6);
  BOOST_TEST(names(x.users()) == (Words{"add"}));
  BOOST_TEST(y.user_count() == 0U);
  const auto edits = graph.edit_count();
  sum.replace_input_with(y, x);
  BOOST_TEST(graph.edit_count() == edits);
}

BOOST_AUTO_TEST_CASE(update_arg_and_update_kwarg_change_the_result) {
  sum.update_arg(1, 100);
  BOOST_TEST(at(1, 5) == 101);
  BOOST_TEST(y.user_count() == 0U);
  sum.update_kwarg("other", y);
  BOOST_TEST(at(1, 5) == 6);
  sum.update_kwarg("other", 7);
  BOOST_TEST(at(1, 5) == 8);
  BOOST_TEST(contains(error_of(ErrorKind::invalid_argument, [&] { sum.update_arg(2, 1); }), "add"));
}

BOOST_AUTO_TEST_CASE(insert_arg_of_a_node_that_is_used_already_adds_no_user) {
  sum.set_target("my::concat");
  sum.insert_arg(0, x);
  sum.insert_arg(2, x);
  BOOST_TEST(sum.args().size() == 4U);
  BOOST_TEST(names(x.users()) == (Words{"add"}));  // the name stays what it was
  BOOST_TEST(names(sum.all_input_nodes()) == (Words{"x", "y"}));
  sum.insert_arg(4, 1);
  error_of(ErrorKind::invalid_argument, [&] { sum.insert_arg(6, 1); });
  graph.lint();
}

BOOST_AUTO_TEST_CASE(reassigning_args_updates_the_users_of_old_and_new_inputs) {
  Node later = graph.call_function("my::neg", {y});
  graph.output_node().prepend(later);
  sum.set_args({y, y});
  BOOST_TEST(x.user_count() == 0U);
  BOOST_TEST(names(y.users()) == (Words{"add", "neg"}));
  sum.set_args({x, 1});
  BOOST_TEST(names(y.users()) == (Words{"neg"}));
  sum.set_kwargs({{"other", y}});
  BOOST_TEST(names(y.users()) == (Words{"neg", "add"}));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(a_node_moved_before_its_user_runs_before_it) {
  Node twice = graph.call_function("my::mul", {x, 2});  // after the output
  sum.replace_input_with(x, twice);
  error_of(ErrorKind::invalid_graph, [&] { graph.lint(); });
  sum.prepend(twice);
  graph.lint();
  BOOST_TEST(names(graph) == (Words{"x", "y", "mul", "add", "output"}));
  BOOST_TEST(at(3, 5) == 11);
}

BOOST_AUTO_TEST_CASE(moving_a_node_next_to_itself_changes_nothing) {
  const auto edits = graph.edit_count();
  const auto before = names(graph);
  for (Node node : {x, sum, out}) node.prepend(node), node.append(node);
  x.append(y), y.prepend(x), sum.append(out);
  BOOST_TEST(graph.edit_count() == edits);
  BOOST_TEST(names(graph) == before);
  BOOST_TEST(graph.size() == 4U);
}

BOOST_AUTO_TEST_CASE(nodes_move_to_either_end) {
  x.prepend(out);
  BOOST_TEST(names(graph) == (Words{"output", "x", "y", "add"}));
  BOOST_TEST((out < x && !out.prev().defined()));
  sum.append(x);
  BOOST_TEST(names(graph) == (Words{"output", "y", "add", "x"}));
  BOOST_TEST((sum < x && !x.next().defined()));
}

BOOST_AUTO_TEST_CASE(rename_gives_a_unique_name_and_frees_the_old_one) {
  BOOST_TEST(sum.rename("x") == "x_1");
  BOOST_TEST((graph.find("x_1") == sum));
  BOOST_TEST(!graph.find("add").defined());
  BOOST_TEST(sum.rename("x_1") == "x_1");
  BOOST_TEST(sum.rename("add") == "add");
  BOOST_TEST(sum.rename("total sum!") == "total_sum_");
  graph.lint();
}

BOOST_AUTO_TEST_CASE(hooks_see_what_is_created_erased_and_replaced_until_they_are_unregistered) {
  Words seen;
  auto created = graph.on_create([&](Node node) { seen.push_back("new " + node.name()); });
  auto created_too = graph.on_create([&](Node node) { seen.push_back("also new " + node.name()); });
  auto erased = graph.on_erase([&](Node node) { seen.push_back("gone " + node.name()); });
  auto replaced = graph.on_replace(
      [&](Node old, const std::string& name, Node user) { seen.push_back(old.name() + " -> " + name + " in " + user.name()); });
  Node product = graph.call_function("my::mul", {x, y});
  sum.append(product);
  sum.replace_all_uses_with(product);
  graph.erase_node(sum);
  product.rename("product");
  BOOST_TEST(seen == (Words{"new mul", "also new mul", "add -> mul in output", "gone add", "mul -> product in output"}));
  seen.clear();
  created_too = {};
  graph.call_function("my::neg", {x});
  BOOST_TEST(seen == (Words{"new neg"}));
  created = {}, erased = {}, replaced = {};
  seen.clear();
  graph.erase_node(graph.call_function("my::neg", {x}));
  BOOST_TEST(seen.empty());
}

BOOST_AUTO_TEST_CASE(the_name_that_a_hook_is_told_belongs_to_the_renamed_node_already) {
  Words seen;
  auto replaced = graph.on_replace([&](Node node, const std::string& name, Node) {
    seen.push_back(node.name() + " " + graph.find(name).name());
    const auto before = graph.inserting_before(sum);
    seen.push_back(graph.call_function("my::abs", {x}, {}, name).name());
  });
  BOOST_TEST(sum.rename("wished") == "wished");
  BOOST_TEST(seen == (Words{"add add", "wished_1"}));
  BOOST_TEST((graph.find("wished") == sum));
  BOOST_TEST(!graph.find("add").defined());
  graph.lint();
}

BOOST_AUTO_TEST_CASE(what_a_hook_throws_reaches_the_editor) {
  struct Refusal {};
  auto hook = graph.on_erase([](Node) { throw Refusal(); });
  Node dead = graph.call_function("my::neg", {x});
  BOOST_CHECK_THROW(graph.erase_node(dead), Refusal);
  BOOST_TEST(!dead.erased());
  hook = {};
  BOOST_TEST(graph.erase_node(dead));
  graph.lint();
}

BOOST_AUTO_TEST_CASE(a_hook_may_edit_the_graph_and_drop_itself) {
  HookHandle hook;
  hook = graph.on_create([&](Node node) {
    hook = {};
    const auto scope = graph.inserting_before(node);
    graph.call_function("my::neg", {x}, {}, "made_by_hook");
  });
  graph.call_function("my::mul", {x, y});
  graph.call_function("my::mul", {x, y});
  BOOST_TEST(names(graph) == (Words{"x", "y", "add", "output", "made_by_hook", "mul", "mul_1"}));
}

BOOST_AUTO_TEST_CASE(edit_count_grows_with_every_edit_and_with_nothing_else) {
  const auto grows = [&](auto&& edit) {
    const auto before = graph.edit_count();
    edit();
    return graph.edit_count() > before;
  };
  BOOST_TEST(grows([&] { sum.set_args({y, x}); }));
  BOOST_TEST(grows([&] { sum.set_kwargs({{"a", 1}}); }));
  BOOST_TEST(grows([&] { sum.set_target("my::mul"); }));
  BOOST_TEST(grows([&] { sum.set_type(TensorType(DType::f32)); }));
  BOOST_TEST(grows([&] { sum.set_meta("k", 1); }));
  BOOST_TEST(grows([&] { sum.erase_meta("k"); }));
  BOOST_TEST(grows([&] { sum.rename("other"); }));
  BOOST_TEST(grows([&] { x.prepend(y); }));
  BOOST_TEST(grows([&] { graph.erase_node(graph.call_function("my::neg", {x})); }));
  BOOST_TEST(!grows([&] { sum.erase_meta("k"); }));
  BOOST_TEST(!grows([&] {
    graph.freeze();
    graph.lint();
    const auto scope = graph.inserting_before(x);
    graph.find_nodes(Opcode::placeholder);
    Graph copy(graph);
  }));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(a_hook_handle_may_outlive_its_graph) {
  HookHandle hook;
  {
    Graph graph;
    hook = graph.on_create([](Node) {});
  }
  hook = {};
}

BOOST_AUTO_TEST_CASE(an_undefined_node_answers_with_an_error) {
  const Node none;
  BOOST_TEST(!none.defined());
  error_of(ErrorKind::invalid_argument, [&] { (void)none.name(); });
  error_of(ErrorKind::invalid_argument, [&] { (void)none.users(); });
  error_of(ErrorKind::invalid_argument, [&] { Node().set_args({}); });
  Graph graph;
  error_of(ErrorKind::invalid_argument, [&] { graph.erase_node(none); });
  error_of(ErrorKind::invalid_argument, [&] { (void)graph.node(NodeId{0}); });
  error_of(ErrorKind::invalid_argument, [&] { (void)Node(&graph, NodeId{3}).erased(); });
}
