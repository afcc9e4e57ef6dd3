// Saving, loading and copying, with each allocation failing in turn.
#define BOOST_TEST_MODULE store_fault_points
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>

#include "cli/command.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/store/archive.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "lazyfx/store/reduce.hpp"
#include "lazyfx/store/reduce_package.hpp"
#include "support/fault_points.hpp"

using namespace support;

namespace {

void save_package(const std::filesystem::path& file, const LazyGraphModule& module) {
  PackageExporter exporter(file);
  exporter.extern_(Glob("onnx::**"));
  exporter.intern(Glob("**"));
  exporter.save_module("a_module_of_a_package_with_a_long_name", module);
  exporter.save_text("notes", "about_this_package_and_what_is_in_it.txt", "a text that is longer than a short string");
  static_cast<void>(reduce_package(module, exporter));
  exporter.close();
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_archive_in_memory_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    const std::string bytes = save_to_bytes(*w.module);
    static_cast<void>(load_from_bytes(std::as_bytes(std::span(bytes)), *w.runtime));
  });
}

BOOST_AUTO_TEST_CASE(an_archive_on_disk_survives_it) {
  const command::Folder folder;
  const auto file = folder / "an_archive_with_a_name_of_some_length.lfx";
  save_to_file(file, *World().module);  // what was there before is looked at
  every_allocation_fails_once(clean, [&](World& w) {
    save_to_file(file, *w.module);
    static_cast<void>(load_from_file(file, *w.runtime, LoadOptions().schedule_on_load(true)));
  });
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder / ""), std::filesystem::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_CASE(the_forms_to_look_at_survive_it) {
  every_allocation_fails_once(clean, [](World& w) {
    std::ostringstream out;
    write_text(out, *w.module);
    write_xml(out, *w.module);
  });
}

BOOST_AUTO_TEST_CASE(reducing_and_deep_copying_survive_it) {
  every_allocation_fails_once(clean, [](World& w) {
    static_cast<void>(rebuild(reduce(*w.module), *w.runtime));
    static_cast<void>(deep_copy(*w.module, *w.runtime));
  });
}

BOOST_AUTO_TEST_CASE(writing_a_package_survives_it) {
  const command::Folder folder;
  every_allocation_fails_once(clean, [&](World& w) { save_package(folder / "package.lfx", *w.module); });
}

BOOST_AUTO_TEST_CASE(reading_a_package_survives_it) {
  const command::Folder folder;
  const auto file = folder / "package.lfx";
  save_package(file, *World().module);
  every_allocation_fails_once(nothing, [&](World& w) {
    const PackageImporter importer(file);
    static_cast<void>(importer.load_graph_module("a_module_of_a_package_with_a_long_name", *w.runtime));
    static_cast<void>(importer.load_text("notes", "about_this_package_and_what_is_in_it.txt"));
    static_cast<void>(importer.load_code("a_module_of_a_package_with_a_long_name"));
    static_cast<void>(importer.file_structure());
    importer.verify(operators);
  });
}

BOOST_AUTO_TEST_CASE(reading_an_unpacked_package_survives_it) {
  const command::Folder folder;
  const auto file = folder / "package.lfx", unpacked = folder / "unpacked";
  save_package(file, *World().module);
  const PackageImporter importer(file);
  for (const auto& [name, size] : importer.file_structure()) {
    std::filesystem::create_directories((unpacked / name).parent_path());
    const auto bytes = importer.entry(name);
    std::ofstream(unpacked / name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  }
  every_allocation_fails_once(nothing, [&](World& w) {
    static_cast<void>(PackageImporter(unpacked).load_graph_module("a_module_of_a_package_with_a_long_name", *w.runtime));
  });
}

BOOST_AUTO_TEST_CASE(reading_code_survives_it) {
  const std::string code = World().module->code();
  every_allocation_fails_once(nothing, [&](World&) { static_cast<void>(parse_code(code)); });
}
