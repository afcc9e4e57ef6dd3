#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "cli/options.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/store/package_importer.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;

// Names were found to stay inside the folder when the package was opened.
void write_entry(const std::filesystem::path& target, std::span<const std::byte> bytes) {
  std::error_code failed;
  std::filesystem::create_directories(target.parent_path(), failed);
  std::ofstream out(target, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error(ErrorKind::invalid_argument, target.string() + ": it cannot be written");
}

}  // namespace

int unpack_command(const std::vector<std::string>& arguments) {
  const po::options_description options("options");
  const auto parsed = parse(arguments, options, "unpack PACKAGE.lfx DIR");
  if (!parsed) return success;
  if (parsed->operands.size() != 2)
    throw UsageError("unpack takes a package and a folder, not " + std::to_string(parsed->operands.size()) + " operands");
  const PackageImporter package(parsed->operands[0]);
  const std::filesystem::path folder = parsed->operands[1];
  const auto entries = package.file_structure();
  for (const auto& [name, size] : entries) write_entry(folder / name, package.entry(name));
  std::cout << entries.size() << " entries -> " << folder.string() << '\n';
  return success;
}

}  // namespace lazyfx::cli
