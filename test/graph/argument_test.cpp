#define BOOST_TEST_MODULE graph_argument
#include <boost/test/unit_test.hpp>

#include <bit>
#include <limits>

#include "vocabulary.hpp"

using namespace vocabulary;

BOOST_AUTO_TEST_CASE(an_argument_is_of_one_kind_and_says_so) {
  Graph graph;
  const Tensor tensor = Tensor::scalar(1.0F);
  const std::vector<std::pair<Argument, std::string>> all = {{{}, "none"},
                                                             {true, "bool"},
                                                             {1, "int"},
                                                             {1.5, "double"},
                                                             {"a", "string"},
                                                             {DType::f16, "dtype"},
                                                             {tensor, "tensor"},
                                                             {graph.placeholder("x"), "node"},
                                                             {Argument::list({}), "list"},
                                                             {Argument::tuple({}), "tuple"},
                                                             {Argument::dict({}), "dict"},
                                                             {Argument::slice({}, {}, {}), "slice"}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Argument& a = all[i].first;
    BOOST_TEST(a.kind() == all[i].second);
    const bool is[] = {a.is_none(),   a.is_bool(), a.is_int(),  a.is_double(), a.is_string(), a.is_dtype(),
                       a.is_tensor(), a.is_node(), a.is_list(), a.is_tuple(),  a.is_dict(),   a.is_slice()};
    for (std::size_t k = 0; k < std::size(is); ++k) BOOST_TEST(is[k] == (k == i));
    for (std::size_t k = 0; k < all.size(); ++k) BOOST_TEST((a == all[k].first) == (k == i));
  }
}

BOOST_AUTO_TEST_CASE(asking_for_another_kind_names_both) {
  const auto message = error_of(ErrorKind::invalid_argument, [] { (void)Argument("text").as_int(); });
  BOOST_TEST(contains(message, "string"));
  BOOST_TEST(contains(message, "int"));
  error_of(ErrorKind::invalid_argument, [] { (void)Argument(1).items(); });
  error_of(ErrorKind::invalid_argument, [] { (void)Argument().as_node(); });
  error_of(ErrorKind::invalid_argument, [] { (void)Argument::list({}).entries(); });
  error_of(ErrorKind::invalid_argument, [] { (void)Argument(1.5).as_slice(); });
  BOOST_TEST(Argument(3).as_double() == 3.0);
  error_of(ErrorKind::invalid_argument, [] { (void)Argument(3.0).as_int(); });
}

BOOST_AUTO_TEST_CASE(equality_is_deep_and_bit_for_bit) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST((Argument(nan) == Argument(nan)));
  BOOST_TEST(!(Argument(nan) == Argument(-nan)));
  BOOST_TEST(!(Argument(0.0) == Argument(-0.0)));
  BOOST_TEST(!(Argument(1) == Argument(1.0)));
  BOOST_TEST(!(Argument(1) == Argument(true)));
  const auto nested = [](int last) {
    return Argument::list({1, Argument::tuple({"a", Argument::dict({{"k", Argument::slice(1, {}, last)}})})});
  };
  BOOST_TEST((nested(3) == nested(3)));
  BOOST_TEST(!(nested(3) == nested(4)));
  BOOST_TEST(!(Argument::dict({{"a", 1}, {"b", 2}}) == Argument::dict({{"b", 2}, {"a", 1}})));  // order is part of it
  const auto tensor = [](float v) { return Argument(Tensor::from<float>({1, v}, {2})); };
  BOOST_TEST((tensor(2) == tensor(2)));
  BOOST_TEST(!(tensor(2) == tensor(3)));
  BOOST_TEST((Argument(Tensor()) == Argument(Tensor())));
  BOOST_TEST(!(Argument(Tensor()) == tensor(2)));
}

