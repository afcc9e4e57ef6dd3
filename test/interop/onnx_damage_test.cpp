#define BOOST_TEST_MODULE interop_onnx_damage
#include <boost/test/unit_test.hpp>

#include "importing.hpp"

using namespace lazyfx;
using namespace importing;
namespace w = onnx_writer;

namespace {

// One of everything that an import reads.
w::Message rich_model() {
  const w::Graph graph = {
      .nodes = {w::node("Gemm", {"x", "w", "b"}, {"h"}, {w::int_attribute("transB", 1), w::float_attribute("alpha", 1)}, "fc"),
                w::node("Constant", {}, {"axes"}, {w::tensor_attribute("value", w::tensor("", w::i64, {1}, w::packed(7, {1})))}),
                w::node("Unsqueeze", {"h", "axes"}, {"u"}), w::node("Split", {"u", "parts"}, {"p", "q"}, {w::int_attribute("axis", 2)}),
                w::node("Clip", {"p", "", "top"}, {"c"}), w::node("Cast", {"q"}, {"i"}, {w::int_attribute("to", 7)}),
                w::node("Transpose", {"c"}, {"y"}, {w::ints_attribute("perm", {2, 1, 0})}, "t")},
      .initializers = {w::floats("w", {3, 2}, {1, 2, 3, 4, 5, 6}), w::tensor("b", w::f32, {3}, w::bytes(4, w::raw_of<float>({1, 2, 3}))),
                       w::tensor("parts", w::i64, {2}, w::bytes(9, w::raw_of<std::int64_t>({1, 2}))), w::floats("top", {}, {4})},
      .inputs = {w::value("x", w::f32, {"N", 2})},
      .outputs = {w::value("y", w::f32, {1, 1, "N"}), w::value("i", w::i64, {"N", 1, 2})},
      .extra = {}};
  return w::model(graph);
}

// An imported module or an Error, nothing else; errors are one line that begins with the file's name.
void import_or_refuse(const w::Message& bytes) {
  try {
    const auto model = import_bytes(bytes);
    model.graph->lint();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (!message.starts_with("test.onnx: ") || contains(message, "\n"))
      BOOST_ERROR("an error without its file, or over lines: " << message);
    if (error.kind() != ErrorKind::invalid_model && error.kind() != ErrorKind::unsupported) BOOST_ERROR("of another kind: " << message);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_undamaged_model_is_imported_and_runs) {
  const auto model = import_bytes(rich_model());
  const Value result = run(model, {Tensor::from<float>({1, 1, 0, 0.5F}, {2, 2})});
  BOOST_TEST(equal(result[0].as_tensor(), Tensor::from<float>({4, 2}, {1, 1, 2})));
  BOOST_TEST(equal(result[1].as_tensor(), Tensor::from<std::int64_t>({9, 14, 4, 6}, {2, 1, 2})));
}

BOOST_AUTO_TEST_CASE(every_truncation_is_an_error_or_a_module) {
  const auto whole = rich_model();
  for (std::size_t length = 0; length < whole.size(); ++length) import_or_refuse(whole.substr(0, length));
  BOOST_TEST(whole.size() > 400U);
}

BOOST_AUTO_TEST_CASE(every_truncation_inside_the_graph_is_an_error) {
  const auto whole = rich_model();
  const auto graph = whole.find("Gemm");
  const auto end = whole.rfind("N");
  for (std::size_t length = graph; length < end; ++length) {
    const auto [kind, message] = failure_of(whole.substr(0, length));
    if (kind != ErrorKind::invalid_model) BOOST_ERROR(message);
  }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_an_error_or_a_module) {
  const auto whole = rich_model();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto damaged = whole;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ (1U << bit));
      import_or_refuse(damaged);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_byte_replaced_by_an_extreme_is_an_error_or_a_module) {
  const auto whole = rich_model();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char extreme : {'\0', '\x7f', '\x80', '\xff'}) {
      auto damaged = whole;
      damaged[at] = extreme;
      import_or_refuse(damaged);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_byte_removed_or_doubled_is_an_error_or_a_module) {
  const auto whole = rich_model();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    import_or_refuse(whole.substr(0, at) + whole.substr(at + 1));
    import_or_refuse(whole.substr(0, at) + whole.substr(at, 1) + whole.substr(at));
  }
}
