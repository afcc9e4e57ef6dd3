#include "cli/options.hpp"

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>

#include <iostream>

namespace lazyfx::cli {
namespace po = boost::program_options;

std::optional<Parsed> parse(const std::vector<std::string>& arguments, const po::options_description& options,
                            const std::string& synopsis) {
  po::options_description all;
  all.add(options).add_options()("help,h", "print this")("operand", po::value<std::vector<std::string>>());
  po::positional_options_description operands;
  operands.add("operand", -1);
  Parsed parsed;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(operands)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              parsed.options);
    po::notify(parsed.options);
  } catch (const po::error& error) { throw UsageError(error.what()); }
  if (parsed.options.contains("help")) {
    std::cout << "usage: lazyfx " << synopsis << "\n\n" << options;
    return {};
  }
  if (parsed.options.contains("operand")) parsed.operands = parsed.options["operand"].as<std::vector<std::string>>();
  return parsed;
}

void add_tier(po::options_description& options) {
  options.add_options()("tier", po::value<std::string>()->value_name("baseline")->default_value("baseline"), "effort of the compile");
}

std::string tier_of(const Parsed& parsed) {
  const auto& tier = parsed.options["tier"].as<std::string>();
  if (tier == "optimized") throw UsageError("tier optimized is not available in this build");
  if (tier != "baseline") throw UsageError("--tier takes baseline, not '" + tier + "'");
  return tier;
}

std::vector<std::string> list_of(const Parsed& parsed, const char* option) {
  return parsed.options.contains(option) ? parsed.options[option].as<std::vector<std::string>>() : std::vector<std::string>();
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* option) {
  const auto equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw UsageError(std::string(option) + " takes NAME=VALUE, not '" + text + "'");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace lazyfx::cli