BOOST_AUTO_TEST_CASE(a_dict_refuses_a_repeated_key) {
  BOOST_TEST(contains(error_of(ErrorKind::invalid_argument, [] { Argument::dict({{"a", 1}, {"b", 1}, {"a", 2}}); }), "'a'"));
  Argument::Entries many;
  for (int i = 0; i < 1000; ++i) many.emplace_back(std::to_string(i), i);
  BOOST_TEST(Argument::dict(many).entries().size() == 1000U);
  many.emplace_back("77", 0);
  BOOST_TEST(contains(error_of(ErrorKind::invalid_argument, [&] { Argument::dict(many); }), "'77'"));
}

BOOST_AUTO_TEST_CASE(aggregates_nest_to_a_stated_depth_and_no_deeper) {
  const auto deeper = [](const Argument& a, unsigned i) {
    switch (i % 4) {
      case 0: return Argument::list({1, a});
      case 1: return Argument::tuple({a});
      case 2: return Argument::dict({{"k", a}});
      default: return Argument::slice({}, a, {});
    }
  };
  Argument a = 1;
  for (unsigned i = 0; i < Argument::max_depth; ++i) a = deeper(a, i);
  for (unsigned i = 0; i < 4; ++i) error_of(ErrorKind::invalid_argument, [&] { deeper(a, i); });
}

BOOST_AUTO_TEST_CASE(for_each_node_visits_depth_first_left_to_right_with_repetitions) {
  const Argument a =
      Argument::list({NodeId{1}, Argument::tuple({NodeId{2}, NodeId{1}}), 5, Argument::slice(NodeId{3}, NodeId{4}, NodeId{5}),
                      Argument::dict({{"b", NodeId{6}}, {"a", NodeId{7}}}), NodeId{8}});
  std::vector<unsigned> met;
  for_each_node(a, [&](NodeId id) { met.push_back(static_cast<unsigned>(id)); });
  BOOST_TEST(met == (std::vector<unsigned>{1, 2, 1, 3, 4, 5, 6, 7, 8}));
}

BOOST_AUTO_TEST_CASE(map_nodes_replaces_nodes_and_shares_the_rest) {
  const Argument kept = Argument::tuple({NodeId{2}, "x"});
  const Argument a = Argument::list({Argument::slice(NodeId{1}, {}, 3), kept, Argument::dict({{"k", NodeId{1}}})});
  const Argument b = map_nodes(a, [](NodeId id) { return id == NodeId{1} ? Argument(10) : Argument(id); });
  BOOST_TEST((b == Argument::list({Argument::slice(10, {}, 3), kept, Argument::dict({{"k", 10}})})));
  BOOST_TEST(&b.items()[1].items() == &kept.items());
  const Argument same = map_nodes(a, [](NodeId id) { return Argument(id); });
  BOOST_TEST(&same.items() == &a.items());
}

BOOST_AUTO_TEST_CASE(an_argument_remembers_its_graph_until_it_is_stored) {
  Graph graph;
  Node x = graph.placeholder("x");
  BOOST_TEST(Argument(x).origin() == &graph);
  BOOST_TEST((Argument(x) == Argument(x.id())));
  BOOST_TEST(Argument(x.id()).origin() == nullptr);
  Node y = graph.call_function("my::op", {x, Argument::list({x})});
  BOOST_TEST(y.arg(0).origin() == nullptr);
  BOOST_TEST(y.arg(1).items()[0].origin() == nullptr);
  error_of(ErrorKind::invalid_argument, [] { (void)Argument(Node()); });
}

BOOST_AUTO_TEST_CASE(opcodes_and_their_names_map_both_ways) {
  for (const Opcode op :
       {Opcode::placeholder, Opcode::get_attr, Opcode::call_function, Opcode::call_method, Opcode::call_module, Opcode::output}) {
    BOOST_TEST((opcode_from_string(to_string(op)) == op));
  }
  BOOST_TEST(!opcode_from_string("root"));
  BOOST_TEST(to_string(static_cast<Opcode>(9)) == std::string("unknown"));
}
