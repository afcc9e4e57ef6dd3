#define BOOST_TEST_MODULE store_package
#include <boost/test/unit_test.hpp>

#include <bit>

#include "cli/command.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "lazyfx/store/package_importer.hpp"
#include "lazyfx/store/reduce_package.hpp"
#include "modules.hpp"

using namespace lazyfx;
using command::Folder;

namespace {

Value ones() { return Tensor::from<float>({1, 1, 1, 1}, Shape{4}); }

std::string pack(const Folder& folder, const Module& module) {
  const auto file = (folder / "model.lfx").string();
  PackageExporter out(file);
  out.save_module("model", module);
  out.save_text("notes", "read/me.txt", "hello");
  out.close();
  return file;
}

auto fails_with(StoreFault fault, std::string part) {
  return [fault, part = std::move(part)](const StoreError& e) {
    BOOST_TEST(to_string(e.fault()) == to_string(fault), e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_module_comes_back_from_a_package_lazy_and_dirty) {
  const Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const PackageImporter in(pack(folder, *module));
  const auto before = runtime.stats().compiles_started;
  const auto loaded = in.load_graph_module("model", runtime);
  BOOST_TEST(loaded->is_lazy());
  BOOST_TEST(loaded->needs_recompile());
  BOOST_TEST(runtime.stats().compiles_started == before);
  BOOST_TEST((reduce(*loaded).state == reduce(*module).state));
  const Value x = ones();
  BOOST_TEST((loaded->call(std::span(&x, 1)) == module->call(std::span(&x, 1))));
  BOOST_TEST(in.load_text("notes", "read/me.txt") == "hello");
  BOOST_TEST(in.load_code("model") == module->print_readable().substr(0, in.load_code("model").size()));
  in.verify(OperatorRegistry::standard());
}

BOOST_AUTO_TEST_CASE(tensors_are_mapped_aligned_and_there_once) {
  const Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const PackageImporter in(pack(folder, *module));
  BOOST_TEST(in.file_structure("tensors/*").size() == 2);
  const auto a = in.load_module("model", runtime), b = in.load_module("model", runtime);
  const Tensor weight = a->find_tensor("layers.0.weight")->tensor;
  BOOST_TEST(weight.is_same(b->find_tensor("child.bias")->tensor));
  BOOST_TEST(std::bit_cast<std::uintptr_t>(weight.raw()) % 64 == 0);
  const auto files = in.file_structure("tensors/*");
  BOOST_TEST((weight.raw() == in.entry(files[0].first).data() || weight.raw() == in.entry(files[1].first).data()));
}

BOOST_AUTO_TEST_CASE(what_was_loaded_outlives_its_importer) {
  const Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const auto loaded = [&] { return PackageImporter(pack(folder, *module)).load_module("model", runtime); }();
  const Value x = ones();
  BOOST_TEST((loaded->call(std::span(&x, 1)) == module->call(std::span(&x, 1))));
}

BOOST_AUTO_TEST_CASE(schedule_on_load_compiles_without_a_call) {
  const Folder folder;
  Runtime runtime;
  const PackageImporter in(pack(folder, *stored::nested(runtime)), PackageOptions().load(LoadOptions().schedule_on_load(true)));
  const auto loaded = in.load_graph_module("model", runtime);
  LazyGraphModule::force_recompile(*loaded);  // joins what was scheduled
  BOOST_TEST(runtime.stats().compiles_started >= 1u);
  BOOST_TEST(!loaded->needs_recompile());
}

BOOST_AUTO_TEST_CASE(a_loaded_module_can_be_saved_again_and_gives_equal_bytes) {
  const Folder folder;
  Runtime runtime;
  const auto first = pack(folder, *stored::nested(runtime));
  const std::string bytes = command::read(first);
  const auto loaded = PackageImporter(first).load_module("model", runtime);
  BOOST_TEST((command::read(pack(folder, *loaded)) == bytes));
}

BOOST_AUTO_TEST_CASE(extern_modules_come_from_the_host_and_mocked_ones_cannot_be_called) {
  const Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const auto file = (folder / "m.lfx").string();
  PackageExporter out(file);
  std::vector<std::string> heard;
  out.on_extern([&](const std::string& name) { heard.push_back(name); });
  out.extern_("model.child");
  out.mock("model.unus*");
  out.save_module("model", *module);
  out.close();
  BOOST_TEST((std::find(heard.begin(), heard.end(), "model.child") != heard.end()));
  BOOST_CHECK_EXCEPTION(PackageImporter(file).load_module("model", runtime), StoreError,
                        fails_with(StoreFault::incompatible, "model.child"));
  const auto child = module->find_submodule("again");
  const PackageImporter in(file, PackageOptions().extern_module("model.child", child));
  BOOST_TEST((in.extern_modules() == std::vector<std::string>{"model.child"}));
  const auto loaded = in.load_module("model", runtime);
  BOOST_TEST(loaded->find_submodule("child") == child);
  BOOST_CHECK_EXCEPTION(loaded->find_submodule("unused")->call({}), Error,
                        [](const Error& e) { return std::string(e.what()).find("model.unused was mocked") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(all_problems_are_told_at_once_and_nothing_is_written) {
  const Folder folder;
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_function("my::op", {graph->placeholder("x")}));
  const LazyGraphModule own(runtime, graph);
  Container odd;
  odd.set_submodule("scale", std::make_shared<stored::Scale>(1));
  const auto file = folder / "m.lfx";
  PackageExporter out(file);
  out.deny("model.child");
  out.extern_("nothing.*", false);
  out.save_module("model", *stored::nested(runtime));
  out.save_module("own", own);
  out.save_module("odd", odd);
  BOOST_CHECK_EXCEPTION(out.close(), PackagingError, [](const PackagingError& e) {
    const std::string text = e.what();
    for (const char* part :
         {"model.child, needed by model, is denied", "my::op, needed by own,", "odd.scale", "extern(nothing.*) matched nothing"}) {
      BOOST_TEST(text.find(part) != std::string::npos, text << " lacks " << part);
    }
    return e.report().dot().find("\"own\" -> \"my::op\"") != std::string::npos;
  });
  BOOST_TEST(!command::fs::exists(file));
}

BOOST_AUTO_TEST_CASE(operators_that_are_not_here_are_named) {
  const Folder folder;
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->call_function("my::op", {graph->placeholder("x")}));
  const LazyGraphModule own(runtime, graph);
  const auto file = (folder / "m.lfx").string();
  PackageExporter out(file);
  out.extern_("my::*");
  out.save_module("own", own);
  out.close();
  const PackageImporter in(file);
  BOOST_TEST((in.operators() == std::vector<std::string>{"my::op"}));
  BOOST_CHECK_EXCEPTION(in.load_module("own", runtime), StoreError, fails_with(StoreFault::incompatible, "my::op (not found)"));
  BOOST_CHECK_EXCEPTION(in.verify(OperatorRegistry::standard()), StoreError, fails_with(StoreFault::incompatible, "my::op"));
}

BOOST_AUTO_TEST_CASE(names_that_lead_out_of_a_folder_or_occur_twice_are_refused) {
  const Folder folder;
  PackageExporter out(folder / "m.lfx");
  for (const char* name : {"../x", "a/../b", "/x", "", "a//b", "a\\b", "c:x"}) BOOST_CHECK_THROW(out.save_text("p", name, ""), Error);
  out.save_text("p", "x", "");
  BOOST_CHECK_THROW(out.save_text("p", "x", ""), Error);
}

BOOST_AUTO_TEST_CASE(a_weight_that_was_damaged_is_found_at_its_first_use_and_by_verify) {
  const Folder folder;
  Runtime runtime;
  const auto file = pack(folder, *stored::nested(runtime));
  std::string bytes = command::read(file);
  const float weight[] = {1, 2, 3, 4};
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(weight), sizeof weight));
  BOOST_REQUIRE(at != std::string::npos);
  bytes[at + 1] ^= 4;
  const PackageImporter in(folder.write("damaged.lfx", bytes));
  const auto loaded = in.load_module("model", runtime);
  const Value x = ones();
  BOOST_CHECK_THROW(loaded->call(std::span(&x, 1)), Error);
  BOOST_CHECK_EXCEPTION(in.verify(OperatorRegistry::standard()), StoreError, fails_with(StoreFault::corrupted, "is damaged"));
}

BOOST_AUTO_TEST_CASE(a_module_reduced_into_a_package_comes_back_by_the_reference) {
  const Folder folder;
  Runtime runtime;
  const auto first = stored::nested(runtime);
  LazyGraphModule second(runtime, stored::every_kind());
  PackageExporter out(folder / "m.lfx");
  out.extern_("my::op");
  const PackageReduced a = reduce_package(*first, out), b = reduce_package(second, out);
  BOOST_TEST(a.module != b.module);
  out.close();
  BOOST_TEST(first->needs_recompile());
  OperatorRegistry registry = OperatorRegistry::standard();
  Operator op = *registry.find("onnx::Identity");
  op.name = "my::op";
  registry.add(op);
  Runtime host(RuntimeOptions().operators(registry));
  const PackageImporter in(folder / "m.lfx");
  BOOST_TEST((reduce(*reduce_package_graph_module(in, a, host)).state == reduce(*first).state));
  BOOST_TEST((reduce(*reduce_package_graph_module(in, b, host)).state == reduce(second).state));
  BOOST_CHECK_EXCEPTION(reduce_package_graph_module(in, {"lazyfx.reduce_graph_module", a.module}, host), StoreError,
                        fails_with(StoreFault::incompatible, "is not lazyfx.reduce_package_graph_module"));
  BOOST_CHECK_THROW(reduce_package(*first, out), Error);
}

BOOST_AUTO_TEST_CASE(an_unpacked_package_is_read_and_its_damage_told) {
  const Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  PackageExporter out(folder / "m.lfx");
  out.save_module("model", *module);
  out.save_text("notes", "empty", "");
  out.save_text("notes", "large", std::string(200000, 'x'));
  out.close();
  const PackageImporter whole(folder / "m.lfx");
  for (const auto& [name, size] : whole.file_structure()) {
    const auto bytes = whole.entry(name);
    folder.write("unpacked/" + name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  const auto path = folder / "unpacked";
  std::shared_ptr<Module> loaded;
  {
    const PackageImporter in(path);
    in.verify(OperatorRegistry::standard());
    BOOST_TEST((in.file_structure() == whole.file_structure()));
    BOOST_TEST(in.load_text("notes", "empty") == "");
    BOOST_TEST(in.load_text("notes", "large").size() == 200000u);
    loaded = in.load_module("model", runtime);
  }
  BOOST_TEST((reduce(*loaded).state == reduce(*module).state));
  const Value x = ones();
  BOOST_TEST((loaded->call({&x, 1}) == module->call({&x, 1})));

  folder.write("unpacked/resources/notes/large", std::string(200000, 'y'));
  BOOST_CHECK_EXCEPTION(PackageImporter(path).load_text("notes", "large"), StoreError,
                        fails_with(StoreFault::corrupted, "large is damaged"));
  folder.write("unpacked/stranger", "");
  BOOST_CHECK_EXCEPTION(PackageImporter{path}, StoreError, fails_with(StoreFault::corrupted, "stranger is not in the manifest"));
  command::fs::remove(path / "stranger");
  command::fs::create_symlink("/etc/hostname", path / "link");
  BOOST_CHECK_EXCEPTION(PackageImporter{path}, StoreError, fails_with(StoreFault::unsupported, "link is not a regular file"));
  command::fs::remove(path / "link");
  command::fs::remove(path / "resources/notes/empty");
  BOOST_CHECK_EXCEPTION(PackageImporter{path}, StoreError, fails_with(StoreFault::corrupted, "resources/notes/empty is missing"));
  command::fs::remove(path / "manifest.json");
  BOOST_CHECK_EXCEPTION(PackageImporter{path}, StoreError, fails_with(StoreFault::corrupted, "it has no manifest"));
  BOOST_CHECK_EXCEPTION(PackageImporter(path, PackageOptions().load(LoadOptions().limits(StoreLimits().entries(2)))), StoreError,
                        fails_with(StoreFault::too_large, "limit of entries"));
}

BOOST_AUTO_TEST_CASE(what_is_not_known_of_a_manifest_is_left_out_and_what_is_of_another_type_is_refused) {
  const Folder folder;
  const auto read = [&](const std::string& rest) {
    folder.write("p/manifest.json", "{\"format\": \"lazyfx package\", \"version\": 1" + rest + "}");
    return PackageImporter(folder / "p").operators();
  };
  const std::string lists = ", \"modules\": [], \"extern_modules\": [], \"mocked_modules\": []";
  const std::string row = "{\"more\": {\"name\": [1.5, {}]}, \"name\": \"my::op\", \"effect\": null, \"mocked\": false, \"and\": -1}";
  const std::string more = ", \"more\": [{\"name\": 1, \"entries\": [[]]}, null], \"and\": \"more\"";
  BOOST_TEST((read(lists + more + ", \"entries\": [], \"operators\": [" + row + "]" + more) == std::vector<std::string>{"my::op"}));
  const auto refused = [&](const std::string& rest) {
    BOOST_CHECK_EXCEPTION(read(rest), StoreError, fails_with(StoreFault::corrupted, "the manifest"));
  };
  refused(lists + ", \"entries\": []");
  refused(lists + ", \"entries\": {}, \"operators\": []");
  refused(lists + ", \"entries\": 1, \"operators\": []");
  refused(lists + ", \"entries\": [[]], \"operators\": []");
  refused(lists + ", \"entries\": [\"a\"], \"operators\": []");
  refused(lists + ", \"entries\": [{\"name\": \"a\", \"size\": -1, \"sha256\": \"\"}], \"operators\": []");
  refused(lists + ", \"entries\": [], \"operators\": [{\"name\": \"my::op\", \"mocked\": false}]");
  refused(lists + ", \"entries\": [], \"operators\": [{\"name\": [], \"effect\": null, \"mocked\": false}]");
  refused(", \"modules\": [1], \"extern_modules\": [], \"mocked_modules\": [], \"entries\": [], \"operators\": []");
  refused(", \"modules\": [[\"a\"]], \"extern_modules\": [], \"mocked_modules\": [], \"entries\": [], \"operators\": []");
  refused(lists + ", \"entries\": [], \"operators\": []" + ", \"more\": tru");
  refused(", \"version\": \"1\"" + lists + ", \"entries\": [], \"operators\": []");
}

BOOST_AUTO_TEST_CASE(globs_match_by_levels) {
  BOOST_TEST(Glob("a.*").matches("a.b"));
  BOOST_TEST(!Glob("a.*").matches("a.b.c"));
  BOOST_TEST(Glob("a.**").matches("a.b.c"));
  BOOST_TEST(Glob("**").matches("my::op"));
  BOOST_TEST(Glob("my::*").matches("my::op"));
  BOOST_TEST(Glob("**.w*t").matches("x.y.weight"));
  BOOST_TEST(!Glob({"a.**"}, {"a.b"}).matches("a.b"));
}
