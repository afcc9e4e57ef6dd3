#define BOOST_TEST_MODULE cli_onnx_node_cases
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "command.hpp"

namespace {

const std::filesystem::path cases = "/usr/share/libonnx-testdata/data/node";  // Debian's package libonnx-testdata

/// The number of cases that pass, then a line for each of the others: what becomes of it, and why.
std::string summary(const nlohmann::json& rows) {
  std::size_t passed = 0;
  std::string rest;
  for (const auto& row : rows) {
    const std::string status = row["status"], reason = row["reason"], folder = row["case"];
    if (status == "passed")
      ++passed;
    else
      rest += status + " " + folder.substr(cases.string().size() + 1) + ": " + reason + "\n";
  }
  return std::to_string(passed) + " passed\n" + rest;
}

std::string without(std::string text, const std::string& part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part)) text.erase(at, part.size());
  return text;
}

}  // namespace

/// test/data/onnx_node_cases.txt says it line by line; lines that begin with # explain the next ones.
BOOST_AUTO_TEST_CASE(onnx_own_cases_end_as_the_checked_in_list_says) {
  if (!std::filesystem::exists(cases)) {
    BOOST_TEST_MESSAGE("libonnx-testdata is not installed: cmake/setup.sh peer installs it");
    return;
  }
  const command::Folder folder;
  const auto json = (folder / "outcome.json").string();
  const auto ended = command::lazyfx({"check", cases.string(), "--json", json});
  BOOST_REQUIRE(ended.status >= 0);
  std::ifstream list(std::filesystem::path(LAZYFX_TEST_DATA) / "onnx_node_cases.txt");
  std::string expected;
  for (std::string line; std::getline(list, line);) {
    if (!line.starts_with('#')) expected += line + "\n";
  }
  const std::string actual = without(summary(nlohmann::json::parse(command::read(json))), cases.string() + "/");
  std::istringstream left(actual), right(expected);
  for (std::string a, b; std::getline(left, a) && std::getline(right, b);) BOOST_TEST(a == b);
  BOOST_TEST((actual == expected), "what the command found: " << actual);
}
