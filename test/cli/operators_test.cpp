#define BOOST_TEST_MODULE cli_operators
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "command.hpp"

using command::contains;
using command::lazyfx;

BOOST_AUTO_TEST_CASE(operators_are_listed_with_versions_dtypes_and_whether_they_are_fast) {
  const auto table = lazyfx({"ops"});
  BOOST_TEST(table.status == 0, table.err);
  BOOST_TEST(contains(table.out, "\nonnx::Conv  "), table.out);
  BOOST_TEST(contains(table.out, " operators, "));
  const auto json = lazyfx({"ops", "--json"});
  BOOST_TEST(
      contains(json.out, "\"operator\": \"onnx::Split@2\",\n    \"opset\": \"2-12\",\n    \"fast\": true,\n    \"inputs\": \"input: any\""),
      json.out);
  BOOST_TEST(contains(json.out, "\"inputs\": \"X: float, W: float, B?: float\""));
  command::check_refused({"ops", "--json", "--markdown"}, 2, {"exclude each other"});
  command::check_refused({"ops", "Conv"}, 2, {"no operands"});
}

BOOST_AUTO_TEST_CASE(the_page_of_operators_is_what_the_command_prints) {
  const auto page = std::filesystem::path(LAZYFX_TEST_DATA) / "../../docs/operators.md";
  BOOST_TEST((command::read(page) == lazyfx({"ops", "--markdown"}).out),
             "docs/operators.md is out of date: lazyfx ops --markdown > docs/operators.md");
}
