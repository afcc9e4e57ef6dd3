#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace lazyfx::cli {

/// Reads the arguments of a verb: the options described, and any number of positional `operands`. Throws UsageError for what is not
/// described, repeated or malformed; with --help prints `synopsis` and the options, and gives nothing.
struct Parsed {
  boost::program_options::variables_map options;
  std::vector<std::string> operands;
};
std::optional<Parsed> parse(const std::vector<std::string>& arguments, const boost::program_options::options_description& options,
                            const std::string& synopsis);

/// --tier and its meaning in this build. Throws UsageError for a tier that it cannot give.
void add_tier(boost::program_options::options_description& options);
std::string tier_of(const Parsed& parsed);

/// The values of a repeatable option, none when it is not given.
std::vector<std::string> list_of(const Parsed& parsed, const char* option);

/// Splits "NAME=VALUE" at the last '=' that leaves both sides something; throws UsageError naming `option`.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* option);

}  // namespace lazyfx::cli
