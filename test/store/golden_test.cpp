#define BOOST_TEST_MODULE store_golden
#include <boost/test/unit_test.hpp>

#include <sys/mman.h>

#include <optional>
#include <sstream>

#include "cli/command.hpp"
#include "golden.hpp"
#include "lazyfx/store/package_importer.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "seal.hpp"

using namespace lazyfx;

namespace {

const command::fs::path folder = command::fs::path(LAZYFX_TEST_STORE) / "golden";
const Reconstructors known = stored::with_scale();

struct Fixture {
  Fixture() {
    OperatorRegistry registry = OperatorRegistry::standard();
    Operator op = *registry.find("onnx::Identity");
    op.name = "my::op";
    op.effect = Effect::pure;
    registry.add(op);
    runtime.emplace(RuntimeOptions().operators(registry));
    tree = golden::tree(*runtime);
    branching = golden::branching(*runtime);
    tree_state = reduce(*tree, known).state;
    branching_state = reduce(*branching, known).state;
  }
  static bool has_subgraphs(const std::string& file) { return file.find("subgraphs") != std::string::npos; }
  const ReducedState& expected(const std::string& file) const { return has_subgraphs(file) ? branching_state : tree_state; }
  std::shared_ptr<Module> load(const std::string& bytes) const {
    return load_from_bytes(std::as_bytes(std::span(bytes)), *runtime, LoadOptions().reconstructors(known));
  }
  std::shared_ptr<Module> load_package(const std::string& bytes, const std::string& of_file) const {
    const int fd = ::memfd_create("package", MFD_CLOEXEC);
    BOOST_REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<::ssize_t>(bytes.size()));
    const std::string file = "/proc/self/fd/" + std::to_string(fd);
    const std::shared_ptr<const void> closing(nullptr, [fd](const void*) { ::close(fd); });
    return PackageImporter(file, PackageOptions().load(LoadOptions().reconstructors(known)))
        .load_module(has_subgraphs(of_file) ? "branching" : "tree", *runtime);
  }
  /// A typed error or an equal module, never anything else. Reducing is the first use of the weights. True: it was an error.
  template <class Load>
  bool error_or_equal(const std::string& file, Load load) const {
    try {
      const auto loaded = load();
      BOOST_REQUIRE((reduce(*loaded, known).state == expected(file)));
      return false;
    } catch (const StoreError&) { return true; } catch (const Error& e) {
      BOOST_REQUIRE((e.kind() == ErrorKind::invalid_model));
      return true;
    }
  }

  command::Folder scratch;
  mutable std::optional<Runtime> runtime;
  std::shared_ptr<Module> tree, branching;
  ReducedState tree_state, branching_state;
};

const std::vector<std::string> archives = {"archive-1.lfxa", "archive-2.lfxa", "archive-2-subgraphs.lfxa"},
                               packages = {"package-1.lfx", "package-2.lfx", "package-2-wide.lfx", "package-2-subgraphs.lfx"};

template <class Load>
StoreFault fault_of(Load load) {
  try {
    load();
  } catch (const StoreError& e) { return e.fault(); }
  BOOST_FAIL("nothing was thrown");
  return {};
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(files_of_every_version_load_to_the_same_modules, Fixture) {
  std::size_t count = 0;
  for (const auto& entry : command::fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with("archive-") && !file.starts_with("package-")) continue;
    const std::string bytes = command::read(entry.path());
    BOOST_TEST_INFO(file);
    const auto loaded = entry.path().extension() == ".lfx" ? load_package(bytes, file) : load(bytes);
    BOOST_TEST((reduce(*loaded, known).state == expected(file)));
    ++count;
  }
  BOOST_TEST(count == archives.size() + packages.size());
}

BOOST_FIXTURE_TEST_CASE(what_is_written_today_is_the_newest_version_byte_for_byte, Fixture) {
  BOOST_TEST((save_to_bytes(*tree, known) == command::read(folder / "archive-2.lfxa")));
  BOOST_TEST((save_to_bytes(*branching) == command::read(folder / "archive-2-subgraphs.lfxa")));
  golden::write_package(scratch / "now.lfx", *runtime);
  BOOST_TEST((command::read(scratch / "now.lfx") == command::read(folder / "package-2.lfx")));
  golden::write_subgraphs_package(scratch / "subgraphs.lfx", *runtime);
  BOOST_TEST((command::read(scratch / "subgraphs.lfx") == command::read(folder / "package-2-subgraphs.lfx")));
  for (const auto& [file, text] : golden::code()) BOOST_TEST(text == command::read(folder / file));
}

BOOST_AUTO_TEST_CASE(code_of_every_version_reads_and_prints_to_the_same_bytes) {
  std::size_t count = 0;
  for (const auto& entry : command::fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("code-")) continue;
    const std::string text = command::read(entry.path());
    BOOST_TEST_INFO(entry.path());
    const ParsedCode read = parse_code(text);
    BOOST_TEST(golden::code_of(*read.graph, *read.root, read.class_name) == text);
    ++count;
  }
  BOOST_TEST(count == golden::code().size() + 3);  // the others are of random graphs
}

BOOST_FIXTURE_TEST_CASE(a_package_holds_the_code_of_its_graphs_within_graphs, Fixture) {
  const std::string whole = command::read(folder / "package-2-subgraphs.lfx");
  BOOST_TEST((whole.find(command::read(folder / "code-1-subgraphs.fx")) != std::string::npos));
}

