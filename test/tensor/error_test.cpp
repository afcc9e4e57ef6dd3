#define BOOST_TEST_MODULE tensor_error
#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

#include "lazyfx/error.hpp"

using namespace lazyfx;

BOOST_AUTO_TEST_CASE(an_error_carries_its_kind_and_its_sentence_and_is_a_runtime_error) {
  try {
    throw Error(ErrorKind::overloaded, "the queue of runtime 'main' is full");
  } catch (const std::runtime_error& caught) {
    BOOST_TEST(caught.what() == "the queue of runtime 'main' is full");
    const auto* error = dynamic_cast<const Error*>(&caught);
    BOOST_REQUIRE(error != nullptr);
    BOOST_TEST(to_string(error->kind()) == "overloaded");
  }
}

BOOST_AUTO_TEST_CASE(every_kind_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::stopped); ++kind) names.insert(to_string(static_cast<ErrorKind>(kind)));
  BOOST_TEST(names.size() == static_cast<std::size_t>(ErrorKind::stopped) + 1);
  BOOST_TEST(names.count("unknown") == 0u);
}
