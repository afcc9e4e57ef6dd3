#define BOOST_TEST_MODULE cli_package
#include <boost/test/unit_test.hpp>

#include "command.hpp"
#include "fuzz/onnx_seeds.hpp"
#include "interop/onnx_writer.hpp"

using command::check_refused;
using command::contains;
using command::lazyfx;
namespace w = onnx_writer;

BOOST_AUTO_TEST_CASE(a_packed_model_runs_shows_and_verifies_as_its_source_does) {
  const command::Folder folder;
  const auto model = folder.write("m.onnx", w::model(w::dense()));
  const auto package = (folder / "m.lfx").string();
  const auto packed = lazyfx({"pack", model, package});
  BOOST_TEST(packed.status == 0, packed.err);
  const auto from_source = lazyfx({"run", model, "--shape", "x=3x2"}), from_package = lazyfx({"run", package, "--shape", "x=3x2"});
  BOOST_TEST(from_package.status == 0, from_package.err);
  BOOST_TEST(from_package.out == from_source.out);
  BOOST_TEST(lazyfx({"show", package, "--code"}).out == lazyfx({"show", model, "--code"}).out);
  const auto summary = lazyfx({"show", package});
  BOOST_TEST(contains(summary.out, "opset 13"), summary.out);
  BOOST_TEST(contains(summary.out, "entry  modules/model/graph"), summary.out);
  const auto verified = lazyfx({"verify", package});
  BOOST_TEST(verified.status == 0, verified.err);
  BOOST_TEST(contains(verified.out, "all as saved"));
  BOOST_TEST(lazyfx({"bench", package, "--seconds", "0", "--shape", "x=3x2"}).status == 0);
}

BOOST_AUTO_TEST_CASE(a_packed_loop_runs_as_its_source_does) {
  const command::Folder folder;
  const auto model = folder.write("m.onnx", onnx_seeds::control_flow()), package = (folder / "m.lfx").string();
  const auto packed = lazyfx({"pack", model, package});
  BOOST_TEST(packed.status == 0, packed.err);
  const auto from_source = lazyfx({"run", model}), from_package = lazyfx({"run", package});
  BOOST_TEST(from_package.status == 0, from_package.err);
  BOOST_TEST(contains(from_source.out, "output all: f32[3x2]"), from_source.out);
  BOOST_TEST(from_package.out == from_source.out);
  BOOST_TEST(lazyfx({"verify", package}).status == 0);
}

BOOST_AUTO_TEST_CASE(unpack_writes_every_entry) {
  const command::Folder folder;
  const auto package = (folder / "m.lfx").string();
  BOOST_REQUIRE(lazyfx({"pack", folder.write("m.onnx", w::model(w::dense())), package}).status == 0);
  BOOST_TEST(lazyfx({"unpack", package, (folder / "out").string()}).status == 0);
  for (const char* entry : {"manifest.json", "modules/model/graph", "modules/model/code.fx"})
    BOOST_TEST(command::fs::exists(folder / "out" / entry));
  BOOST_TEST(contains(command::read(folder / "out" / "modules/model/code.fx"), "onnx::Gemm"));
  const auto from_folder = lazyfx({"run", (folder / "out").string(), "--shape", "x=3x2"});
  BOOST_TEST(from_folder.status == 0, from_folder.err);
  BOOST_TEST(from_folder.out == lazyfx({"run", package, "--shape", "x=3x2"}).out);
  BOOST_TEST(lazyfx({"verify", (folder / "out").string()}).status == 0);
}

BOOST_AUTO_TEST_CASE(a_damaged_package_is_one_sentence_with_its_file) {
  const command::Folder folder;
  const auto package = (folder / "m.lfx").string();
  BOOST_REQUIRE(lazyfx({"pack", folder.write("m.onnx", w::model(w::dense())), package}).status == 0);
  const std::string bytes = command::read(package);
  const auto truncated = folder.write("truncated.lfx", bytes.substr(0, bytes.size() / 2));
  const auto extended = folder.write("extended.lfx", bytes + "x");
  for (const auto& file : {truncated, extended, (folder / "absent.lfx").string()}) {
    for (const char* verb : {"run", "show", "verify"}) check_refused({verb, file}, 1, {file + ": "});
  }
}

BOOST_AUTO_TEST_CASE(wrong_usage_of_packages_is_told) {
  check_refused({"pack", "a.onnx"}, 2, {"OUT.lfx"});
  check_refused({"pack", "a.onnx", "b.zip"}, 2, {".lfx"});
  check_refused({"unpack", "a.lfx"}, 2, {"folder"});
  check_refused({"verify"}, 2, {"at least one package"});
}
