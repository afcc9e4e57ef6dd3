#define BOOST_TEST_MODULE cli_text
#include <boost/test/unit_test.hpp>

#include "command.hpp"
#include "interop/onnx_writer.hpp"

using command::check_refused;
using command::contains;
using command::lazyfx;

namespace {

const char* const affine = R"(# y = 2 x + 1, and its sign
class Affine:
    def forward(x: f32[N, 2]):
        doubled = onnx::Mul(x, tensor(f32[1], [2.0]))
        y = onnx::Add(doubled, tensor(f32[1], [1.0]))
        sign = onnx::Sign(y)
        return (y, sign, 1)
)";

const char* const choice = R"(def forward(x: f32[2], up: bool[]):  # {"up": {"why": "to choose"}}
    y = onnx::If(up, x, captured = 1, then_branch = "y.then", else_branch = "y.else")
    return y

def "y.then"(x):
    z = onnx::Add(x, tensor(f32[1], [10.0]))  # {"why": "up"}
    return z

def "y.else"(x):
    z = onnx::Neg(x)
    return z
)";

}  // namespace

BOOST_AUTO_TEST_CASE(a_text_with_graphs_within_it_runs_shows_and_is_packed) {
  const command::Folder folder;
  const auto file = folder.write("choice.fx", choice), package = (folder / "choice.lfx").string();
  BOOST_TEST(lazyfx({"show", file, "--code"}).out == choice);
  BOOST_TEST(lazyfx({"pack", file, package}).status == 0);
  BOOST_TEST(lazyfx({"show", package, "--code"}).out == choice);
  const auto x = folder.write("x.pb", onnx_writer::floats("x", {2}, {1, -3}));
  for (const bool up : {true, false}) {
    const auto which = folder.write(
        "up.pb", onnx_writer::tensor("up", onnx_writer::boolean, {}, onnx_writer::bytes(9, std::string(1, static_cast<char>(up)))));
    for (const std::string& model : {file, package}) {
      const auto ended = lazyfx({"run", model, "--input", "x=" + x, "--input", "up=" + which, "--out", (folder / "out").string()});
      BOOST_TEST(ended.status == 0, ended.err);
      BOOST_TEST(command::read(folder / "out/y.npy")
                     .ends_with(onnx_writer::raw_of<float>(up ? std::vector<float>{11, 7} : std::vector<float>{-1, 3})));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_text_graph_runs_shows_is_measured_and_packed) {
  const command::Folder folder;
  const auto file = folder.write("affine.fx", affine);
  const auto input = folder.write("x.pb", onnx_writer::floats("x", {1, 2}, {1, -3}));
  const auto ended = lazyfx({"run", folder.write("one.fx", "def forward(x: f32[N, 2]):\n    y = onnx::Neg(x)\n    return y\n"), "--input",
                             "x=" + input, "--out", (folder / "out").string()});
  BOOST_TEST(ended.status == 0, ended.err);
  BOOST_TEST(contains(ended.out, "output y: f32[1x2]"), ended.out);
  BOOST_TEST(command::read(folder / "out/y.npy").ends_with(onnx_writer::raw_of<float>({-1, 3})));
  const auto shown = lazyfx({"show", file});
  BOOST_TEST(contains(shown.out, "input  x: f32[N, 2]"), shown.out);
  for (const char* output : {"output y", "output sign", "output output_2"}) BOOST_TEST(contains(shown.out, output), shown.out);
  const auto code = lazyfx({"show", file, "--code"});
  BOOST_TEST(contains(code.out, "onnx::Mul(x, tensor(f32[1], [2.0]))"), code.out);
  const auto again = folder.write("again.fx", code.out), package = (folder / "again.lfx").string();
  BOOST_TEST(lazyfx({"show", again, "--code"}).out == code.out);
  BOOST_TEST(lazyfx({"bench", folder.write("b.fx", "def forward(x: f32[2]):\n    return x\n"), "--seconds", "0"}).status == 0);
  BOOST_TEST(lazyfx({"pack", again, package}).status == 0);
  BOOST_TEST(lazyfx({"show", package, "--code"}).out == code.out);
}

BOOST_AUTO_TEST_CASE(an_output_that_is_no_tensor_is_printed_and_refused_as_a_file) {
  const command::Folder folder;
  const auto file = folder.write("pair.fx", "def forward(x: f32[2]):\n    y = onnx::Relu(x)\n    return (y, 3)\n");
  const auto ended = lazyfx({"run", file});
  BOOST_TEST(ended.status == 0, ended.err);
  BOOST_TEST(contains(ended.out, "output y: f32[2]"), ended.out);
  BOOST_TEST(contains(ended.out, "output output_1: 3\n"), ended.out);
  check_refused({"run", file, "--out", (folder / "out").string()}, 1, {"pair.fx", "output output_1 is no tensor"});
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_text_is_one_sentence_with_its_place) {
  const command::Folder folder;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    check_refused({"show", folder.write("bad.fx", text)}, 1, parts);
  };
  refused("def forward(x):\n    y = onnx::Neg(z)\n    return y\n", {"bad.fx: line 2, column 19", "z"});
  refused("def forward(x):\n    y = onnx::Nag(x)\n    return y\n", {"bad.fx", "no operator onnx::Nag"});
  refused("def forward(x):\n    w = self.weight\n    return w\n", {"bad.fx", "self.weight", "no members"});
  refused("def forward(x):\n    y = onnx::Neg(x)\n", {"bad.fx", "returns nothing"});
  refused("", {"bad.fx"});
  const std::string outer = "def forward(x):\n    y = onnx::If(x, then_branch = \"a\", else_branch = \"a\")\n    return y\n";
  refused(outer + "def \"a\"():\n    y = onnx::Nag()\n    return y\n", {"bad.fx", "no operator onnx::Nag"});
  refused(outer + "def \"a\"():\n    w = self.weight\n    return w\n", {"bad.fx", "w of graph a", "self.weight", "no members"});
  refused(outer + "def \"a\"():\n    return x\n", {"bad.fx: line 5, column 12", "x"});
  check_refused({"run", (folder / "none.fx").string()}, 1, {"none.fx", "cannot be read"});
  check_refused({"run", folder.write("open.fx", "def forward(x):\n    return x\n")}, 1, {"input 'x' declares no type", "--input x=FILE"});
}
