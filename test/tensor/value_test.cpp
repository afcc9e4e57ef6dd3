#define BOOST_TEST_MODULE tensor_value
#include <boost/test/unit_test.hpp>

#include <limits>
#include <type_traits>

#include "expect.hpp"
#include "lazyfx/tensor/value.hpp"

using namespace lazyfx;

// A pointer is not a boolean, and text is never mistaken for one.
static_assert(!std::is_constructible_v<Value, const int*>);
static_assert(!std::is_constructible_v<Value, void*>);
static_assert(std::is_nothrow_move_constructible_v<Value>);

namespace {

std::vector<Value> one_of_each_kind() {
  return {Value(), true, 1, 1.0, "1", Tensor::scalar(1.0f), Value::list({1}), Value::tuple({1}), Value::dict({{"a", 1}})};
}

Value nest(std::size_t levels) {
  Value value = 1;
  for (std::size_t i = 0; i < levels; ++i) {
    value = i % 3 == 0 ? Value::list({value}) : i % 3 == 1 ? Value::tuple({value}) : Value::dict({{"k", value}});
  }
  return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_value_knows_its_kind) {
  const std::vector<std::string> kinds{"none", "bool", "int", "double", "string", "tensor", "list", "tuple", "dict"};
  const std::vector<Value> values = one_of_each_kind();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Value& v = values[i];
    BOOST_TEST(v.kind() == kinds[i]);
    const std::vector<bool> answers{v.is_none(),   v.is_bool(), v.is_int(),   v.is_double(), v.is_string(),
                                    v.is_tensor(), v.is_list(), v.is_tuple(), v.is_dict()};
    for (std::size_t k = 0; k < answers.size(); ++k) BOOST_TEST(answers[k] == (k == i));
  }
}

BOOST_AUTO_TEST_CASE(a_value_gives_back_what_it_was_made_from) {
  BOOST_TEST(Value(true).as_bool());
  BOOST_TEST(Value(-3).as_int() == -3);
  BOOST_TEST(Value(std::int64_t{1} << 40).as_int() == std::int64_t{1} << 40);
  BOOST_TEST(Value(2.5).as_double() == 2.5);
  BOOST_TEST(Value("text").as_string() == "text");
  BOOST_TEST(Value(counting({3})).as_tensor().size() == 3);
  BOOST_TEST(Value::list({1, "b"}).items().size() == 2u);
  BOOST_TEST(Value::tuple({1, "b"})[1].as_string() == "b");
  BOOST_TEST(Value::dict({{"x", 1}, {"a", 2}})["a"].as_int() == 2);
}

BOOST_AUTO_TEST_CASE(asking_for_another_kind_names_both) {
  BOOST_TEST(refuses("expected a value of kind int, found one of kind string", [] { Value("7").as_int(); }));
  BOOST_TEST(refuses("kind double, found one of kind int", [] { Value(7).as_double(); }));
  BOOST_TEST(refuses("kind bool, found one of kind none", [] { Value().as_bool(); }));
  BOOST_TEST(refuses("kind string, found one of kind tensor", [] { Value(Tensor()).as_string(); }));
  BOOST_TEST(refuses("kind tensor, found one of kind list", [] { Value::list({}).as_tensor(); }));
  BOOST_TEST(refuses("kind list or tuple, found one of kind dict", [] { Value::dict({}).items(); }));
  BOOST_TEST(refuses("kind dict, found one of kind tuple", [] { Value::tuple({}).entries(); }));
}

BOOST_AUTO_TEST_CASE(an_absent_item_or_key_is_an_error) {
  BOOST_TEST(refuses("item 2 was asked of a list of 2", [] { Value::list({1, 2})[2]; }));
  BOOST_TEST(refuses("no key 'b'", [] { Value::dict({{"a", 1}})["b"]; }));
}

