#define BOOST_TEST_MODULE ops_arithmetic
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <string>

#include "lazyfx/error.hpp"
#include "ops/apply.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

Tensor i32(std::initializer_list<std::int32_t> values) {
  return Tensor::from<std::int32_t>(values, Shape{static_cast<std::int64_t>(values.size())});
}
Tensor i8(std::initializer_list<std::int8_t> values) {
  return Tensor::from<std::int8_t>(values, Shape{static_cast<std::int64_t>(values.size())});
}
Tensor u8(std::initializer_list<std::uint8_t> values) {
  return Tensor::from<std::uint8_t>(values, Shape{static_cast<std::int64_t>(values.size())});
}
Tensor row(std::initializer_list<float> values) { return f32(Shape{static_cast<std::int64_t>(values.size())}, values); }

Tensor halves(std::initializer_list<float> values) {
  std::vector<Float16> converted;
  for (const float v : values) converted.emplace_back(v);
  return Tensor::from<Float16>(converted, Shape{static_cast<std::int64_t>(values.size())});
}

}  // namespace

BOOST_AUTO_TEST_CASE(operands_broadcast_as_in_numpy) {
  LAZYFX_TEST_SAME(run("onnx::Add", {f32({2, 1}, {10, 20}), row({1, 2, 3})}), f32({2, 3}, {11, 12, 13, 21, 22, 23}));
  LAZYFX_TEST_SAME(run("onnx::Mul", {Tensor::scalar(2.0F), f32({1, 1}, {4})}), f32({1, 1}, {8}));
  LAZYFX_TEST_SAME(run("onnx::Sub", {f32({0, 3}, {}), row({1, 2, 3})}), f32({0, 3}, {}));
  BOOST_CHECK_THROW(run("onnx::Add", {row({1, 2}), row({1, 2, 3})}), Error);
}

BOOST_AUTO_TEST_CASE(integer_division_truncates_towards_zero) {
  LAZYFX_TEST_SAME(run("onnx::Div", {i32({7, -7, 7, -7}), i32({2, 2, -2, -2})}), i32({3, -3, -3, 3}));
  LAZYFX_TEST_SAME(run("onnx::Div", {u8({255, 7}), u8({2, 9})}), u8({127, 0}));
  LAZYFX_TEST_SAME(run("onnx::Div", {row({1, -1, 0}), row({0, 0, 0})}), row({inf, -inf, not_a_number}));
  LAZYFX_TEST_SAME(run("onnx::Div", {i32({1, 0}), i32({0, 0})}), i32({0, 0}));
}

BOOST_AUTO_TEST_CASE(integers_wrap) {
  LAZYFX_TEST_SAME(run("onnx::Add", {u8({250}), u8({10})}), u8({4}));
  LAZYFX_TEST_SAME(run("onnx::Mul", {i8({64}), i8({2})}), i8({-128}));
  LAZYFX_TEST_SAME(run("onnx::Div", {i8({-128}), i8({-1})}), i8({-128}));
  constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
  LAZYFX_TEST_SAME(run("onnx::Sub", {ints({lowest}), ints({1})}), ints({std::numeric_limits<std::int64_t>::max()}));
  LAZYFX_TEST_SAME(run("onnx::Div", {ints({lowest}), ints({-1})}), ints({lowest}));
  LAZYFX_TEST_SAME(run("onnx::Abs", {ints({lowest, -3})}), ints({lowest, 3}));
}