BOOST_FIXTURE_TEST_CASE(every_byte_of_an_archive_flipped_is_an_error, Fixture) {
  for (const std::string& file : archives) {
    const std::string whole = command::read(folder / file);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (const char flip : {'\x01', '\x80', '\xff'}) {
        std::string bytes = whole;
        bytes[i] ^= flip;
        BOOST_TEST_INFO(file << ", byte " << i);
        BOOST_REQUIRE(error_or_equal(file, [&] { return load(bytes); }));
      }
    }
  }
}

BOOST_FIXTURE_TEST_CASE(every_truncation_of_an_archive_is_told_as_one, Fixture) {
  for (const std::string& file : archives) {
    const std::string whole = command::read(folder / file);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      BOOST_REQUIRE((fault_of([&] { load(whole.substr(0, size)); }) == StoreFault::truncated));
    }
    BOOST_TEST((fault_of([&] { load(whole + '\0'); }) == StoreFault::extended));
  }
}

BOOST_FIXTURE_TEST_CASE(every_byte_of_a_package_flipped_is_an_error_or_means_nothing, Fixture) {
  for (const std::string& file : packages) {
    const std::string whole = command::read(folder / file);
    std::size_t errors = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string bytes = whole;
      bytes[i] ^= '\x41';
      BOOST_TEST_INFO(file << ", byte " << i);
      errors += error_or_equal(file, [&] { return load_package(bytes, file); });
    }
    BOOST_TEST(errors > whole.size() * 3 / 4);
  }
}

BOOST_FIXTURE_TEST_CASE(every_truncation_of_a_package_is_an_error, Fixture) {
  for (const std::string& file : packages) {
    const std::string whole = command::read(folder / file);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      BOOST_REQUIRE(error_or_equal(file, [&] { return load_package(whole.substr(0, size), file); }));
    }
    BOOST_TEST((fault_of([&] { load_package(whole + "x", file); }) == StoreFault::extended));
  }
}

BOOST_FIXTURE_TEST_CASE(fields_at_their_extremes_behind_right_digests_are_errors_or_modules, Fixture) {
  for (const std::string& file : archives) {
    const std::string whole = command::read(folder / file);
    for (std::size_t i = 16; i < whole.size(); ++i) {
      for (const char value : {'\x00', '\x01', '\x7f', '\x80', '\xff'}) {
        std::string bytes = whole;
        bytes[i] = value;
        try {
          load(seal::archive(bytes));
        } catch (const Error& e) { BOOST_REQUIRE(std::string(e.what()).size() > 10); }
      }
    }
  }
}

BOOST_FIXTURE_TEST_CASE(versions_and_sections_that_are_not_known_are_told_or_skipped, Fixture) {
  const std::string whole = command::read(folder / "archive-1.lfxa");
  std::string newer = whole;
  seal::put(newer, 8, 4, 2);
  BOOST_TEST((fault_of([&] { load(newer); }) == StoreFault::too_new));
  std::string older = whole;
  seal::put(older, 8, 4, 0);
  BOOST_TEST((fault_of([&] { load(older); }) == StoreFault::outdated));

  // A third row for an empty section makes room by what aligns the first: sections move by one row.
  const auto with_section = [&](std::uint64_t flags) {
    std::string bytes = whole.substr(0, 192) + std::string(64, '\0') + whole.substr(192);
    seal::put(bytes, 12, 4, 3);
    for (const std::size_t row : {64, 128}) seal::put(bytes, row + 16, 8, seal::number(bytes, row + 16, 8) + 64);
    bytes.resize((bytes.size() + 63) / 64 * 64);
    bytes.replace(192, 7, "kernels");
    seal::put(bytes, 200, 4, flags);
    seal::put(bytes, 208, 8, bytes.size());
    bytes += "code";
    seal::put(bytes, 216, 8, 4);
    seal::put(bytes, 16, 8, bytes.size());
    return seal::archive(bytes);
  };
  BOOST_TEST((reduce(*load(with_section(0)), known).state == tree_state));
  BOOST_TEST((fault_of([&] { load(with_section(1)); }) == StoreFault::too_new));
}

BOOST_FIXTURE_TEST_CASE(the_worked_example_of_the_format_page_is_what_is_written, Fixture) {
  const std::string page = command::read(command::fs::path(LAZYFX_TEST_STORE) / "../../docs/format.md");
  const auto begin = page.find("```\n") + 4;
  std::istringstream example(page.substr(begin, page.find("```", begin) - begin));
  std::string state;
  for (std::string line; std::getline(example, line);) {
    std::istringstream words(line.substr(0, line.find("  ")));
    for (std::string byte; words >> byte;) state += static_cast<char>(std::stoi(byte, nullptr, 16));
  }
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_function("onnx::Relu", {graph->placeholder("x", TensorType(DType::f32))}));
  const LazyGraphModule module(*runtime, graph, nullptr, LazyGraphModuleOptions().class_name("G"));
  BOOST_TEST(state.size() > 100u);
  BOOST_TEST((save_to_bytes(module).substr(192, state.size()) == state));
  BOOST_TEST(seal::number(save_to_bytes(module), 64 + 24, 8) == state.size());
}

BOOST_FIXTURE_TEST_CASE(limits_are_kept_before_memory_is_taken, Fixture) {
  for (const std::string& file : archives) {
    const std::string whole = command::read(folder / file);
    const auto load_within = [&](StoreLimits limits) {
      return fault_of(
          [&] { load_from_bytes(std::as_bytes(std::span(whole)), *runtime, LoadOptions().reconstructors(known).limits(limits)); });
    };
    BOOST_TEST((load_within(StoreLimits().memory(100)) == StoreFault::too_large));
    BOOST_TEST((load_within(StoreLimits().node_ids(3)) == StoreFault::too_large));
  }
}
