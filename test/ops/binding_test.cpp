#define BOOST_TEST_MODULE ops_binding
#include <boost/test/unit_test.hpp>

#include <string>

#include "lazyfx/error.hpp"
#include "ops/apply.hpp"

using namespace lazyfx;
using ops_test::find;

namespace {

auto says(const std::string& part) {
  return [part](const Error& e) {
    BOOST_TEST_INFO(e.what());
    return e.kind() == ErrorKind::invalid_graph && std::string(e.what()).find(part) != std::string::npos;
  };
}

const Argument x(NodeId{0});
const Argument w(NodeId{1});
const Argument b(NodeId{2});

Application bound(const std::string& op, const Arguments& args, const Keywords& kwargs = {}) {
  return lazyfx::bind(find(op), args, kwargs);
}

}  // namespace

BOOST_AUTO_TEST_CASE(arguments_become_inputs_in_the_order_of_the_schema) {
  const Application a = bound("onnx::Conv", {x, w}, {{"B", b}});
  BOOST_TEST((a.inputs == std::vector<Argument>{x, w, b}));
  BOOST_TEST((bound("onnx::Clip", {x}, {{"max", 6.0}}).inputs == std::vector<Argument>{x, Argument(), 6.0}));
}

BOOST_AUTO_TEST_CASE(absent_inputs_at_the_end_are_left_out) {
  BOOST_TEST(bound("onnx::Clip", {x, Argument(), Argument()}).inputs.size() == 1u);
  BOOST_TEST(bound("onnx::Conv", {x, w}).inputs.size() == 2u);
}

BOOST_AUTO_TEST_CASE(defaults_of_the_schema_are_filled_in) {
  const Application a = bound("onnx::Gemm", {x, w}, {{"transB", 1}});
  BOOST_TEST(a.attributes.get_float("alpha") == 1);
  BOOST_TEST(a.attributes.get_int("transB") == 1);
  BOOST_TEST(a.attributes.get_int("transA") == 0);
  BOOST_TEST(!bound("onnx::Conv", {x, w}).attributes.has("pads"));
}

BOOST_AUTO_TEST_CASE(equal_applications_bind_to_equal_attributes) {
  const Application a = bound("onnx::Gemm", {x, w}, {{"transB", true}, {"alpha", 2}});
  const Application c = bound("onnx::Gemm", {x, w}, {{"alpha", 2.0}, {"transB", 1}});
  BOOST_TEST((a.attributes == c.attributes));
}

BOOST_AUTO_TEST_CASE(a_list_is_spread_into_a_variadic_input) {
  BOOST_TEST((bound("onnx::Concat", {Argument::list({x, w, b})}, {{"axis", 0}}).inputs == std::vector<Argument>{x, w, b}));
  BOOST_TEST((bound("onnx::Concat", {x, w}, {{"axis", 0}}).inputs == std::vector<Argument>{x, w}));
  BOOST_TEST((bound("onnx::Concat", {}, {{"axis", 0}, {"inputs", Argument::list({x})}}).inputs == std::vector<Argument>{x}));
}

BOOST_AUTO_TEST_CASE(a_list_of_numbers_is_a_constant_vector) {
  const Application a = bound("onnx::Reshape", {x, Argument::ints({1, -1})});
  BOOST_REQUIRE(a.inputs[1].is_tensor());
  LAZYFX_TEST_SAME(a.inputs[1].as_tensor(), ops_test::ints({1, -1}));
}

