#define BOOST_TEST_MODULE ops_movement
#include <boost/test/unit_test.hpp>

#include <limits>
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

Tensor strings(Shape shape, std::initializer_list<std::string> values) { return Tensor::from<std::string>(values, shape); }

/// What the type rule says of `x` when the second input is this constant.
std::string typed_with(const std::string& op, const TensorType& x, const Tensor& second, Keywords attributes = {}) {
  const Case a{op, {Tensor::scalar(0.0F), second}, std::move(attributes), 1};
  return to_string(infer_all(a, {x, TensorType(second.dtype(), second.shape())}, {Tensor(), second}).front());
}

const Tensor x23 = f32({2, 3}, {1, 2, 3, 4, 5, 6});

}  // namespace

// Shapes

BOOST_AUTO_TEST_CASE(reshape_copies_and_infers_dimensions) {
  const Tensor x = counting({2, 3, 4});
  BOOST_TEST((run("onnx::Reshape", {x, ints({0, -1})}).shape() == Shape{2, 12}));
  BOOST_TEST((run("onnx::Reshape", {x, ints({4, -1, 2})}).shape() == Shape{4, 3, 2}));
  BOOST_TEST((run("onnx::Reshape", {f32({0, 3}, {}), ints({3, 0})}, {{"allowzero", 1}}).shape() == Shape{3, 0}));
  BOOST_TEST((run("onnx::Reshape", {Tensor::scalar(1.0F), ints({})}).shape() == Shape{}));
  LAZYFX_TEST_SAME(run("onnx::Reshape", {x23, ints({3, 2})}), f32({3, 2}, {1, 2, 3, 4, 5, 6}));
  BOOST_CHECK_EXCEPTION(run("onnx::Reshape", {x, ints({5, -1})}), Error, says("a tensor of shape [2, 3, 4] cannot be reshaped to [5, ?]"));
  BOOST_CHECK_EXCEPTION(run("onnx::Reshape", {x, ints({-1, -1})}), Error, says("more than one dimension"));
  BOOST_CHECK_EXCEPTION(run("onnx::Reshape", {x, ints({2, 3, 4, 0})}), Error, says("there is none to copy"));
  BOOST_CHECK_EXCEPTION(run("onnx::Reshape", {x, ints({-2, 12})}), Error, says("is -2"));
}

BOOST_AUTO_TEST_CASE(reshape_types_follow_names) {
  const TensorType x(DType::f32, {"N", 3, 4});
  BOOST_TEST(typed_with("onnx::Reshape", x, ints({0, -1})) == "f32[N, 12]");
  BOOST_TEST(typed_with("onnx::Reshape", x, ints({-1, 12})) == "f32[N, 12]");
  BOOST_TEST(typed_with("onnx::Reshape", x, ints({-1, 6})) == "f32[?, 6]");
  BOOST_TEST(typed_with("onnx::Reshape", TensorType(DType::f32), ints({0, 6, -1})) == "f32[?, 6, ?]");
  BOOST_TEST(to_string(infer("onnx::Reshape", {x, TensorType(DType::i64, {2})})) == "f32[?, ?]");
}

BOOST_AUTO_TEST_CASE(axes_come_and_go) {
  const Tensor x = counting({1, 3, 1});
  BOOST_TEST((run("onnx::Squeeze", {x}).shape() == Shape{3}));
  BOOST_TEST((run("onnx::Squeeze", {x, ints({-1})}).shape() == Shape{1, 3}));
  BOOST_TEST((run("onnx::Squeeze@1", {x}, {{"axes", int_list({0})}}).shape() == Shape{3, 1}));
  BOOST_TEST((run("onnx::Unsqueeze", {x23, ints({0, -1})}).shape() == Shape{1, 2, 3, 1}));
  BOOST_TEST((run("onnx::Unsqueeze@1", {x23}, {{"axes", int_list({1})}}).shape() == Shape{2, 1, 3}));
  BOOST_TEST((run("onnx::Flatten", {counting({2, 3, 4})}, {{"axis", 2}}).shape() == Shape{6, 4}));
  BOOST_TEST((run("onnx::Flatten", {counting({2, 3, 4})}, {{"axis", 0}}).shape() == Shape{1, 24}));
  BOOST_CHECK_EXCEPTION(run("onnx::Squeeze", {x, ints({1})}), Error, says("axis 1 to squeeze has size 3"));
  BOOST_CHECK_EXCEPTION(run("onnx::Unsqueeze", {x23, ints({1, 1})}), Error, says("axis 1 is given twice"));
  BOOST_CHECK_EXCEPTION(run("onnx::Unsqueeze", {x23, ints({4})}), Error, says("axis 4 is outside of rank 3"));
}

