#define BOOST_TEST_MODULE cli_run
#include <boost/test/unit_test.hpp>

#include "command.hpp"
#include "interop/onnx_writer.hpp"

using command::check_refused;
using command::contains;
using command::Folder;
using command::lazyfx;
namespace w = onnx_writer;

namespace {

/// A NumPy file: its header text, then the elements.
template <class T>
std::string npy(const std::string& descr, const std::string& shape, const std::vector<T>& values, bool fortran = false) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + w::raw_of(values);
}

std::string identity(w::Type type, const std::vector<w::Dim>& dims) {
  return w::model({.nodes = {w::node("Identity", {"x"}, {"out/put"})},
                   .initializers = {},
                   .inputs = {w::value("x", type, dims)},
                   .outputs = {w::value("out/put", type, dims)},
                   .extra = {}});
}

/// What `run` makes of a .npy input under a model that changes nothing.
std::string through_identity(const Folder& folder, w::Type type, const std::vector<w::Dim>& dims, const std::string& input) {
  const auto file = folder.write("identity.onnx", identity(type, dims));
  const auto given = folder.write("x.npy", input);
  const auto ended = lazyfx({"run", file, "--input", "x=" + given, "--out", (folder / "out").string()});
  BOOST_TEST(ended.status == 0, ended.err);
  return command::read(folder / "out/out_put.npy");
}

}  // namespace

BOOST_AUTO_TEST_CASE(run_reads_and_writes_numpy_files) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto input = folder.write("x.npy", npy<float>("<f4", "(2, 2)", {1, 2, -1, 3}));
  const auto ended = lazyfx({"run", file, "--input", "x=" + input, "--out", (folder / "out").string()});
  BOOST_TEST(ended.status == 0, ended.err);
  BOOST_TEST(contains(ended.out, "output y: f32[2x3]"), ended.out);
  const auto written = command::read(folder / "out/y.npy");
  BOOST_TEST(written.starts_with(std::string("\x93NUMPY\x01\x00", 8)));
  BOOST_TEST(contains(written, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
  BOOST_TEST(written.size() % 64 == 24U);  // the elements begin at a multiple of 64
  BOOST_TEST(written.ends_with(w::raw_of<float>({5.5F, 0, 18, 5.5F, 0, 14})));
}

BOOST_AUTO_TEST_CASE(run_reads_tensor_protos) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto input = folder.write("x.pb", w::floats("x", {1, 2}, {1, 2}));
  const auto ended = lazyfx({"run", file, "--input", "x=" + input});
  BOOST_TEST(ended.status == 0, ended.err);
  BOOST_TEST(contains(ended.out, "output y: f32[1x3] {5.5, 0, 18}"), ended.out);
}

BOOST_AUTO_TEST_CASE(inputs_not_given_are_filled_the_same_every_time) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto first = lazyfx({"run", file}), second = lazyfx({"run", file});
  BOOST_TEST(first.status == 0, first.err);
  BOOST_TEST(first.out == second.out);
  BOOST_TEST(contains(first.out, "input x: f32[1x2], filled with a pattern"), first.out);
  BOOST_TEST(contains(lazyfx({"run", file, "--shape", "x=5x2"}).out, "output y: f32[5x3]"));
}

BOOST_AUTO_TEST_CASE(numpy_files_of_every_type_come_back_as_they_were) {
  const Folder folder;
  const auto check = [&](w::Type type, const std::string& input) { BOOST_TEST(through_identity(folder, type, {2}, input) == input); };
  check(w::f32, npy<float>("<f4", "(2,)", {1.5F, -2}));
  check(w::f64, npy<double>("<f8", "(2,)", {1.5, -2}));
  check(w::i64, npy<std::int64_t>("<i8", "(2,)", {INT64_MIN, 7}));
  check(w::i32, npy<std::int32_t>("<i4", "(2,)", {-1, 7}));
  check(w::u8, npy<std::uint8_t>("|u1", "(2,)", {0, 255}));
  check(w::f16, npy<std::uint16_t>("<f2", "(2,)", {0x3c00, 0x4000}));
  check(w::boolean, npy<std::uint8_t>("|b1", "(2,)", {1, 0}));
  check(w::string, npy<std::uint32_t>("<U2", "(2,)", {0x4e2d, 'a', 'b', 0}));
  BOOST_TEST(through_identity(folder, w::f32, {}, npy<float>("<f4", "()", {3})) == npy<float>("<f4", "()", {3}));
}

BOOST_AUTO_TEST_CASE(fortran_order_is_understood) {
  const Folder folder;
  const auto written = through_identity(folder, w::f32, {2, 3}, npy<float>("<f4", "(2, 3)", {1, 4, 2, 5, 3, 6}, true));
  BOOST_TEST(written == npy<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6}));
}

BOOST_AUTO_TEST_CASE(inputs_that_do_not_fit_are_refused_with_the_file) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto wide = folder.write("wide.npy", npy<float>("<f4", "(1, 3)", {1, 2, 3}));
  const auto integers = folder.write("integers.npy", npy<std::int32_t>("<i4", "(1, 2)", {1, 2}));
  check_refused({"run", file, "--input", "x=" + wide}, 1, {file, "input 'x' takes f32[N, 2], not f32[1x3]"});
  check_refused({"run", file, "--input", "x=" + integers}, 1, {"not i32[1x2]"});
  check_refused({"run", file, "--input", "z=" + wide}, 1, {"no input 'z'", "it has x"});
  check_refused({"run", file, "--shape", "x=1x3"}, 1, {"takes f32[N, 2]"});
  check_refused({"run", file, "--input", "x=" + (folder / "absent.npy").string()}, 1, {"absent.npy"});
  check_refused({"run", file, "--input", "x=" + folder.write("x.txt", "1 2")}, 1, {".npy and .pb"});
}

BOOST_AUTO_TEST_CASE(damaged_numpy_files_are_refused) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto whole = npy<float>("<f4", "(1, 2)", {1, 2});
  const auto refuse = [&](const std::string& contents) {
    check_refused({"run", file, "--input", "x=" + folder.write("x.npy", contents)}, 1, {"x.npy"});
  };
  for (std::size_t length = 0; length < whole.size(); length += 5) refuse(whole.substr(0, length));
  refuse(npy<float>("<f4", "(4611686018427387904, 2)", {1, 2}));
  refuse(npy<float>("<f4", "(4611686018427387904, 4611686018427387904)", {1, 2}));
  refuse(npy<float>("<f4", "(-1, 2)", {1, 2}));
  refuse(npy<float>(">f4", "(1, 2)", {1, 2}));
  refuse(npy<float>("|O", "(1, 2)", {1, 2}));
  refuse(npy<float>("<U99999999999999999999", "(1, 2)", {1, 2}));
  refuse(npy<float>("<f4", "(1, 2", {1, 2}));
}

BOOST_AUTO_TEST_CASE(an_instruction_set_that_does_not_exist_is_refused) {
  const Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  ::setenv("LAZYFX_MAX_ISA", "avx9000", 1);
  check_refused({"run", file, "--shape", "x=1x2"}, 1, {"LAZYFX_MAX_ISA is 'avx9000'"});
  ::unsetenv("LAZYFX_MAX_ISA");
}