BOOST_AUTO_TEST_CASE(both_remainders_of_mod) {
  LAZYFX_TEST_SAME(run("onnx::Mod", {i32({-4, 7, 5, 4, -7, 8}), i32({2, -3, 8, -2, 3, 5})}), i32({0, -2, 5, 0, 2, 3}));
  LAZYFX_TEST_SAME(run("onnx::Mod", {i32({-4, 7, 5, 4, -7, 8}), i32({2, -3, 8, -2, 3, 5})}, {{"fmod", 1}}), i32({0, 1, 5, 0, -1, 3}));
  LAZYFX_TEST_SAME(run("onnx::Mod", {row({-4.3F, 7.2F}), row({2.1F, -3.4F})}, {{"fmod", 1}}), row({-0.1F, 0.4F}));
  LAZYFX_TEST_SAME(run("onnx::Mod", {i32({1}), i32({0})}), i32({0}));
  LAZYFX_TEST_SAME(run("onnx::Mod", {i32({-1}), i32({0})}, {{"fmod", 1}}), i32({0}));
}

BOOST_AUTO_TEST_CASE(a_power_has_the_dtype_of_its_base) {
  LAZYFX_TEST_SAME(run("onnx::Pow", {row({1, 2, 3}), ints({4, 5, 6})}), row({1, 32, 729}));
  LAZYFX_TEST_SAME(run("onnx::Pow", {ints({1, 2, 3}), row({4, 5, 6})}), ints({1, 32, 729}));
  LAZYFX_TEST_SAME(run("onnx::Pow", {ints({2, -1, 1, 3}), ints({-1, -3, -9, 0})}), ints({0, -1, 1, 1}));
}

BOOST_AUTO_TEST_CASE(min_max_sum_and_mean_take_any_number_of_inputs) {
  const std::vector<Tensor> three{row({3, 2, 1}), row({1, 4, 4}), row({2, 5, 0})};
  LAZYFX_TEST_SAME(run("onnx::Max", three), row({3, 5, 4}));
  LAZYFX_TEST_SAME(run("onnx::Min", three), row({1, 2, 0}));
  LAZYFX_TEST_SAME(run("onnx::Sum", three), row({6, 11, 5}));
  LAZYFX_TEST_SAME(run("onnx::Mean", three), row({2, 11.0F / 3, 5.0F / 3}));
  LAZYFX_TEST_SAME(run("onnx::Max", {three[0]}), three[0]);
  LAZYFX_TEST_SAME(run("onnx::Max", {row({not_a_number, 1}), row({1, not_a_number})}), row({not_a_number, not_a_number}));
}

BOOST_AUTO_TEST_CASE(rounding_goes_to_even) {
  LAZYFX_TEST_SAME(run("onnx::Round", {row({0.9F, 2.5F, 2.3F, 1.5F, -4.5F})}), row({1, 2, 2, 2, -4}));
}

BOOST_AUTO_TEST_CASE(signs_of_zero_and_nan_stay) {
  LAZYFX_TEST_SAME(run("onnx::Sign", {row({-3, 0, 5, not_a_number})}), row({-1, 0, 1, not_a_number}));
  LAZYFX_TEST_SAME(run("onnx::Sign", {u8({0, 9})}), u8({0, 1}));
}

BOOST_AUTO_TEST_CASE(half_precision_is_computed_with) {
  LAZYFX_TEST_SAME(run("onnx::Add", {halves({1, 2}), halves({0.5F, 0.25F})}), halves({1.5F, 2.25F}));
  LAZYFX_TEST_SAME(run("onnx::Exp", {halves({0, 1})}), halves({1, 2.71828F}));
  LAZYFX_TEST_SAME(run("onnx::Softmax", {halves({0, 0})}), halves({0.5F, 0.5F}));
}

BOOST_AUTO_TEST_CASE(functions_of_one_real_variable) {
  const auto at = [](const char* op, float x) { return run(std::string("onnx::") + op, {Tensor::scalar(x)}).item<float>(); };
  const auto same = [](float a, double b) { return is_close(static_cast<double>(a), b, 1e-6); };
  BOOST_TEST(same(at("Sigmoid", 0), 0.5));
  BOOST_TEST(same(at("Sigmoid", -100), 0));
  BOOST_TEST(same(at("Erf", 0.5F), 0.5204998778));
  BOOST_TEST(same(at("Softplus", 100), 100));
  BOOST_TEST(same(at("Softplus", 0), 0.6931471806));
  BOOST_TEST(same(at("Softsign", -3), -0.75));
  BOOST_TEST(same(at("Acosh", 10), 2.993222846));
  BOOST_TEST(same(at("Reciprocal", -4), -0.25));
  BOOST_TEST(same(at("Sqrt", -1), not_a_number));
}

