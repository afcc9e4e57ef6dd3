#define BOOST_TEST_MODULE interop_onnx_file
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "importing.hpp"

using namespace lazyfx;
using namespace importing;
namespace fs = std::filesystem;
namespace w = onnx_writer;

namespace {

/// A folder of its own that goes away with the test.
struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "lazyfx-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path write(const fs::path& name, const std::string& contents) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << contents;
    return path / name;
  }
  fs::path path;
};

void check_file_refused(const fs::path& file, std::string_view part) {
  try {
    onnx::import_model(file, operators());
    BOOST_ERROR("the file was imported");
  } catch (const Error& error) {
    const std::string message = error.what();
    BOOST_TEST((error.kind() == ErrorKind::invalid_model));
    BOOST_TEST(message.starts_with(file.string() + ": "), message);
    BOOST_TEST(contains(message, part), message);
  }
}

w::Message external(std::initializer_list<std::pair<const char*, std::string>> entries) {
  w::Message out;
  for (const auto& [key, value] : entries) out += w::bytes(13, w::bytes(1, key) + w::bytes(2, value));
  return out + w::number(14, 1);
}

w::Message model_with(const w::Message& elements) {
  const w::Graph graph = {.nodes = {w::node("Add", {"x", "w"}, {"y"})},
                          .initializers = {w::tensor("w", w::f32, {2}, elements)},
                          .inputs = {w::value("x", w::f32, {2})},
                          .outputs = {w::value("y", w::f32, {2})},
                          .extra = {}};
  return w::model(graph);
}

const auto two_floats = w::raw_of<float>({10, 20});

/// Root may read everything: while this lives, somebody else looks.
class SomebodyElse {
 public:
  SomebodyElse() {
    if (was_ == 0) BOOST_REQUIRE(::seteuid(nobody) == 0);
  }
  ~SomebodyElse() { BOOST_TEST(::seteuid(was_) == 0); }
  SomebodyElse(const SomebodyElse&) = delete;
  SomebodyElse& operator=(const SomebodyElse&) = delete;

 private:
  static constexpr ::uid_t nobody = 65534;
  const ::uid_t was_ = ::geteuid();
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_file_is_imported_under_either_mapping) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  for (const auto mapping : {onnx::Mapping::share, onnx::Mapping::copy}) {
    const auto model = onnx::import_model(file, operators(), onnx::ImportOptions().mapping(mapping));
    fs::rename(file, folder.path / "moved");
    BOOST_TEST(equal(run(model, {Tensor::from<float>({1, 2}, {1, 2})}).as_tensor(), Tensor::from<float>({5.5F, 0, 18}, {1, 3})));
    fs::rename(folder.path / "moved", file);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_readable_file_is_told_so) {
  const Folder folder;
  check_file_refused(folder.path, "it is a directory");
  check_file_refused(folder.path / "absent.onnx", "it cannot be opened: No such file or directory");
  check_file_refused(folder.write("empty.onnx", ""), "it is empty");
  check_file_refused(folder.write("ten.onnx", "0123456789"), "no ONNX model");
  const auto pipe = folder.path / "pipe";
  BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  check_file_refused(pipe, "not a regular file");
  check_file_refused("/dev/zero", "not a regular file");
}

BOOST_AUTO_TEST_CASE(a_file_that_may_not_be_read_is_told_so) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  fs::permissions(file, fs::perms::none);
  fs::permissions(folder.path, fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
  const SomebodyElse not_root;
  check_file_refused(file, "Permission denied");
}

BOOST_AUTO_TEST_CASE(external_data_is_read_from_beside_the_model) {
  const Folder folder;
  folder.write("data/weights.bin", "...." + two_floats);
  const auto file = folder.write("m.onnx", model_with(external({{"location", "data/weights.bin"}, {"offset", "4"}, {"length", "8"}})));
  const auto model = onnx::import_model(file, operators());
  BOOST_TEST(equal(run(model, {Tensor::from<float>({1, 2}, {2})}).as_tensor(), Tensor::from<float>({11, 22}, {2})));
}

BOOST_AUTO_TEST_CASE(large_external_data_stays_mapped) {
  const Folder folder;
  const std::vector<float> values(2048, 3);
  folder.write("weights.bin", w::raw_of(values));
  const w::Graph graph = {.nodes = {w::node("Identity", {"w"}, {"y"})},
                          .initializers = {w::tensor("w", w::f32, {2048}, external({{"location", "weights.bin"}}))},
                          .inputs = {},
                          .outputs = {w::value("y", w::f32, {2048})},
                          .extra = {}};
  const auto model = onnx::import_model(folder.write("m.onnx", w::model(graph)), operators());
  const Tensor weight = model.root->find_tensor("w")->tensor;
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(weight.raw()) % 4096 == 0U);
  BOOST_TEST(equal(weight, Tensor::from<float>(values, {2048})));
}

BOOST_AUTO_TEST_CASE(external_data_outside_the_folder_is_not_opened) {
  const Folder folder, elsewhere;
  elsewhere.write("secret.bin", two_floats);
  const auto location = [&](const std::string& text) { return folder.write("m.onnx", model_with(external({{"location", text}}))); };
  const auto outside = "is not inside the model's folder";
  check_file_refused(location("../" + elsewhere.path.filename().string() + "/secret.bin"), outside);
  check_file_refused(location("a/../../" + elsewhere.path.filename().string() + "/secret.bin"), outside);
  check_file_refused(location((elsewhere.path / "secret.bin").string()), outside);
  fs::create_symlink(elsewhere.path / "secret.bin", folder.path / "link.bin");
  check_file_refused(location("link.bin"), outside);
  fs::create_directory_symlink(elsewhere.path, folder.path / "inner");
  check_file_refused(location("inner/secret.bin"), outside);
}

BOOST_AUTO_TEST_CASE(external_data_must_lie_within_its_file) {
  const Folder folder;
  folder.write("w.bin", two_floats);
  const auto refuse = [&](std::initializer_list<std::pair<const char*, std::string>> entries, std::string_view part) {
    check_file_refused(folder.write("m.onnx", model_with(external(entries))), part);
  };
  refuse({{"location", "w.bin"}, {"offset", "4"}}, "which has 8");
  refuse({{"location", "w.bin"}, {"offset", "18446744073709551615"}, {"length", "8"}}, "which has 8");
  refuse({{"location", "w.bin"}, {"length", "4"}}, "takes 8 bytes, but it has 4");
  refuse({{"location", "w.bin"}, {"offset", "-1"}}, "is not a number");
  refuse({{"location", "absent.bin"}}, "cannot be opened");
  refuse({{"location", "."}}, "it is a directory");
  refuse({}, "has no location");
}

BOOST_AUTO_TEST_CASE(a_model_in_memory_has_no_folder_unless_told) {
  const Folder folder;
  folder.write("w.bin", two_floats);
  const auto bytes = model_with(external({{"location", "w.bin"}}));
  check_refused(bytes, ErrorKind::invalid_model, {"initializer 'w'", "a model in memory has no folder"});
  const auto model = import_bytes(bytes, onnx::ImportOptions().data_folder(folder.path));
  BOOST_TEST(equal(model.root->find_tensor("w")->tensor, Tensor::from<float>({10, 20}, {2})));
}