BOOST_AUTO_TEST_CASE(shape_and_size_are_values) {
  LAZYFX_TEST_SAME(run("onnx::Shape", {counting({2, 3, 4})}), ints({2, 3, 4}));
  LAZYFX_TEST_SAME(run("onnx::Shape", {counting({2, 3, 4})}, {{"start", -2}}), ints({3, 4}));
  LAZYFX_TEST_SAME(run("onnx::Shape", {counting({2, 3, 4})}, {{"start", 2}, {"end", 1}}), ints({}));
  LAZYFX_TEST_SAME(run("onnx::Size", {counting({2, 3, 4})}), Tensor::scalar(std::int64_t{24}));
}

BOOST_AUTO_TEST_CASE(transpose_expand_and_tile) {
  LAZYFX_TEST_SAME(run("onnx::Transpose", {x23}), f32({3, 2}, {1, 4, 2, 5, 3, 6}));
  LAZYFX_TEST_SAME(run("onnx::Transpose", {strings({2, 2}, {"a", "b", "c", "d"})}), strings({2, 2}, {"a", "c", "b", "d"}));
  LAZYFX_TEST_SAME(run("onnx::Expand", {f32({2, 1}, {1, 2}), ints({3, 1, 2})}), f32({3, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
  LAZYFX_TEST_SAME(run("onnx::Expand", {x23, ints({1, 1})}), x23);
  LAZYFX_TEST_SAME(run("onnx::Tile", {f32({1, 2}, {1, 2}), ints({2, 2})}), f32({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}));
  LAZYFX_TEST_SAME(run("onnx::Tile", {f32({2}, {1, 2}), ints({0})}), f32({0}, {}));
  BOOST_CHECK_EXCEPTION(run("onnx::Transpose", {x23}, {{"perm", int_list({0, 0})}}), Error, says("axis 0 is given twice"));
  BOOST_CHECK_EXCEPTION(run("onnx::Transpose", {x23}, {{"perm", int_list({0})}}), Error, says("perm has 1 entries for 2 dimensions"));
  BOOST_CHECK_EXCEPTION(run("onnx::Expand", {x23, ints({2, 2})}), Error, says("do not broadcast"));
}

BOOST_AUTO_TEST_CASE(depth_and_space_change_places) {
  const Tensor x = counting({1, 4, 1, 2});
  LAZYFX_TEST_SAME(run("onnx::DepthToSpace", {x}, {{"blocksize", 2}}), f32({1, 1, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7}));
  LAZYFX_TEST_SAME(run("onnx::SpaceToDepth", {f32({1, 1, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7})}, {{"blocksize", 2}}), x);
  const Tensor deep = counting({1, 8, 1, 1});
  LAZYFX_TEST_SAME(run("onnx::DepthToSpace", {deep}, {{"blocksize", 2}}), f32({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7}));
  LAZYFX_TEST_SAME(run("onnx::DepthToSpace", {deep}, {{"blocksize", 2}, {"mode", "CRD"}}), f32({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
  BOOST_CHECK_EXCEPTION(run("onnx::DepthToSpace", {counting({1, 3, 1, 1})}, {{"blocksize", 2}}), Error, says("3, is not a multiple of 4"));
}

// Slices

BOOST_AUTO_TEST_CASE(slices_clamp_and_step_both_ways) {
  const Tensor x = counting({5});
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  const auto slice = [&](std::int64_t start, std::int64_t end, std::int64_t step) {
    return run("onnx::Slice", {x, ints({start}), ints({end}), ints({0}), ints({step})});
  };
  LAZYFX_TEST_SAME(slice(1, 3, 1), f32({2}, {1, 2}));
  LAZYFX_TEST_SAME(slice(0, most, 2), f32({3}, {0, 2, 4}));
  LAZYFX_TEST_SAME(slice(-2, 100, 1), f32({2}, {3, 4}));
  LAZYFX_TEST_SAME(slice(-1, least, -1), f32({5}, {4, 3, 2, 1, 0}));
  LAZYFX_TEST_SAME(slice(3, 0, -2), f32({2}, {3, 1}));
  LAZYFX_TEST_SAME(slice(3, 2, 1), f32({0}, {}));
  LAZYFX_TEST_SAME(slice(0, 5, most), f32({1}, {0}));
  LAZYFX_TEST_SAME(slice(4, least, least), f32({1}, {4}));
  BOOST_CHECK_EXCEPTION(slice(0, 1, 0), Error, says("a step is 0"));
  LAZYFX_TEST_SAME(run("onnx::Slice", {x23, ints({0, 1}), ints({1, 3})}), f32({1, 2}, {2, 3}));
  LAZYFX_TEST_SAME(run("onnx::Slice@1", {x23}, {{"starts", int_list({1})}, {"ends", int_list({-1})}, {"axes", int_list({-1})}}),
                   f32({2, 1}, {2, 5}));
  BOOST_CHECK_EXCEPTION(run("onnx::Slice", {x, ints({0}), ints({1, 2})}), Error, says("1 starts but 2 ends"));
}

BOOST_AUTO_TEST_CASE(slice_types_keep_what_is_not_cut) {
  const TensorType x(DType::f32, {"N", "L", 8});
  const Case a{"onnx::Slice", {Tensor::scalar(0.0F), ints({1}), ints({5}), ints({2})}, {}, 1};
  const MaybeTypes types{x, TensorType(DType::i64, {1}), TensorType(DType::i64, {1}), TensorType(DType::i64, {1})};
  BOOST_TEST(to_string(infer_all(a, types, a.inputs).front()) == "f32[N, L, 4]");
  BOOST_TEST(to_string(infer_all(a, types, {Tensor(), Tensor(), Tensor(), ints({1})}).front()) == "f32[N, ?, 8]");
  BOOST_TEST(to_string(infer_all(a, types, std::vector<Tensor>(4)).front()) == "f32[?, ?, ?]");
}

BOOST_AUTO_TEST_CASE(splits_are_equal_or_of_the_sizes_given) {
  const Tensor x = counting({6});
  const auto equal_parts = run_all({"onnx::Split", {x}, {}, 3});
  LAZYFX_TEST_SAME(equal_parts[2], f32({2}, {4, 5}));
  const auto parts = run_all({"onnx::Split", {x, ints({1, 0, 5})}, {}, 3});
  LAZYFX_TEST_SAME(parts[0], f32({1}, {0}));
  LAZYFX_TEST_SAME(parts[1], f32({0}, {}));
  LAZYFX_TEST_SAME(run_all({"onnx::Split@2", {x23}, {{"axis", 1}, {"split", int_list({1, 2})}}, 2})[1], f32({2, 2}, {2, 3, 5, 6}));
  BOOST_CHECK_EXCEPTION(run_all({"onnx::Split", {x}, {}, 4}), Error, says("does not divide into 4 equal parts"));
  BOOST_CHECK_EXCEPTION(run_all({"onnx::Split", {x, ints({1, 2})}, {}, 2}), Error, says("the parts add up to 3 but the axis has size 6"));
}

BOOST_AUTO_TEST_CASE(concat_joins_any_dtype) {
  LAZYFX_TEST_SAME(run("onnx::Concat", {x23, f32({2, 1}, {7, 8})}, {{"axis", -1}}), f32({2, 4}, {1, 2, 3, 7, 4, 5, 6, 8}));
  LAZYFX_TEST_SAME(run("onnx::Concat", {strings({1}, {"a"}), strings({2}, {"b", "c"})}, {{"axis", 0}}), strings({3}, {"a", "b", "c"}));
  BOOST_CHECK_EXCEPTION(run("onnx::Concat", {x23, f32({1, 1}, {7})}, {{"axis", 1}}), Error,
                        says("the sizes of the inputs up to 1 on axis 0 are 2 and 1"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Concat", {TensorType(DType::f32, {2, 3}), TensorType(DType::f32, {3, 3})}, {{"axis", 1}}), Error,
                        says("are 2 and 3"));
  BOOST_TEST(to_string(infer("onnx::Concat", {TensorType(DType::f32, {"N", 3}), TensorType(DType::f32, {"N", 4})}, {{"axis", 1}})) ==
             "f32[N, 7]");
}

BOOST_AUTO_TEST_CASE(pads_add_constants_reflections_and_edges) {
  const Tensor x = f32({3, 2}, {1, 1.2F, 2.3F, 3.4F, 4.5F, 5.7F});
  LAZYFX_TEST_SAME(run("onnx::Pad", {x, ints({0, 2, 0, 0})}), f32({3, 4}, {0, 0, 1, 1.2F, 0, 0, 2.3F, 3.4F, 0, 0, 4.5F, 5.7F}));
  LAZYFX_TEST_SAME(run("onnx::Pad", {f32({3}, {1, 2, 3}), ints({2, 2})}, {{"mode", "reflect"}}), f32({7}, {3, 2, 1, 2, 3, 2, 1}));
  LAZYFX_TEST_SAME(run("onnx::Pad", {f32({3}, {1, 2, 3}), ints({2, 1})}, {{"mode", "edge"}}), f32({6}, {1, 1, 1, 2, 3, 3}));
  LAZYFX_TEST_SAME(run("onnx::Pad", {f32({3}, {1, 2, 3}), ints({-1, 2}), Tensor::scalar(9.0F)}), f32({4}, {2, 3, 9, 9}));
  LAZYFX_TEST_SAME(run("onnx::Pad@2", {f32({1}, {1})}, {{"pads", int_list({1, 0})}, {"value", 5.0}}), f32({2}, {5, 1}));
  LAZYFX_TEST_SAME(run("onnx::Pad", {f32({0}, {}), ints({1, 1})}), f32({2}, {0, 0}));
  BOOST_CHECK_EXCEPTION(run("onnx::Pad", {x, ints({0, 2})}), Error, says("there are 2 pads for 2 dimensions"));
  BOOST_CHECK_EXCEPTION(run("onnx::Pad", {f32({2}, {1, 2}), ints({-2, -1})}), Error, says("cut more than an axis of 2"));
  BOOST_CHECK_EXCEPTION(run("onnx::Pad", {f32({0}, {}), ints({1, 1})}, {{"mode", "edge"}}), Error, says("without elements"));
}

BOOST_AUTO_TEST_CASE(gathers_take_slices_or_elements) {
  LAZYFX_TEST_SAME(run("onnx::Gather", {x23, ints({2, -3})}, {{"axis", 1}}), f32({2, 2}, {3, 1, 6, 4}));
  LAZYFX_TEST_SAME(run("onnx::Gather", {x23, Tensor::scalar(std::int64_t{1})}), f32({3}, {4, 5, 6}));
  LAZYFX_TEST_SAME(run("onnx::Gather", {strings({2}, {"a", "b"}), i64({1, 2}, {1, 1})}), strings({1, 2}, {"b", "b"}));
  LAZYFX_TEST_SAME(run("onnx::GatherElements", {f32({2, 2}, {1, 2, 3, 4}), i64({2, 2}, {0, 0, 1, -2})}, {{"axis", 1}}),
                   f32({2, 2}, {1, 1, 4, 3}));
  BOOST_CHECK_EXCEPTION(run("onnx::Gather", {x23, ints({2})}), Error, says("index 2 is outside of an axis of 2"));
  BOOST_TEST(to_string(infer("onnx::Gather", {TensorType(DType::f32, {"V", 8}), TensorType(DType::i64, {"N", 3})})) == "f32[N, 3, 8]");
}

BOOST_AUTO_TEST_CASE(one_hot_ignores_indices_outside) {
  LAZYFX_TEST_SAME(run("onnx::OneHot", {ints({0, -1, 7}), Tensor::scalar(std::int64_t{3}), f32({2}, {2, 5})}),
                   f32({3, 3}, {5, 2, 2, 2, 2, 5, 2, 2, 2}));
  LAZYFX_TEST_SAME(run("onnx::OneHot", {ints({0, 1}), ints({2}), ints({0, 1})}, {{"axis", 0}}), i64({2, 2}, {1, 0, 0, 1}));
}

// Constants

BOOST_AUTO_TEST_CASE(constants_come_from_attributes) {
  LAZYFX_TEST_SAME(run("onnx::Constant", {}, {{"value", x23}}), x23);
  LAZYFX_TEST_SAME(run("onnx::Constant", {}, {{"value_float", 1.5}}), Tensor::scalar(1.5F));
  LAZYFX_TEST_SAME(run("onnx::Constant", {}, {{"value_ints", int_list({1, 2})}}), ints({1, 2}));
  LAZYFX_TEST_SAME(run("onnx::Constant", {}, {{"value_string", "text"}}), Tensor::scalar(std::string("text")));
  LAZYFX_TEST_SAME(run("onnx::ConstantOfShape", {ints({2, 1})}), f32({2, 1}, {0, 0}));
  LAZYFX_TEST_SAME(run("onnx::ConstantOfShape", {ints({2})}, {{"value", ints({7})}}), ints({7, 7}));
  LAZYFX_TEST_SAME(run("onnx::ConstantOfShape", {ints({})}), Tensor::scalar(0.0F));
  BOOST_CHECK_EXCEPTION(run("onnx::Constant", {}), Error, says("no attribute gives a value"));
  BOOST_CHECK_THROW(run("onnx::ConstantOfShape", {ints({-1})}), Error);
}

BOOST_AUTO_TEST_CASE(ranges_count_up_and_down) {
  const auto range = [](std::int64_t a, std::int64_t b, std::int64_t step) {
    return run("onnx::Range", {Tensor::scalar(a), Tensor::scalar(b), Tensor::scalar(step)});
  };
  LAZYFX_TEST_SAME(range(1, 6, 2), ints({1, 3, 5}));
  LAZYFX_TEST_SAME(range(5, 0, -2), ints({5, 3, 1}));
  LAZYFX_TEST_SAME(range(0, 0, 1), ints({}));
  BOOST_CHECK_EXCEPTION(range(0, 1, 0), Error, says("input 2 (delta) is 0"));
  BOOST_CHECK_THROW(range(0, std::numeric_limits<std::int64_t>::max(), 1), Error);
  LAZYFX_TEST_SAME(run("onnx::Range", {Tensor::scalar(0.0F), Tensor::scalar(1.0F), Tensor::scalar(0.4F)}), f32({3}, {0, 0.4F, 0.8F}));
}

BOOST_AUTO_TEST_CASE(eye_like_has_one_diagonal) {
  LAZYFX_TEST_SAME(run("onnx::EyeLike", {x23}, {{"k", 1}}), f32({2, 3}, {0, 1, 0, 0, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::EyeLike", {x23}, {{"k", -1}, {"dtype", DType::i64}}), i64({2, 3}, {0, 0, 0, 1, 0, 0}));
}

BOOST_AUTO_TEST_CASE(dropout_passes_its_input_on) {
  const auto both = run_all({"onnx::Dropout", {x23, Tensor::scalar(0.5F), Tensor::scalar(false)}, {}, 2});
  LAZYFX_TEST_SAME(both[0], x23);
  LAZYFX_TEST_SAME(both[1], Tensor::scalar(true).expand(Shape{2, 3}));
  BOOST_CHECK_EXCEPTION(run("onnx::Dropout", {x23, Tensor(), Tensor::scalar(true)}), Error, says("training is not offered"));
}

BOOST_AUTO_TEST_CASE(items_are_not_taken_of_tensors) {
  BOOST_CHECK_EXCEPTION(run("getitem", {x23, Tensor::scalar(std::int64_t{0})}), Error, says("not of tensors"));
}