BOOST_AUTO_TEST_CASE(wrong_arguments_are_refused_in_one_sentence) {
  BOOST_CHECK_EXCEPTION(bound("onnx::Relu", {x, w}), Error, says("onnx::Relu: takes at most 1 inputs but is given 2"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Add", {x}), Error, says("onnx::Add: input 1 (B) is missing"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Add", {Argument(), x}), Error, says("input 0 (A) is missing"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Add", {x, w}, {{"B", b}}), Error, says("input 1 (B) is given twice"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Relu", {x}, {{"alpha", 1.0}}), Error, says("there is no input or attribute named alpha"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Concat", {x}), Error, says("attribute axis is missing"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Concat", {}, {{"axis", 0}}), Error, says("needs at least one inputs"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Concat", {x, Argument()}, {{"axis", 0}}), Error, says("input 1 (inputs) is missing"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Concat", {x}, {{"axis", "one"}}), Error,
                        says("attribute axis is a string where an integer is expected"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Conv", {x, w}, {{"pads", 1}}), Error,
                        says("attribute pads is a int where a list of integers is expected"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Conv", {x, w}, {{"pads", Argument::list({1.5})}}), Error, says("attribute pads is a list"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Cast", {x}, {{"to", 7}}), Error, says("attribute to is a int where a dtype is expected"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Relu", {Argument::list({x})}), Error, says("input 0 (X) is a list where one tensor is expected"));
  BOOST_CHECK_EXCEPTION(bound("onnx::Relu", {DType::f32}), Error, says("input 0 (X) is a dtype"));
}

BOOST_AUTO_TEST_CASE(a_number_takes_the_dtype_beside_it) {
  BOOST_TEST((literal_tensor(2, DType::f64).dtype() == DType::f64));
  BOOST_TEST(literal_tensor(2, DType::f64).item<double>() == 2);
  BOOST_TEST(literal_tensor(-3, DType::i8).item<std::int8_t>() == -3);
  BOOST_TEST(static_cast<float>(literal_tensor(0.5, DType::f16).item<Float16>()) == 0.5F);
  BOOST_TEST(literal_tensor(0.5, DType::i64).item<float>() == 0.5F);
  BOOST_TEST(literal_tensor(0.5, std::nullopt).item<float>() == 0.5F);
  BOOST_TEST(literal_tensor(7, std::nullopt).item<std::int64_t>() == 7);
  BOOST_TEST(literal_tensor(true, std::nullopt).item<bool>());
  BOOST_TEST(literal_tensor(true, DType::i32).item<std::int32_t>() == 1);
  BOOST_TEST(literal_tensor("text", std::nullopt).item<std::string>() == "text");
  BOOST_TEST(literal_tensor(7, std::nullopt).rank() == 0u);
  BOOST_CHECK_EXCEPTION(literal_tensor(300, DType::u8), Error, says("the number 300 does not fit beside a tensor of dtype u8"));
  BOOST_CHECK_EXCEPTION(literal_tensor(-1, DType::u64), Error, says("the number -1 does not fit"));
  BOOST_CHECK_EXCEPTION(literal_tensor(x, DType::u8), Error, says("does not stand for a tensor"));
}

BOOST_AUTO_TEST_CASE(attributes_name_themselves_when_read_wrongly) {
  const Attributes a(Keywords{{"n", 1}, {"r", 2.5}, {"s", "text"}, {"list", Argument::list({1, 2.5})}});
  BOOST_TEST(a.get_int("n") == 1);
  BOOST_TEST(a.get_float("n") == 1);
  BOOST_TEST(a.get_float("r") == 2.5);
  BOOST_TEST(a.get_string("s", "") == "text");
  BOOST_TEST(a.get_string("absent", "fallback") == "fallback");
  BOOST_TEST(a.get_int("absent", 4) == 4);
  BOOST_TEST(a.get_ints("absent").empty());
  BOOST_TEST(!a.get_tensor("absent").defined());
  BOOST_TEST((a.get_dtype("absent", DType::i8) == DType::i8));
  BOOST_TEST((a.get_floats("list") == std::vector<double>{1, 2.5}));
  BOOST_CHECK_EXCEPTION(a.get_int("r"), Error, says("attribute r is double where an integer is expected"));
  BOOST_CHECK_EXCEPTION(a.get_int("absent"), Error, says("attribute absent is missing"));
  BOOST_CHECK_EXCEPTION(a.get_ints("n"), Error, says("attribute n is int where a list of integers is expected"));
  BOOST_CHECK_EXCEPTION(a.get_ints("list"), Error, says("attribute list is double where an integer is expected"));
  BOOST_CHECK_EXCEPTION(a.get_tensor("s"), Error, says("attribute s is string where a tensor is expected"));
}

BOOST_AUTO_TEST_CASE(run_reference_names_the_operator_in_whatever_is_thrown) {
  const auto thrower = [](auto what) {
    Operator op;
    op.name = "my::thrower";
    op.schema.inputs = {{"x", Parameter::Arity::single}};
    op.schema.outputs = {{"y", Parameter::Arity::single}};
    op.reference = [what](std::span<const Tensor>, const Attributes&, std::size_t) -> std::vector<Tensor> { throw what; };
    return op;
  };
  const std::vector<Tensor> in{Tensor::scalar(1.0F)};
  const auto thrown = [&](const Operator& op, std::span<const Tensor> inputs, std::size_t outputs) {
    try {
      run_reference(op, inputs, {}, outputs);
    } catch (const Error& e) { return std::string(to_string(e.kind())) + " " + e.what(); }
    return std::string("nothing");
  };
  BOOST_TEST(thrown(thrower(std::runtime_error("bang")), in, 1) == "user_code my::thrower: bang");
  BOOST_TEST(thrown(thrower(7), in, 1).starts_with("user_code my::thrower: "));
  BOOST_TEST(thrown(thrower(Error(ErrorKind::unsupported, "no")), in, 1) == "unsupported my::thrower: no");
  BOOST_TEST(thrown(thrower(std::bad_alloc()), in, 1).starts_with("resource my::thrower: "));
  BOOST_TEST(thrown(find("onnx::Add"), in, 1) == "invalid_graph onnx::Add: input 1 (B) is missing");
  BOOST_TEST(thrown(find("onnx::Relu"), std::vector<Tensor>(2, in[0]), 1) == "invalid_graph onnx::Relu: takes at most 1 input but got 2");
  BOOST_TEST(thrown(find("onnx::Relu"), in, 2) == "invalid_graph onnx::Relu: makes at most 1 output but 2 are wanted");
  Operator silent = thrower(0);
  silent.reference = [](std::span<const Tensor>, const Attributes&, std::size_t) { return std::vector<Tensor>(); };
  BOOST_TEST(thrown(silent, in, 1) == "user_code my::thrower: its kernel returned 0 values where 1 are wanted");
}
