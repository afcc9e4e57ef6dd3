#define BOOST_TEST_MODULE interop_onnx_import
#include <boost/test/unit_test.hpp>

#include "importing.hpp"

using namespace lazyfx;
using namespace importing;
namespace w = onnx_writer;

namespace {

std::vector<std::string> targets(const Graph& graph) {
  std::vector<std::string> all;
  for (const Node node : graph.nodes()) all.push_back(node.target());
  return all;
}

Value only_constant(const w::Message& attribute) {
  const auto model = import_bytes(w::model({.nodes = {w::node("Constant", {}, {"c"}, {attribute})},
                                            .initializers = {},
                                            .inputs = {},
                                            .outputs = {w::bytes(1, "c")},
                                            .extra = {}}));
  return run(model, {});
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_model_becomes_a_graph_with_its_weights_on_the_root) {
  const auto model = import_bytes(w::model(w::dense()));
  BOOST_TEST(model.opset == 13);
  BOOST_TEST(model.producer == "writer 1.0");
  BOOST_REQUIRE(model.inputs.size() == 1);
  BOOST_TEST(model.inputs[0].name == "x");
  BOOST_TEST((model.inputs[0].type == TensorType(DType::f32, {"N", 2})));
  BOOST_REQUIRE(model.outputs.size() == 1);
  BOOST_TEST(model.outputs[0].name == "y");
  BOOST_TEST((model.outputs[0].type == TensorType(DType::f32, {"N", 3})));
  const std::vector<std::string> expected = {"x", "fc_weight", "fc_bias", "onnx::Gemm", "onnx::Relu", "output"};
  BOOST_TEST(targets(*model.graph) == expected, boost::test_tools::per_element());
  model.graph->lint();
  const Node gemm = model.graph->find_nodes(Opcode::call_function, "onnx::Gemm").at(0);
  BOOST_TEST(gemm.args().size() == 3U);
  BOOST_TEST(gemm.kwarg("transB")->as_int() == 1);
  BOOST_TEST(gemm.meta().at("onnx_name").as_string() == "fc");
  BOOST_TEST((gemm.arg(1).as_node() == model.graph->find("fc_weight").id()));
  BOOST_TEST(model.graph->find("fc_weight").meta().at("onnx_name").as_string() == "fc.weight");
  BOOST_TEST((model.root->find_tensor("fc_weight")->kind == Module::TensorKind::parameter));
}

BOOST_AUTO_TEST_CASE(an_imported_model_computes_what_it_says) {
  const auto model = import_bytes(w::model(w::dense()));
  const Tensor y = run(model, {Tensor::from<float>({1, 2, -1, 3}, {2, 2})}).as_tensor();
  BOOST_TEST(equal(y, Tensor::from<float>({5.5F, 0, 18, 5.5F, 0, 14}, {2, 3})));
}

BOOST_AUTO_TEST_CASE(nodes_in_any_order_are_sorted) {
  auto graph = w::dense();
  std::swap(graph.nodes[0], graph.nodes[1]);
  const auto model = import_bytes(w::model(graph));
  model.graph->lint();
  BOOST_TEST(equal(run(model, {Tensor::from<float>({1, 2}, {1, 2})}).as_tensor(), Tensor::from<float>({5.5F, 0, 18}, {1, 3})));
}

BOOST_AUTO_TEST_CASE(several_outputs_are_a_tuple) {
  auto graph = w::dense();
  graph.outputs.push_back(w::value("h", w::f32, {"N", 3}));
  graph.outputs.push_back(w::value("x", w::f32, {"N", 2}));
  graph.outputs.push_back(w::value("fc.bias", w::f32, {3}));
  const Value result = run(import_bytes(w::model(graph)), {Tensor::from<float>({1, 2}, {1, 2})});
  BOOST_REQUIRE(result.is_tuple());
  BOOST_REQUIRE(result.items().size() == 4U);
  BOOST_TEST(equal(result[1].as_tensor(), Tensor::from<float>({5.5F, -89, 18}, {1, 3})));
  BOOST_TEST(equal(result[2].as_tensor(), Tensor::from<float>({1, 2}, {1, 2})));
  BOOST_TEST(equal(result[3].as_tensor(), Tensor::from<float>({0.5F, -100, 1}, {3})));
}

BOOST_AUTO_TEST_CASE(results_of_a_node_with_several_are_items_of_it) {
  const w::Graph graph = {.nodes = {w::node("Split", {"x", "sizes"}, {"a", "b"}), w::node("Sub", {"b", "a"}, {"y"})},
                          .initializers = {w::tensor("sizes", w::i64, {2}, w::packed(7, {2, 2}))},
                          .inputs = {w::value("x", w::f32, {4})},
                          .outputs = {w::value("y", w::f32, {2})},
                          .extra = {}};
  const auto model = import_bytes(w::model(graph));
  BOOST_TEST(model.graph->find_nodes(Opcode::call_function, "getitem").size() == 2U);
  BOOST_TEST(equal(run(model, {Tensor::from<float>({1, 2, 5, 9}, {4})}).as_tensor(), Tensor::from<float>({4, 7}, {2})));
}

BOOST_AUTO_TEST_CASE(an_input_left_out_is_none) {
  const w::Graph graph = {.nodes = {w::node("Clip", {"x", "", "top"}, {"y"})},
                          .initializers = {w::floats("top", {}, {2})},
                          .inputs = {w::value("x", w::f32, {3})},
                          .outputs = {w::value("y", w::f32, {3})},
                          .extra = {}};
  const auto model = import_bytes(w::model(graph));
  BOOST_TEST(model.graph->find_nodes(Opcode::call_function).at(0).arg(1).is_none());
  BOOST_TEST(equal(run(model, {Tensor::from<float>({-5, 1, 5}, {3})}).as_tensor(), Tensor::from<float>({-5, 1, 2}, {3})));
}

BOOST_AUTO_TEST_CASE(inputs_that_are_initializers_are_no_placeholders) {
  auto graph = w::dense();
  graph.inputs.push_back(w::value("fc.weight", w::f32, {3, 2}));
  graph.inputs.push_back(w::value("fc.bias", w::f32, {3}));
  const auto model = import_bytes(w::model(graph, 9, 3));
  BOOST_TEST(model.inputs.size() == 1U);
  BOOST_TEST(model.graph->placeholders().size() == 1U);
}

BOOST_AUTO_TEST_CASE(names_that_would_collide_as_attributes_stay_apart) {
  const w::Graph graph = {.nodes = {w::node("Sub", {"a.b", "a/b"}, {"c"}), w::node("Sub", {"c", "0"}, {"y"})},
                          .initializers = {w::floats("a.b", {1}, {7}), w::floats("a/b", {1}, {2}), w::floats("0", {1}, {1})},
                          .inputs = {},
                          .outputs = {w::value("y", w::f32, {1})},
                          .extra = {}};
  const auto model = import_bytes(w::model(graph));
  BOOST_TEST(model.root->tensors().size() == 3U);
  BOOST_TEST(model.root->find_tensor("a_b") != nullptr);
  BOOST_TEST(model.root->find_tensor("_0") != nullptr);
  BOOST_TEST(equal(run(model, {}).as_tensor(), Tensor::from<float>({4}, {1})));
}

BOOST_AUTO_TEST_CASE(a_dtype_attribute_becomes_a_dtype) {
  const w::Graph graph = {.nodes = {w::node("Cast", {"x"}, {"y"}, {w::int_attribute("to", w::i64)})},
                          .initializers = {},
                          .inputs = {w::value("x", w::f32, {2})},
                          .outputs = {w::value("y", w::i64, {2})},
                          .extra = {}};
  const auto model = import_bytes(w::model(graph));
  BOOST_TEST((model.graph->find_nodes(Opcode::call_function).at(0).kwarg("to")->as_dtype() == DType::i64));
  BOOST_TEST(equal(run(model, {Tensor::from<float>({1.5F, -2}, {2})}).as_tensor(), Tensor::from<std::int64_t>({1, -2}, {2})));
}

BOOST_AUTO_TEST_CASE(the_opset_chooses_what_an_operator_means) {
  // Opset 12 normalises over all axes from `axis` on; opset 13 over that axis alone.
  const w::Graph graph = {.nodes = {w::node("Softmax", {"x"}, {"y"}, {w::int_attribute("axis", 0)})},
                          .initializers = {},
                          .inputs = {w::value("x", w::f32, {2, 2})},
                          .outputs = {w::value("y", w::f32, {2, 2})},
                          .extra = {}};
  const Tensor x = Tensor::from<float>({0, 0, 0, 0}, {2, 2});
  BOOST_TEST(run(import_bytes(w::model(graph, 12)), {x}).as_tensor().values<float>()[0] == 0.25F);
  BOOST_TEST(run(import_bytes(w::model(graph, 13)), {x}).as_tensor().values<float>()[0] == 0.5F);
}

BOOST_AUTO_TEST_CASE(constants_come_in_every_form) {
  BOOST_TEST(equal(only_constant(w::float_attribute("value_float", 1.5F)).as_tensor(), Tensor::scalar(1.5F)));
  BOOST_TEST(equal(only_constant(w::int_attribute("value_int", -3)).as_tensor(), Tensor::scalar<std::int64_t>(-3)));
  BOOST_TEST(equal(only_constant(w::ints_attribute("value_ints", {1, -2})).as_tensor(), Tensor::from<std::int64_t>({1, -2}, {2})));
  BOOST_TEST(equal(only_constant(w::text_attribute("value_string", "hi")).as_tensor(), Tensor::scalar<std::string>("hi")));
  const auto floats = w::bytes(1, "value_floats") + w::real(7, 1) + w::real(7, 2) + w::number(20, 6);
  BOOST_TEST(equal(only_constant(floats).as_tensor(), Tensor::from<float>({1, 2}, {2})));
  const auto strings = w::bytes(1, "value_strings") + w::bytes(9, "a") + w::bytes(9, "") + w::number(20, 8);
  BOOST_TEST(equal(only_constant(strings).as_tensor(), Tensor::from<std::string>({"a", ""}, {2})));
  BOOST_TEST(equal(only_constant(w::tensor_attribute("value", w::floats("", {2}, {3, 4}))).as_tensor(), Tensor::from<float>({3, 4}, {2})));
}

BOOST_AUTO_TEST_CASE(elements_are_read_from_every_field_that_holds_them) {
  const auto elements = [](const w::Message& tensor) { return only_constant(w::tensor_attribute("value", tensor)).as_tensor(); };
  const w::Message three_floats = w::bytes(4, w::raw_of<float>({1, 2, 3}));
  BOOST_TEST(equal(elements(w::tensor("", w::f32, {3}, three_floats)), Tensor::from<float>({1, 2, 3}, {3})));
  BOOST_TEST(equal(elements(w::tensor("", w::f32, {2}, w::real(4, 1) + w::real(4, 2))), Tensor::from<float>({1, 2}, {2})));
  BOOST_TEST(equal(elements(w::tensor("", w::f64, {2}, w::bytes(10, w::raw_of<double>({1, 2})))), Tensor::from<double>({1, 2}, {2})));
  BOOST_TEST(equal(elements(w::tensor("", w::i32, {2}, w::packed(5, {-1, 7}))), Tensor::from<std::int32_t>({-1, 7}, {2})));
  BOOST_TEST(
      equal(elements(w::tensor("", w::i8, {2}, w::number(5, -128) + w::number(5, 127))), Tensor::from<std::int8_t>({-128, 127}, {2})));
  BOOST_TEST(equal(elements(w::tensor("", w::u8, {1}, w::packed(5, {255}))), Tensor::from<std::uint8_t>({255}, {1})));
  BOOST_TEST(equal(elements(w::tensor("", w::boolean, {2}, w::packed(5, {1, 0}))), Tensor::from<bool>({true, false}, {2})));
  BOOST_TEST(elements(w::tensor("", w::f16, {1}, w::packed(5, {0x3c00}))).values<Float16>()[0].bits == 0x3c00);
  BOOST_TEST(equal(elements(w::tensor("", w::i64, {2}, w::packed(7, {-5, INT64_MAX}))), Tensor::from<std::int64_t>({-5, INT64_MAX}, {2})));
  BOOST_TEST(equal(elements(w::tensor("", w::string, {2}, w::bytes(6, "x") + w::bytes(6, ""))), Tensor::from<std::string>({"x", ""}, {2})));
  BOOST_TEST(equal(elements(w::tensor("", w::f32, {0, 5}, {})), Tensor::zeros(DType::f32, {0, 5})));
}

BOOST_AUTO_TEST_CASE(large_weights_stay_where_they_lie) {
  const std::vector<float> values(4096, 1.25F);
  // One of four paddings puts the elements where floats may be read in place.
  bool shared = false;
  for (std::size_t padding = 0; padding < 4; ++padding) {
    const w::Graph graph = {.nodes = {w::node("Identity", {std::string(padding + 1, 'w')}, {"y"})},
                            .initializers = {w::floats(std::string(padding + 1, 'w'), {4096}, values)},
                            .inputs = {},
                            .outputs = {w::value("y", w::f32, {4096})},
                            .extra = {}};
    const auto bytes = w::model(graph);
    const auto owner = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
    const auto span = std::as_bytes(std::span(*owner));
    const auto within = [&](const onnx::ImportedModel& model) {
      const auto* p = static_cast<const std::byte*>(model.root->tensors().begin()->second.tensor.raw());
      return p >= span.data() && p < span.data() + span.size();
    };
    const auto model = onnx::import_model(span, owner, "test.onnx", operators());
    BOOST_TEST(equal(model.root->tensors().begin()->second.tensor, Tensor::from<float>(values, {4096})));
    shared = shared || within(model);
    const auto copied = onnx::import_model(span, owner, "test.onnx", operators(), onnx::ImportOptions().mapping(onnx::Mapping::copy));
    BOOST_TEST(!within(copied));
  }
  BOOST_TEST(shared);
}

BOOST_AUTO_TEST_CASE(a_chain_of_a_hundred_thousand_nodes_is_imported) {
  constexpr int length = 100000;
  w::Graph graph{
      .nodes = {}, .initializers = {}, .inputs = {w::value("v0", w::f32, {1})}, .outputs = {w::value("y", w::f32, {1})}, .extra = {}};
  for (int i = 0; i < length; ++i) {
    graph.nodes.push_back(w::node("Relu", {"v" + std::to_string(i)}, {i + 1 == length ? "y" : "v" + std::to_string(i + 1)}));
  }
  std::swap(graph.nodes.front(), graph.nodes.back());  // which makes it sort all of them
  const auto model = import_bytes(w::model(graph));
  BOOST_TEST(model.graph->size() == static_cast<std::size_t>(length) + 2);
}
