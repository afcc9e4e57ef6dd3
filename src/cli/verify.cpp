#include <iostream>

#include "cli/options.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace lazyfx::cli {
namespace po = boost::program_options;

int verify_command(const std::vector<std::string>& arguments) {
  const po::options_description options("options");
  const auto parsed = parse(arguments, options, "verify PACKAGE.lfx...");
  if (!parsed) return success;
  if (parsed->operands.empty()) throw UsageError("verify takes at least one package");
  const auto operators = OperatorRegistry::standard();
  int status = success;
  for (const std::string& file : parsed->operands) {
    try {
      const PackageImporter package(file);
      package.verify(operators);
      std::cout << file << ": " << package.modules().size() << " modules, " << package.file_structure().size()
                << " entries, all as saved\n";
    } catch (const Error& error) {
      std::cerr << "lazyfx: " << error.what() << '\n';
      status = bad_input;
    }
  }
  return status;
}

}  // namespace lazyfx::cli