BOOST_AUTO_TEST_CASE(activations_follow_their_formulas) {
  const Tensor x = row({-1, 0, 1});
  LAZYFX_TEST_SAME(run("onnx::Relu", {x}), row({0, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::LeakyRelu", {x}, {{"alpha", 0.1}}), row({-0.1F, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::Elu", {x}, {{"alpha", 2.0}}), row({-1.2642411F, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::Selu", {x}, {{"alpha", 2.0}, {"gamma", 3.0}}), row({-3.7927234F, 0, 3}));
  LAZYFX_TEST_SAME(run("onnx::Celu", {x}, {{"alpha", 2.0}}), row({-0.7869387F, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::HardSigmoid", {row({-1, 0, 9})}, {{"alpha", 0.5}, {"beta", 0.6}}), row({0.1F, 0.6F, 1}));
  LAZYFX_TEST_SAME(run("onnx::HardSwish", {row({-4, 0, 1, 4})}), row({0, 0, 2.0F / 3, 4}));
  LAZYFX_TEST_SAME(run("onnx::ThresholdedRelu", {row({1.5F, 2, 2.5F})}, {{"alpha", 2.0}}), row({0, 0, 2.5F}));
  LAZYFX_TEST_SAME(run("onnx::PRelu", {f32({2, 2}, {-1, -2, 3, -4}), row({2, 3})}), f32({2, 2}, {-2, -6, 3, -12}));
  LAZYFX_TEST_SAME(run("onnx::Shrink", {row({-2, -1, 0, 1, 2})}, {{"lambd", 1.5}, {"bias", 1.5}}), row({-0.5F, 0, 0, 0, 0.5F}));
  LAZYFX_TEST_SAME(run("onnx::Relu", {row({not_a_number, -inf, inf})}), row({not_a_number, 0, inf}));
}

BOOST_AUTO_TEST_CASE(clip_takes_its_bounds_from_inputs_or_before_version_11_from_attributes) {
  const Tensor x = row({-2, 0, 2});
  LAZYFX_TEST_SAME(run("onnx::Clip", {x, Tensor::scalar(-1.0F), Tensor::scalar(1.0F)}), row({-1, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::Clip", {x, Tensor(), Tensor::scalar(1.0F)}), row({-2, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::Clip", {x}), x);
  LAZYFX_TEST_SAME(run("onnx::Clip", {x, Tensor::scalar(2.0F), Tensor::scalar(1.0F)}), row({1, 1, 1}));
  LAZYFX_TEST_SAME(run("onnx::Clip@6", {x}, {{"min", -1.0}}), row({-1, 0, 2}));
  LAZYFX_TEST_SAME(run("onnx::Clip", {i8({-9, 9}), Tensor::scalar(std::int8_t{-1})}), i8({-1, 9}));
}

BOOST_AUTO_TEST_CASE(comparisons_and_logic_give_booleans) {
  LAZYFX_TEST_SAME(run("onnx::Less", {row({1, 2, not_a_number}), row({2, 2, 1})}), booleans({true, false, false}));
  LAZYFX_TEST_SAME(run("onnx::GreaterOrEqual", {row({1, 2, not_a_number}), row({2, 2, not_a_number})}), booleans({false, true, false}));
  LAZYFX_TEST_SAME(run("onnx::Equal", {ints({1, 2}), ints({1, 3})}), booleans({true, false}));
  LAZYFX_TEST_SAME(run("onnx::Xor", {booleans({true, true}), booleans({true, false})}), booleans({false, true}));
  LAZYFX_TEST_SAME(run("onnx::Not", {booleans({true, false})}), booleans({false, true}));
  LAZYFX_TEST_SAME(run("onnx::IsNaN", {row({1, not_a_number, inf})}), booleans({false, true, false}));
  LAZYFX_TEST_SAME(run("onnx::IsInf", {row({1, not_a_number, inf, -inf})}, {{"detect_negative", 0}}),
                   booleans({false, false, true, false}));
  LAZYFX_TEST_SAME(run("onnx::Where", {booleans({true, false}), row({1, 2}), row({8, 9})}), row({1, 9}));
  LAZYFX_TEST_SAME(run("onnx::BitShift", {u8({16, 4, 1}), u8({1, 2, 9})}, {{"direction", "RIGHT"}}), u8({8, 1, 0}));
}

BOOST_AUTO_TEST_CASE(where_moves_strings_too) {
  const auto strings = [](std::initializer_list<std::string> v) {
    return Tensor::from<std::string>(v, Shape{static_cast<std::int64_t>(v.size())});
  };
  LAZYFX_TEST_SAME(run("onnx::Where", {booleans({true, false}), strings({"a", "b"}), strings({"c", "d"})}), strings({"a", "d"}));
}

BOOST_AUTO_TEST_CASE(casts_truncate_saturate_and_parse) {
  const auto cast = [](const Tensor& t, DType to) { return run("onnx::Cast", {t}, {{"to", to}}); };
  LAZYFX_TEST_SAME(cast(row({1.9F, -1.9F, 0}), DType::i64), ints({1, -1, 0}));
  LAZYFX_TEST_SAME(cast(row({-0.5F, 0, not_a_number}), DType::boolean), booleans({true, false, true}));
  LAZYFX_TEST_SAME(cast(booleans({true, false}), DType::f32), row({1, 0}));
  LAZYFX_TEST_SAME(cast(i32({300}), DType::u8), u8({44}));
  LAZYFX_TEST_SAME(cast(row({1e30F, -1e30F}), DType::i32),
                   i32({std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}));
  const Tensor texts = Tensor::from<std::string>({"3.5", "-inf", "1e3", "+2"}, Shape{4});
  LAZYFX_TEST_SAME(cast(texts, DType::f32), row({3.5F, -inf, 1000, 2}));
  LAZYFX_TEST_SAME(cast(row({0.1F, 2}), DType::string), Tensor::from<std::string>({"0.1", "2"}, Shape{2}));
  BOOST_CHECK_THROW(cast(Tensor::scalar(std::string("three")), DType::f32), Error);
}

BOOST_AUTO_TEST_CASE(type_rules_broadcast_what_is_known) {
  const auto add = [](TensorType a, TensorType c) { return to_string(infer("onnx::Add", {a, c})); };
  BOOST_TEST(add({DType::f32, {"N", 1}}, {DType::f32, {"N", 4}}) == "f32[N, 4]");
  BOOST_TEST(add({DType::f32, {"N"}}, {DType::f32, {"M"}}) == "f32[?]");
  BOOST_TEST(add({DType::f32, {"N"}}, {DType::f32, {4}}) == "f32[4]");
  BOOST_TEST(add({DType::f32, {"N"}}, {DType::f32, std::vector<Dim>()}) == "f32[N]");
  BOOST_TEST(add({DType::f32}, {DType::f32, {4}}) == "f32");
  BOOST_CHECK_EXCEPTION(add({DType::f32, {2, 3}}, {DType::f32, {4}}), Error, [](const Error& e) {
    return std::string(e.what()).find("shapes [2, 3] and [4] do not broadcast") != std::string::npos;
  });
  BOOST_CHECK_EXCEPTION(add({DType::f32, {2}}, {DType::i64, {2}}), Error, [](const Error& e) {
    return std::string(e.what()).find("must have one dtype but are f32 and i64") != std::string::npos;
  });
}
