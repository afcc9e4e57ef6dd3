#define BOOST_TEST_MODULE cli_usage
#include <boost/test/unit_test.hpp>

#include "command.hpp"
#include "interop/onnx_writer.hpp"

using command::check_refused;
using command::contains;
using command::lazyfx;
namespace w = onnx_writer;

BOOST_AUTO_TEST_CASE(without_a_verb_usage_is_printed_and_the_status_is_2) {
  const auto ended = lazyfx({});
  BOOST_TEST(ended.status == 2);
  for (const auto* verb : {"run", "bench", "check", "show"}) BOOST_TEST(contains(ended.err, std::string("lazyfx ") + verb));
}

BOOST_AUTO_TEST_CASE(help_is_printed_on_standard_output) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"run", "--help"}, {"bench", "-h"}, {"check", "--help"}, {"show", "--help"}}) {
    const auto ended = lazyfx(arguments);
    BOOST_TEST(ended.status == 0);
    BOOST_TEST(contains(ended.out, "usage: lazyfx"));
    BOOST_TEST(ended.err == "");
  }
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_one_sentence_and_status_2) {
  check_refused({"frobnicate"}, 2, {"no verb 'frobnicate'"});
  check_refused({"run"}, 2, {"one MODEL"});
  check_refused({"run", "a.onnx", "b.onnx"}, 2, {"one MODEL"});
  check_refused({"run", "a.onnx", "--sahpe", "x=1"}, 2, {"sahpe"});
  check_refused({"run", "a.onnx", "--shape", "x=1xa"}, 2, {"NAME=1x3x224x224", "x=1xa"});
  check_refused({"run", "a.onnx", "--shape", "x=1x-3"}, 2, {"x=1x-3"});
  check_refused({"run", "a.onnx", "--shape", "x=4611686018427387904x4611686018427387904"}, 2, {"--shape"});
  check_refused({"run", "a.onnx", "--shape", "x"}, 2, {"NAME=VALUE"});
  check_refused({"run", "a.onnx", "--shape", "x=1", "--shape", "x=2"}, 2, {"twice"});
  check_refused({"run", "a.onnx", "--input", "x.npy"}, 2, {"NAME=VALUE"});
  check_refused({"bench"}, 2, {"at least one MODEL"});
  check_refused({"bench", "a.onnx", "--threads", "0"}, 2, {"--threads"});
  check_refused({"bench", "a.onnx", "--threads", "many"}, 2, {"threads"});
  check_refused({"bench", "a.onnx", "--seconds", "-1"}, 2, {"--seconds"});
  check_refused({"check"}, 2, {"at least one DIR"});
  check_refused({"check", "d", "--filter", "("}, 2, {"--filter"});
  check_refused({"show", "a.onnx", "--code", "--dot"}, 2, {"one of"});
}

BOOST_AUTO_TEST_CASE(a_tier_that_this_build_lacks_is_a_wrong_usage) {
  check_refused({"run", "a.onnx", "--tier", "optimized"}, 2, {"tier optimized is not available in this build"});
  check_refused({"bench", "a.onnx", "--tier", "optimized"}, 2, {"tier optimized is not available in this build"});
  check_refused({"run", "a.onnx", "--tier", "best"}, 2, {"--tier takes baseline"});
}

BOOST_AUTO_TEST_CASE(a_bad_model_is_one_sentence_with_its_file_and_status_1) {
  const command::Folder folder;
  const auto whole = w::model(w::dense());
  const auto truncated = folder.write("truncated.onnx", whole.substr(0, whole.size() / 2));
  const auto ten = folder.write("ten.onnx", "0123456789");
  const auto directory = (folder / ".").string();
  const auto absent = (folder / "absent.onnx").string();
  for (const auto* verb : {"run", "show", "bench"}) {
    for (const auto& file : {truncated, ten, directory, absent}) check_refused({verb, file}, 1, {file + ": "});
  }
}

BOOST_AUTO_TEST_CASE(a_model_whose_operands_do_not_fit_names_file_and_node) {
  const command::Folder folder;
  auto graph = w::dense();
  graph.initializers[0] = w::tensor("fc.weight", w::i64, {3, 2}, w::bytes(9, w::raw_of<std::int64_t>({1, 2, 3, 4, 5, 6})));
  const auto file = folder.write("dtypes.onnx", w::model(graph));
  check_refused({"run", file}, 1, {file, "fc", "Gemm"});
}

BOOST_AUTO_TEST_CASE(show_prints_each_form) {
  const command::Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto summary = lazyfx({"show", file});
  BOOST_TEST(summary.status == 0);
  BOOST_TEST(contains(summary.out, "opset 13"));
  BOOST_TEST(contains(summary.out, "input  x: f32[N, 2]"));
  BOOST_TEST(contains(summary.out, "1 x onnx::Gemm"));
  BOOST_TEST(contains(lazyfx({"show", file, "--code"}).out, "fc = onnx::Gemm(x, fc_weight, fc_bias, transB = 1)"));
  BOOST_TEST(contains(lazyfx({"show", file, "--table"}).out, "call_function"));
  const auto dot = lazyfx({"show", file, "--dot"}).out;
  BOOST_TEST(dot.starts_with("digraph"));
  BOOST_TEST(contains(dot, "\"x\" -> \"fc\""));
  const auto json = lazyfx({"show", file, "--json"}).out;
  for (const auto* key : {"\"operators\"", "\"onnx::Relu\": 1", "\"opset\": 13"}) BOOST_TEST(contains(json, key), json);
}

BOOST_AUTO_TEST_CASE(output_that_cannot_be_written_is_an_error) {
  const command::Folder folder;
  const auto file = folder.write("m.onnx", w::model(w::dense()));
  const auto in_the_way = folder.write("file", "");
  check_refused({"run", file, "--out", in_the_way + "/out"}, 1, {in_the_way + "/out"});
  const auto bench = lazyfx({"bench", file, "--seconds", "0", "--json", in_the_way + "/out.json"});
  BOOST_TEST(bench.status == 1);
  BOOST_TEST(contains(bench.err, "out.json: it cannot be written"), bench.err);
}
