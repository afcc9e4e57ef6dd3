#define BOOST_TEST_MODULE ops_window
#include <boost/test/unit_test.hpp>

#include <string>

#include "lazyfx/error.hpp"
#include "ops/apply.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

auto says(const std::string& part) {
  return [part](const Error& e) {
    BOOST_TEST_INFO(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  };
}

const Tensor ones33 = f32({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1});

std::string typed(const std::string& op, const MaybeTypes& types, Keywords attributes = {}) {
  return to_string(infer(op, types, std::move(attributes)));
}

}  // namespace

// Convolution

BOOST_AUTO_TEST_CASE(a_convolution_sums_what_its_kernel_covers) {
  const Tensor x = counting({1, 1, 5, 5});
  LAZYFX_TEST_SAME(
      run("onnx::Conv", {x, ones33}, {{"pads", int_list({1, 1, 1, 1})}}),
      f32({1, 1, 5, 5}, {12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84}));
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, ones33}), f32({1, 1, 3, 3}, {54, 63, 72, 99, 108, 117, 144, 153, 162}));
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, ones33, f32({1}, {1})}, {{"strides", int_list({2, 2})}}), f32({1, 1, 2, 2}, {55, 73, 145, 163}));
}

BOOST_AUTO_TEST_CASE(same_padding_puts_the_odd_element_at_the_end_named) {
  const Tensor x = counting({1, 1, 4}, 1);
  const Tensor w = f32({1, 1, 2}, {1, 10});
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, w}, {{"auto_pad", "SAME_UPPER"}}), f32({1, 1, 4}, {21, 32, 43, 4}));
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, w}, {{"auto_pad", "SAME_LOWER"}}), f32({1, 1, 4}, {10, 21, 32, 43}));
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, w}, {{"auto_pad", "VALID"}}), f32({1, 1, 3}, {21, 32, 43}));
}

BOOST_AUTO_TEST_CASE(groups_and_dilations_of_a_convolution) {
  const Tensor x = f32({1, 2, 3}, {1, 2, 3, 10, 20, 30});
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, f32({2, 1, 1}, {2, 3})}, {{"group", 2}}), f32({1, 2, 3}, {2, 4, 6, 30, 60, 90}));
  LAZYFX_TEST_SAME(run("onnx::Conv", {x, f32({1, 2, 2}, {1, 1, 1, 1})}, {{"dilations", int_list({2})}}), f32({1, 1, 1}, {44}));
}

