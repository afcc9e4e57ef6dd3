#define BOOST_TEST_MODULE cli_bench_and_check
#include <boost/test/unit_test.hpp>

#include "command.hpp"
#include "interop/onnx_writer.hpp"

using command::contains;
using command::Folder;
using command::lazyfx;
namespace w = onnx_writer;

namespace {

void write_case(const Folder& folder, const std::string& name, const w::Graph& graph, const w::Message& input, const w::Message& output) {
  folder.write(name + "/model.onnx", w::model(graph));
  folder.write(name + "/test_data_set_0/input_0.pb", input);
  folder.write(name + "/test_data_set_0/output_0.pb", output);
}

}  // namespace

BOOST_AUTO_TEST_CASE(bench_reports_every_figure_of_every_model) {
  const Folder folder;
  const auto a = folder.write("a.onnx", w::model(w::dense())), b = folder.write("b.onnx", w::model(w::dense()));
  const auto json = (folder / "figures.json").string();
  const auto ended = lazyfx({"bench", a, b, "--seconds", "0.01", "--shape", "x=4x2", "--json", json});
  BOOST_TEST(ended.status == 0, ended.err);
  const auto figures = command::read(json);
  for (const auto* key :
       {"nodes", "load_ms", "compile_ms", "first_output_ms", "run_ms_min", "run_ms_median", "threads", "tier", "peak_mb"}) {
    const auto quoted = std::string("\"") + key + "\": ";
    const auto at = figures.find(quoted);
    BOOST_TEST(at != std::string::npos, key);
    BOOST_TEST(figures.find(quoted, at + 1) != std::string::npos, key);
    BOOST_TEST(contains(ended.out, key));
  }
  BOOST_TEST(contains(figures, "\"tier\": \"baseline\""));
  BOOST_TEST(!contains(figures, "\"run_ms_min\": 0.0,"));
}

BOOST_AUTO_TEST_CASE(bench_measures_with_the_elements_of_a_file) {
  const Folder folder;
  const auto model = folder.write("model.onnx", w::model(w::dense()));
  const auto fitting = folder.write("x.pb", w::floats("x", {1, 2}, {1, 2})),
             wide = folder.write("wide.pb", w::floats("x", {1, 3}, {1, 2, 3}));
  const auto measured = lazyfx({"bench", model, "--seconds", "0", "--input", "x=" + fitting});
  BOOST_TEST(measured.status == 0, measured.err);
  const auto refused = lazyfx({"bench", model, "--seconds", "0", "--input", "x=" + wide});
  BOOST_TEST(refused.status == 1);
  BOOST_TEST(contains(refused.err, "input 'x' takes"));
}

BOOST_AUTO_TEST_CASE(a_model_that_cannot_be_measured_does_not_stop_the_others) {
  const Folder folder;
  const auto bad = folder.write("bad.onnx", "0123456789"), good = folder.write("good.onnx", w::model(w::dense()));
  const auto ended = lazyfx({"bench", bad, good, "--seconds", "0"});
  BOOST_TEST(ended.status == 1);
  BOOST_TEST(contains(ended.err, "bad.onnx"));
  BOOST_TEST(contains(ended.out, "good.onnx"));
}

BOOST_AUTO_TEST_CASE(check_counts_and_names_what_fails) {
  const Folder folder;
  const auto input = w::floats("x", {1, 2}, {1, 2});
  write_case(folder, "cases/right", w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, 18}));
  write_case(folder, "cases/close", w::dense(), input, w::floats("y", {1, 3}, {5.504F, 0, 18}));
  write_case(folder, "cases/wrong", w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, 19}));
  write_case(folder, "cases/shape", w::dense(), input, w::floats("y", {3, 1}, {5.5F, 0, 18}));
  write_case(folder, "cases/broken", w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, 18}));
  folder.write("cases/broken/model.onnx", "0123456789");
  auto unknown = w::dense();
  unknown.nodes[1] = w::node("Frobnicate", {"h"}, {"y"});
  write_case(folder, "cases/unknown", unknown, input, w::floats("y", {1, 3}, {5.5F, 0, 18}));
  const auto json = (folder / "outcome.json").string();
  const auto ended = lazyfx({"check", (folder / "cases").string(), "--json", json});
  BOOST_TEST(ended.status == 1);
  BOOST_TEST(ended.out.ends_with("\n2 passed, 3 failed, 1 skipped\n"), ended.out);
  BOOST_TEST(contains(ended.out, "wrong: test_data_set_0, output 0: 1 of 3 elements differ, first number 2, 18 where 19 is expected"),
             ended.out);
  BOOST_TEST(contains(ended.out, "shape is 1x3, not 3x1"), ended.out);
  BOOST_TEST(contains(ended.out, "broken"), ended.out);
  BOOST_TEST(contains(command::read(json), "Frobnicate"));
}

BOOST_AUTO_TEST_CASE(check_succeeds_when_nothing_fails_and_filters_by_path) {
  const Folder folder;
  const auto input = w::floats("x", {1, 2}, {1, 2});
  write_case(folder, "cases/right", w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, 18}));
  write_case(folder, "cases/wrong", w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, 19}));
  const auto filtered = lazyfx({"check", (folder / "cases").string(), "--filter", "cases/r.*t$"});
  BOOST_TEST(filtered.status == 0);
  BOOST_TEST(filtered.out == "1 passed, 0 failed, 0 skipped\n");
  BOOST_TEST(lazyfx({"check", (folder / "cases/right").string()}).out == "1 passed, 0 failed, 0 skipped\n");
}

BOOST_AUTO_TEST_CASE(check_says_the_same_with_any_number_of_jobs_and_writes_junit) {
  const Folder folder;
  const auto input = w::floats("x", {1, 2}, {1, 2});
  for (int i = 0; i < 12; ++i) {
    write_case(folder, "cases/case" + std::to_string(i), w::dense(), input, w::floats("y", {1, 3}, {5.5F, 0, i % 3 == 0 ? 19.0F : 18.0F}));
  }
  folder.write("cases/<odd> & \"empty\"/model.onnx", w::model(w::dense()));
  const auto junit = (folder / "outcome.xml").string();
  const auto one = lazyfx({"check", (folder / "cases").string(), "--jobs", "1"});
  const auto five = lazyfx({"check", (folder / "cases").string(), "--jobs", "5", "--junit", junit});
  BOOST_TEST(one.out == five.out);
  BOOST_TEST(one.out.ends_with("\n8 passed, 4 failed, 1 skipped\n"), one.out);
  const auto xml = command::read(junit);
  BOOST_TEST(contains(xml, "tests=\"13\" failures=\"4\" skipped=\"1\""), xml);
  BOOST_TEST(contains(xml, "name=\"case0\"><failure message=\"test_data_set_0, output 0: 1 of 3 elements differ"), xml);
  BOOST_TEST(contains(xml, "name=\"&lt;odd&gt; &amp; &quot;empty&quot;\"><skipped"), xml);
  command::check_refused({"check", (folder / "cases").string(), "--jobs", "0"}, 2, {"--jobs"});
}

BOOST_AUTO_TEST_CASE(a_folder_without_cases_is_bad_input) {
  const Folder folder;
  folder.write("empty/readme", "");
  command::check_refused({"check", (folder / "empty").string()}, 1, {"no model.onnx"});
  command::check_refused({"check", (folder / "absent").string()}, 1, {"absent"});
  const std::string long_name(6000, 'a');
  BOOST_TEST(lazyfx({"check", long_name}).err == "lazyfx: " + long_name + "/model.onnx: File name too long\n");
}
