#define BOOST_TEST_MODULE ops_reduction
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
const Tensor x32 = f32({3, 2}, {1, 2, 3, 4, 5, 6});

auto says(const std::string& part) {
  return [part](const Error& e) {
    BOOST_TEST_INFO(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_reduction_follows_its_formula) {
  const auto over_rows = [](const char* op) { return run(op, {x32}, {{"axes", int_list({1})}, {"keepdims", 0}}); };
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceSum@1"), f32({3}, {3, 7, 11}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceMean"), f32({3}, {1.5F, 3.5F, 5.5F}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceMax"), f32({3}, {2, 4, 6}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceMin"), f32({3}, {1, 3, 5}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceProd"), f32({3}, {2, 12, 30}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceSumSquare"), f32({3}, {5, 25, 61}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceL1"), f32({3}, {3, 7, 11}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceL2"), f32({3}, {2.236068F, 5, 7.8102497F}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceLogSum"), f32({3}, {1.0986123F, 1.9459101F, 2.3978953F}));
  LAZYFX_TEST_SAME(over_rows("onnx::ReduceLogSumExp"), f32({3}, {2.3132617F, 4.3132617F, 6.3132617F}));
}

BOOST_AUTO_TEST_CASE(axes_default_to_all_and_dimensions_are_kept) {
  LAZYFX_TEST_SAME(run("onnx::ReduceMean", {x32}), f32({1, 1}, {3.5F}));
  LAZYFX_TEST_SAME(run("onnx::ReduceMean", {x32}, {{"axes", int_list({-2})}}), f32({1, 2}, {3, 4}));
  LAZYFX_TEST_SAME(run("onnx::ReduceSum", {x32, ints({0})}), f32({1, 2}, {9, 12}));
  LAZYFX_TEST_SAME(run("onnx::ReduceSum", {x32, ints({})}, {{"noop_with_empty_axes", 1}}), x32);
  LAZYFX_TEST_SAME(run("onnx::ReduceSum", {x32}, {{"keepdims", 0}}), Tensor::scalar(21.0F));
  LAZYFX_TEST_SAME(run("onnx::ReduceMax", {Tensor::scalar(3.0F)}), Tensor::scalar(3.0F));
}

BOOST_AUTO_TEST_CASE(reductions_of_integers_and_of_nothing) {
  LAZYFX_TEST_SAME(run("onnx::ReduceMean", {ints({1, 2, 4})}), ints({2}));
  LAZYFX_TEST_SAME(run("onnx::ReduceL1", {ints({-3, 4})}), ints({7}));
  LAZYFX_TEST_SAME(run("onnx::ReduceL2", {ints({-3, 4})}), ints({5}));
  LAZYFX_TEST_SAME(run("onnx::ReduceMax", {ints({-3, -4})}), ints({-3}));
  const Tensor none = f32({2, 0}, {});
  LAZYFX_TEST_SAME(run("onnx::ReduceSum", {none, ints({1})}), f32({2, 1}, {0, 0}));
  LAZYFX_TEST_SAME(run("onnx::ReduceProd", {none}, {{"axes", int_list({1})}}), f32({2, 1}, {1, 1}));
  LAZYFX_TEST_SAME(run("onnx::ReduceMax", {none}, {{"axes", int_list({1})}}), f32({2, 1}, {-inf, -inf}));
}

BOOST_AUTO_TEST_CASE(large_exponents_do_not_overflow) {
  LAZYFX_TEST_SAME(run("onnx::ReduceLogSumExp", {f32({2}, {1000, 1000})}), f32({1}, {1000.6931F}));
  LAZYFX_TEST_SAME(run("onnx::Softmax", {f32({2}, {1000, 1000})}), f32({2}, {0.5F, 0.5F}));
}

BOOST_AUTO_TEST_CASE(softmax_is_over_one_axis_since_version_13_and_over_the_rest_before) {
  const Tensor x = f32({1, 2, 2}, {0, 0, 0, 0});
  LAZYFX_TEST_SAME(run("onnx::Softmax", {x}, {{"axis", 1}}), f32({1, 2, 2}, {0.5F, 0.5F, 0.5F, 0.5F}));
  LAZYFX_TEST_SAME(run("onnx::Softmax@1", {x}), f32({1, 2, 2}, {0.25F, 0.25F, 0.25F, 0.25F}));
  LAZYFX_TEST_SAME(run("onnx::Softmax", {f32({3}, {-1, 0, 1})}), f32({3}, {0.09003058F, 0.24472848F, 0.66524094F}));
  LAZYFX_TEST_SAME(run("onnx::LogSoftmax", {f32({3}, {-1, 0, 1})}), f32({3}, {-2.4076059F, -1.407606F, -0.40760595F}));
  LAZYFX_TEST_SAME(run("onnx::Hardmax", {f32({2, 3}, {3, 0, 1, 2, 5, 5})}), f32({2, 3}, {1, 0, 0, 0, 1, 0}));
}

BOOST_AUTO_TEST_CASE(of_equal_elements_the_first_or_the_last_wins) {
  const Tensor x = f32({2, 2}, {2, 2, 3, 10});
  LAZYFX_TEST_SAME(run("onnx::ArgMax", {x}, {{"axis", 1}}), i64({2, 1}, {0, 1}));
  LAZYFX_TEST_SAME(run("onnx::ArgMax", {x}, {{"axis", 1}, {"select_last_index", 1}, {"keepdims", 0}}), ints({1, 1}));
  LAZYFX_TEST_SAME(run("onnx::ArgMin", {x}), i64({1, 2}, {0, 0}));
  BOOST_CHECK_EXCEPTION(run("onnx::ArgMax", {f32({2, 0}, {})}, {{"axis", 1}}), Error, says("no elements to choose from"));
}

BOOST_AUTO_TEST_CASE(top_k_is_sorted_and_stable) {
  const Tensor x = f32({2, 4}, {0, 3, 3, 1, 4, 5, 6, 7});
  const auto top = run_all({"onnx::TopK", {x, ints({3})}, {}, 2});
  LAZYFX_TEST_SAME(top[0], f32({2, 3}, {3, 3, 1, 7, 6, 5}));
  LAZYFX_TEST_SAME(top[1], i64({2, 3}, {1, 2, 3, 3, 2, 1}));
  const auto bottom = run_all({"onnx::TopK", {x, ints({1})}, {{"axis", 0}, {"largest", 0}}, 2});
  LAZYFX_TEST_SAME(bottom[0], f32({1, 4}, {0, 3, 3, 1}));
  LAZYFX_TEST_SAME(bottom[1], i64({1, 4}, {0, 0, 0, 0}));
  BOOST_CHECK_EXCEPTION(run_all({"onnx::TopK", {x, ints({5})}, {}, 2}), Error, says("k is 5 but axis 1 has size 4"));
}

BOOST_AUTO_TEST_CASE(cumulative_sums_run_both_ways) {
  const Tensor x = f32({3}, {1, 2, 3});
  const Tensor axis = Tensor::scalar(std::int64_t{0});
  LAZYFX_TEST_SAME(run("onnx::CumSum", {x, axis}), f32({3}, {1, 3, 6}));
  LAZYFX_TEST_SAME(run("onnx::CumSum", {x, axis}, {{"exclusive", 1}}), f32({3}, {0, 1, 3}));
  LAZYFX_TEST_SAME(run("onnx::CumSum", {x, axis}, {{"reverse", 1}}), f32({3}, {6, 5, 3}));
  LAZYFX_TEST_SAME(run("onnx::CumSum", {x, axis}, {{"reverse", 1}, {"exclusive", 1}}), f32({3}, {5, 3, 0}));
}

BOOST_AUTO_TEST_CASE(non_zero_lists_indices_by_axis) {
  LAZYFX_TEST_SAME(run("onnx::NonZero", {f32({2, 2}, {1, 0, 1, 1})}), i64({2, 3}, {0, 1, 1, 0, 0, 1}));
  LAZYFX_TEST_SAME(run("onnx::NonZero", {f32({2}, {0, 0})}), i64({1, 0}, {}));
}

BOOST_AUTO_TEST_CASE(matmul_takes_vectors_and_stacks_of_matrices) {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4});
  LAZYFX_TEST_SAME(run("onnx::MatMul", {a, f32({2, 1}, {1, 10})}), f32({2, 1}, {21, 43}));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {a, f32({2}, {1, 10})}), f32({2}, {21, 43}));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {f32({2}, {1, 10}), a}), f32({2}, {31, 42}));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {f32({2}, {1, 10}), f32({2}, {2, 3})}), Tensor::scalar(32.0F));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {f32({2, 1, 2}, {1, 0, 0, 1}), a}), f32({2, 1, 2}, {1, 2, 3, 4}));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {f32({2, 0}, {}), f32({0, 2}, {})}), f32({2, 2}, {0, 0, 0, 0}));
  LAZYFX_TEST_SAME(run("onnx::MatMul", {ints({3}), ints({4})}), Tensor::scalar(std::int64_t{12}));
  BOOST_CHECK_EXCEPTION(run("onnx::MatMul", {a, f32({3, 1}, {1, 2, 3})}), Error, says("the columns of A and the rows of B are 2 and 3"));
  BOOST_CHECK_EXCEPTION(infer("onnx::MatMul", {TensorType(DType::f32, {"N", 4}), TensorType(DType::f32, {5, 2})}), Error,
                        says("are 4 and 5"));
  BOOST_TEST(to_string(infer("onnx::MatMul", {TensorType(DType::f32, {"B", "N", 4}), TensorType(DType::f32, {4, 2})})) == "f32[B, N, 2]");
}

BOOST_AUTO_TEST_CASE(gemm_scales_transposes_and_adds) {
  const Tensor a = f32({2, 1}, {1, 2});
  const Tensor b = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  LAZYFX_TEST_SAME(run("onnx::Gemm", {a, b, Tensor::scalar(10.0F)}, {{"transA", 1}, {"alpha", 2.0}, {"beta", 0.5}}),
                   f32({1, 3}, {23, 29, 35}));
  LAZYFX_TEST_SAME(run("onnx::Gemm", {f32({1, 3}, {1, 1, 1}), b, f32({2}, {1, 2})}, {{"transB", 1}}), f32({1, 2}, {7, 17}));
  BOOST_CHECK_EXCEPTION(
      infer("onnx::Gemm", {TensorType(DType::f32, {1, 3}), TensorType(DType::f32, {3, 2}), TensorType(DType::f32, {4, 2})}), Error,
      says("input 2 (C) of shape [4, 2] does not broadcast to the product of shape [1, 2]"));
  BOOST_CHECK_EXCEPTION(infer("onnx::Gemm", {TensorType(DType::f32, {1, 3, 1}), TensorType(DType::f32, {3, 2})}), Error,
                        says("has 3 dimensions where 2"));
}
