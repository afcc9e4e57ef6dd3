#define BOOST_TEST_MODULE ops_resize
#include <boost/test/unit_test.hpp>

#include <string>

#include "lazyfx/error.hpp"
#include "ops/apply.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

Tensor line(std::initializer_list<float> values) { return f32({1, 1, static_cast<std::int64_t>(values.size())}, values); }
Tensor by(float scale) { return f32({3}, {1, 1, scale}); }

Tensor resized(const Tensor& x, float scale, Keywords attributes) {
  return run("onnx::Resize", {x, Tensor(), by(scale)}, std::move(attributes));
}
Tensor resized_to(const Tensor& x, std::int64_t size, Keywords attributes) {
  return run("onnx::Resize", {x, Tensor(), Tensor(), ints({1, 1, size})}, std::move(attributes));
}

auto says(const std::string& part) {
  return [part](const Error& e) {
    BOOST_TEST_INFO(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(nearest_rounds_as_its_mode_says) {
  const Tensor x = line({1, 2});
  const auto with = [&](const char* mode) {
    return resized(x, 2, {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", mode}});
  };
  // Places 0, 0.5, 1, 1.5 of the input.
  LAZYFX_TEST_SAME(with("floor"), line({1, 1, 2, 2}));
  LAZYFX_TEST_SAME(with("ceil"), line({1, 2, 2, 2}));
  LAZYFX_TEST_SAME(with("round_prefer_floor"), line({1, 1, 2, 2}));
  LAZYFX_TEST_SAME(with("round_prefer_ceil"), line({1, 2, 2, 2}));
}

BOOST_AUTO_TEST_CASE(linear_interpolates_by_each_coordinate_mode) {
  const Tensor x = line({0, 1, 2, 3});
  const auto with = [&](const char* mode, std::int64_t size) {
    return resized_to(x, size, {{"mode", "linear"}, {"coordinate_transformation_mode", mode}});
  };
  LAZYFX_TEST_SAME(with("half_pixel", 8), line({0, 0.25F, 0.75F, 1.25F, 1.75F, 2.25F, 2.75F, 3}));
  LAZYFX_TEST_SAME(with("align_corners", 7), line({0, 0.5F, 1, 1.5F, 2, 2.5F, 3}));
  LAZYFX_TEST_SAME(with("asymmetric", 8), line({0, 0.5F, 1, 1.5F, 2, 2.5F, 3, 3}));
  LAZYFX_TEST_SAME(with("half_pixel", 1), line({1.5F}));
  LAZYFX_TEST_SAME(with("pytorch_half_pixel", 1), line({0}));
  LAZYFX_TEST_SAME(with("half_pixel", 4), x);
}

BOOST_AUTO_TEST_CASE(cubic_keeps_straight_lines_away_from_the_edges) {
  const Tensor x = line({0, 1, 2, 3, 4, 5});
  const Tensor y = resized(x, 2, {{"mode", "cubic"}, {"cubic_coeff_a", -0.5}});
  const auto values = y.values<float>();
  for (std::size_t i = 4; i < 8; ++i) BOOST_TEST(is_close(static_cast<double>(values[i]), (static_cast<double>(i) + 0.5) / 2 - 0.5, 1e-6));
  const Tensor flat = resized(line({2, 2, 2}), 2, {{"mode", "cubic"}, {"exclude_outside", 1}});
  LAZYFX_TEST_SAME(flat, line({2, 2, 2, 2, 2, 2}));
}

BOOST_AUTO_TEST_CASE(sizes_are_rounded_down_as_f32) {
  BOOST_TEST((resized(counting({1, 1, 10}), 2.3F, {}).shape() == Shape{1, 1, 23}));
  BOOST_TEST((resized(counting({1, 1, 5}), 0.6F, {}).shape() == Shape{1, 1, 3}));
}

BOOST_AUTO_TEST_CASE(a_crop_extrapolates_outside_of_the_input) {
  const Tensor region = f32({6}, {0, 0, 0.5F, 1, 1, 1.5F});
  const Tensor y = run("onnx::Resize", {line({0, 1, 2}), region, Tensor(), ints({1, 1, 3})},
                       {{"mode", "linear"}, {"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", 9.0}});
  LAZYFX_TEST_SAME(y, line({1, 2, 9}));
}

BOOST_AUTO_TEST_CASE(older_versions_grow_by_floor_and_shrink_by_ceil) {
  LAZYFX_TEST_SAME(run("onnx::Resize@10", {line({1, 2, 3, 4}), by(0.6F)}), line({1, 3}));
  LAZYFX_TEST_SAME(run("onnx::Resize@10", {line({1, 2}), by(2)}), line({1, 1, 2, 2}));
  LAZYFX_TEST_SAME(run("onnx::Upsample", {line({1, 2}), by(1.5F)}), line({1, 1, 2}));
  LAZYFX_TEST_SAME(run("onnx::Upsample@7", {line({0, 1})}, {{"mode", "linear"}, {"scales", Argument::list({1.0, 1.0, 2.0})}}),
                   line({0, 0.5F, 1, 1}));
}

BOOST_AUTO_TEST_CASE(requests_that_cannot_be_met_are_refused) {
  const Tensor x = line({1, 2});
  BOOST_CHECK_EXCEPTION(run("onnx::Resize", {x}), Error, says("exactly one of scales and sizes"));
  BOOST_CHECK_EXCEPTION(run("onnx::Resize", {x, Tensor(), by(1), ints({1, 1, 2})}), Error, says("exactly one of scales and sizes"));
  BOOST_CHECK_EXCEPTION(run("onnx::Resize", {x, Tensor(), f32({1}, {2})}), Error, says("there are 1 scales for 3 dimensions"));
  BOOST_CHECK_EXCEPTION(resized(x, -1, {}), Error, says("a scale is -1"));
  BOOST_CHECK_EXCEPTION(resized(x, 1e30F, {}), Error, says("out of range"));
  BOOST_CHECK_EXCEPTION(resized_to(x, -4, {}), Error, says("a size is -4"));
  BOOST_CHECK_EXCEPTION(resized(x, 2, {{"mode", "wavy"}}), Error, says("attribute mode is \"wavy\""));
}

BOOST_AUTO_TEST_CASE(types_follow_known_scales) {
  const TensorType x(DType::f32, {"N", 3, "H", 10});
  const Case a{"onnx::Resize", {counting({1, 1, 1, 1}), Tensor(), f32({4}, {1, 1, 2, 2})}, {}, 1};
  const MaybeTypes types{x, std::nullopt, TensorType(DType::f32, {4})};
  BOOST_TEST(to_string(infer_all(a, types, {Tensor(), Tensor(), a.inputs[2]}).front()) == "f32[N, 3, ?, 20]");
  BOOST_TEST(to_string(infer_all(a, types, std::vector<Tensor>(3)).front()) == "f32[?, ?, ?, ?]");
}