BOOST_AUTO_TEST_CASE(a_dict_keeps_its_order_and_refuses_a_repeated_key) {
  const Value dict = Value::dict({{"z", 1}, {"a", 2}});
  BOOST_TEST(dict.entries()[0].first == "z");
  BOOST_TEST(refuses("key 'a' appears twice", [] { Value::dict({{"a", 1}, {"b", 2}, {"a", 3}}); }));
}

BOOST_AUTO_TEST_CASE(copies_share_their_items) {
  const Value list = Value::list({1, 2, 3});
  const Value copy = list;
  BOOST_TEST(&copy.items() == &list.items());
}

BOOST_AUTO_TEST_CASE(values_are_equal_when_kind_and_content_are) {
  const std::vector<Value> values = one_of_each_kind();
  const std::vector<Value> again = one_of_each_kind();
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t k = 0; k < values.size(); ++k) BOOST_TEST((values[i] == again[k]) == (i == k));
  }
  BOOST_TEST((Value::list({1, Value::tuple({"a"})}) == Value::list({1, Value::tuple({"a"})})));
  BOOST_TEST((Value::list({1, Value::tuple({"a"})}) != Value::list({1, Value::tuple({"b"})})));
  BOOST_TEST((Value::list({1}) != Value::list({1, 1})));
  BOOST_TEST((Value::dict({{"a", 1}, {"b", 2}}) != Value::dict({{"b", 2}, {"a", 1}})));
  BOOST_TEST((Value(counting({2, 2})) == Value(counting({2, 2}))));
  BOOST_TEST((Value(counting({2, 2})) != Value(counting({4}))));
}

BOOST_AUTO_TEST_CASE(doubles_are_equal_bit_for_bit) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST((Value(nan) == Value(nan)));
  BOOST_TEST((Value(0.0) != Value(-0.0)));
}

BOOST_AUTO_TEST_CASE(values_nest_up_to_a_limit_and_no_deeper) {
  const Value deepest = nest(Value::max_depth);
  BOOST_TEST(deepest.depth() == Value::max_depth);
  BOOST_TEST((deepest == nest(Value::max_depth)));
  BOOST_TEST(to_string(deepest).size() > Value::max_depth);
  BOOST_TEST(refuses("nested deeper than 1000", [&] { Value::list({deepest}); }));
  BOOST_TEST(refuses("nested deeper", [&] { Value::tuple({1, deepest}); }));
  BOOST_TEST(refuses("nested deeper", [&] { Value::dict({{"a", deepest}}); }));
}

BOOST_AUTO_TEST_CASE(depth_counts_the_longest_chain_of_aggregates) {
  BOOST_TEST(Value(1).depth() == 0u);
  BOOST_TEST(Value::list({}).depth() == 1u);
  BOOST_TEST(Value::tuple({1, Value::list({Value::list({})}), Value::list({})}).depth() == 3u);
}

BOOST_AUTO_TEST_CASE(text_tells_every_kind_apart) {
  BOOST_TEST(to_string(Value()) == "none");
  BOOST_TEST(to_string(Value(false)) == "false");
  BOOST_TEST(to_string(Value(std::numeric_limits<std::int64_t>::min())) == "-9223372036854775808");
  BOOST_TEST(to_string(Value(1.0)) == "1.0");
  BOOST_TEST(to_string(Value(0.1)) == "0.1");
  BOOST_TEST(to_string(Value(1e300)) == "1e+300");
  BOOST_TEST(to_string(Value(-std::numeric_limits<double>::infinity())) == "-inf");
  BOOST_TEST(to_string(Value("a\\\"\t\x01")) == "\"a\\\\\\\"\\t\\x01\"");
  BOOST_TEST(to_string(Value::list({1, 2.5})) == "[1, 2.5]");
  BOOST_TEST(to_string(Value::tuple({1})) == "(1,)");
  BOOST_TEST(to_string(Value::tuple({})) == "()");
  BOOST_TEST(to_string(Value::dict({{"a", true}, {"b", Value()}})) == "{\"a\": true, \"b\": none}");
  BOOST_TEST(to_string(Value(counting({2}))) == "i32[2] {0, 1}");
}