BOOST_AUTO_TEST_CASE(a_transposed_convolution_spreads_its_input) {
  const Tensor x = counting({1, 1, 3, 3});
  const Tensor w = f32({1, 2, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  const Tensor y = run("onnx::ConvTranspose", {x, w});
  const Tensor plane = f32({5, 5}, {0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8});
  LAZYFX_TEST_SAME(y.slice(1, 0, 1).reshape(Shape{5, 5}), plane);
  LAZYFX_TEST_SAME(y.slice(1, 1, 1).reshape(Shape{5, 5}), plane);
}

BOOST_AUTO_TEST_CASE(sizes_of_a_transposed_convolution) {
  const Tensor x = counting({1, 1, 3}, 1);
  const Tensor w = f32({1, 1, 2}, {1, 10});
  const Keywords stride{{"strides", int_list({2})}};
  const auto with = [&](const char* name, Argument value) {
    Keywords all = stride;
    all.emplace_back(name, std::move(value));
    return run("onnx::ConvTranspose", {x, w}, all);
  };
  LAZYFX_TEST_SAME(run("onnx::ConvTranspose", {x, w}, stride), f32({1, 1, 6}, {1, 10, 2, 20, 3, 30}));
  LAZYFX_TEST_SAME(with("output_padding", int_list({1})), f32({1, 1, 7}, {1, 10, 2, 20, 3, 30, 0}));
  LAZYFX_TEST_SAME(with("pads", int_list({1, 0})), f32({1, 1, 5}, {10, 2, 20, 3, 30}));
  LAZYFX_TEST_SAME(with("output_shape", int_list({5})), f32({1, 1, 5}, {10, 2, 20, 3, 30}));
  LAZYFX_TEST_SAME(with("auto_pad", "SAME_UPPER"), f32({1, 1, 6}, {1, 10, 2, 20, 3, 30}));
}

BOOST_AUTO_TEST_CASE(convolution_types_keep_names_where_sizes_stay) {
  const TensorType w(DType::f32, {8, 3, 3, 3});
  BOOST_TEST(typed("onnx::Conv", {TensorType(DType::f32, {"N", 3, "H", "W"}), w}, {{"pads", int_list({1, 1, 1, 1})}}) == "f32[N, 8, H, W]");
  BOOST_TEST(typed("onnx::Conv", {TensorType(DType::f32, {"N", 3, "H", 10}), w}) == "f32[N, 8, ?, 8]");
  BOOST_TEST(typed("onnx::Conv", {TensorType(DType::f32, {"N", 3, "H", 10}), w},
                   {{"strides", int_list({1, 2})}, {"auto_pad", "SAME_UPPER"}}) == "f32[N, 8, H, 5]");
  BOOST_TEST(typed("onnx::Conv", {TensorType(DType::f32), w}) == "f32[?, 8, ?, ?]");
  BOOST_TEST(typed("onnx::Conv", {TensorType(DType::f32), TensorType(DType::f32)}) == "f32");
}

BOOST_AUTO_TEST_CASE(convolutions_that_cannot_be_are_refused) {
  const TensorType x(DType::f32, {1, 3, 8, 8});
  const TensorType w(DType::f32, {8, 4, 3, 3});
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, w}), Error, says("input 1 (w) has 4 channels per group in 1 groups but x has 3"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, TensorType(DType::f64, {8, 3, 3, 3})}), Error, says("must have one dtype"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {TensorType(DType::i32, {1, 3, 8, 8}), w}), Error, says("input 0 (x) has dtype i32"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {TensorType(DType::f32, {3, 8}), w}), Error, says("has 2 dimensions where at least 3"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, TensorType(DType::f32, {8, 3, 9, 9})}), Error,
                        says("the kernel covers 9 on spatial axis 0 but the padded input has only 8"));
  const TensorType fits(DType::f32, {8, 3, 3, 3});
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits, TensorType(DType::f32, {7})}), Error,
                        says("the sizes of b and of the output's channels are 7 and 8"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits}, {{"strides", int_list({0, 1})}}), Error, says("attribute strides holds 0"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits}, {{"pads", int_list({1})}}), Error, says("attribute pads has 1 entries where 4"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits}, {{"auto_pad", "MIDDLE"}}), Error, says("attribute auto_pad is \"MIDDLE\""));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits}, {{"group", 0}}), Error, says("attribute group is 0"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Conv", {x, fits}, {{"dilations", int_list({std::int64_t{1} << 40, 1})}}), Error, says("out of range"));
}

// Pooling

BOOST_AUTO_TEST_CASE(max_pool_gives_values_and_places) {
  const Tensor x = counting({1, 1, 5, 5}, 1);
  const Keywords attributes{{"kernel_shape", int_list({5, 5})}, {"pads", int_list({2, 2, 2, 2})}};
  const std::vector<Tensor> both = run_all({"onnx::MaxPool", {x}, attributes, 2});
  LAZYFX_TEST_SAME(both[0].slice(2, 0, 1).reshape(Shape{5}), f32({5}, {13, 14, 15, 15, 15}));
  LAZYFX_TEST_SAME(both[1].slice(2, 0, 1).reshape(Shape{5}), ints({12, 13, 14, 14, 14}));
  Keywords columns = attributes;
  columns[1].second = int_list({0, 0, 0, 0});
  columns.emplace_back("storage_order", 1);
  LAZYFX_TEST_SAME(run_all({"onnx::MaxPool",
                            {f32({1, 1, 5, 5}, {0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
                            columns,
                            2})[1],
                   i64({1, 1, 1, 1}, {5}));
}

BOOST_AUTO_TEST_CASE(ceil_mode_adds_the_window_that_begins_inside) {
  const Keywords by_two{{"kernel_shape", int_list({3})}, {"strides", int_list({2})}, {"ceil_mode", 1}};
  LAZYFX_TEST_SAME(run("onnx::MaxPool", {counting({1, 1, 4}, 1)}, by_two), f32({1, 1, 2}, {3, 4}));
  LAZYFX_TEST_SAME(run("onnx::AveragePool", {counting({1, 1, 4}, 1)}, by_two), f32({1, 1, 2}, {2, 3.5F}));
  const Keywords beyond{{"kernel_shape", int_list({1})}, {"strides", int_list({3})}, {"ceil_mode", 1}};
  LAZYFX_TEST_SAME(run("onnx::MaxPool", {counting({1, 1, 3}, 1)}, beyond), f32({1, 1, 1}, {1}));
}

BOOST_AUTO_TEST_CASE(an_average_counts_pads_only_when_asked) {
  const Tensor x = f32({1, 1, 2}, {2, 4});
  Keywords attributes{{"kernel_shape", int_list({2})}, {"pads", int_list({1, 1})}};
  LAZYFX_TEST_SAME(run("onnx::AveragePool", {x}, attributes), f32({1, 1, 3}, {2, 3, 4}));
  attributes.emplace_back("count_include_pad", 1);
  LAZYFX_TEST_SAME(run("onnx::AveragePool", {x}, attributes), f32({1, 1, 3}, {1, 3, 2}));
  // What ceil mode adds beyond the pads never counts.
  const Keywords both{
      {"kernel_shape", int_list({2})}, {"strides", int_list({2})}, {"pads", int_list({0, 0})}, {"ceil_mode", 1}, {"count_include_pad", 1}};
  LAZYFX_TEST_SAME(run("onnx::AveragePool", {f32({1, 1, 3}, {1, 3, 5})}, both), f32({1, 1, 2}, {2, 5}));
}

BOOST_AUTO_TEST_CASE(global_pools_reduce_planes) {
  const Tensor x = counting({1, 2, 2, 2});
  LAZYFX_TEST_SAME(run("onnx::GlobalAveragePool", {x}), f32({1, 2, 1, 1}, {1.5F, 5.5F}));
  LAZYFX_TEST_SAME(run("onnx::GlobalMaxPool", {x}), f32({1, 2, 1, 1}, {3, 7}));
  BOOST_TEST(typed("onnx::GlobalAveragePool", {TensorType(DType::f32, {"N", 3, "H", "W"})}) == "f32[N, 3, 1, 1]");
}

BOOST_AUTO_TEST_CASE(pools_that_cannot_be_are_refused) {
  const TensorType x(DType::f32, {1, 1, 4});
  BOOST_CHECK_EXCEPTION(infer("onnx::MaxPool", {x}, {{"kernel_shape", int_list({5})}}), Error, says("the kernel covers 5"));
  BOOST_CHECK_EXCEPTION(infer("onnx::MaxPool", {x}, {{"kernel_shape", int_list({2, 2})}}), Error,
                        says("has 2 entries but X has 1 spatial axes"));
  BOOST_CHECK_EXCEPTION(infer("onnx::AveragePool", {TensorType(DType::i64, {1, 1, 4})}, {{"kernel_shape", int_list({2})}}), Error,
                        says("has dtype i64"));
}

// Normalization

BOOST_AUTO_TEST_CASE(batch_normalization_scales_and_shifts_channels) {
  const Tensor x = f32({1, 2, 1, 3}, {-1, 0, 1, 2, 3, 4});
  const std::vector<Tensor> inputs{x, f32({2}, {1, 1.5F}), f32({2}, {0, 1}), f32({2}, {0, 3}), f32({2}, {1, 1.5F})};
  const Tensor expected = f32({1, 2, 1, 3}, {-0.999995F, 0, 0.999995F, -0.22474074F, 1, 2.2247407F});
  LAZYFX_TEST_SAME(run("onnx::BatchNormalization", inputs), expected);
  LAZYFX_TEST_SAME(run("onnx::BatchNormalization@7", inputs), expected);
  BOOST_CHECK_EXCEPTION(run_all({"onnx::BatchNormalization@9", inputs, {}, 3}), Error, says("training is not offered"));
}

BOOST_AUTO_TEST_CASE(instance_and_layer_normalization_make_rows_standard) {
  const Tensor x = f32({1, 1, 1, 4}, {1, 1, 3, 3});
  LAZYFX_TEST_SAME(run("onnx::InstanceNormalization", {x, f32({1}, {2}), f32({1}, {1})}, {{"epsilon", 0.0}}),
                   f32({1, 1, 1, 4}, {-1, -1, 3, 3}));
  const std::vector<Tensor> layer =
      run_all({"onnx::LayerNormalization", {f32({2, 2}, {1, 3, 2, 6}), f32({2}, {1, 2})}, {{"epsilon", 0.0}}, 3});
  LAZYFX_TEST_SAME(layer[0], f32({2, 2}, {-1, 2, -1, 2}));
  LAZYFX_TEST_SAME(layer[1], f32({2, 1}, {2, 4}));
  LAZYFX_TEST_SAME(layer[2], f32({2, 1}, {1, 0.5F}));
}
