#define BOOST_TEST_MODULE ops_limits
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "lazyfx/error.hpp"
#include "ops/apply.hpp"
#include "ops/cases.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

constexpr std::int64_t huge = std::int64_t{1} << 50;
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

/// Without elements, however large its other dimensions.
Tensor nothing(std::initializer_list<std::int64_t> dims) { return Tensor::zeros(DType::f32, Shape(dims)); }

/// An Error, and soon: nothing that large is tried.
bool refused(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error&) { return true; }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(tensors_without_elements_cost_nothing_whatever_their_shape) {
  const Keywords kernel{{"kernel_shape", int_list({1, 1})}};
  BOOST_TEST(run("onnx::Tile", {nothing({0, 1}), ints({1, huge})}).size() == 0);
  BOOST_TEST(run("onnx::EyeLike", {nothing({huge, 0})}).size() == 0);
  BOOST_TEST(run("onnx::MatMul", {nothing({huge, 0, 2}), nothing({2, 3})}).size() == 0);
  BOOST_TEST(run("onnx::Conv", {nothing({huge, 0, 1, 1}), nothing({0, 0, 1, 1})}).size() == 0);
  BOOST_TEST(run("onnx::Conv", {nothing({huge, 0, 1}), nothing({0, 0, 1})}).size() == 0);
  BOOST_TEST(run("onnx::MaxPool", {nothing({huge, 0, 1, 1})}, kernel).size() == 0);
  BOOST_TEST(run("onnx::InstanceNormalization", {nothing({huge, 1, 0}), nothing({1}), nothing({1})}).size() == 0);
  BOOST_TEST(run("onnx::Softmax", {nothing({huge, 0})}).size() == 0);
  BOOST_TEST(run("onnx::Softmax@1", {nothing({huge, 0})}).size() == 0);
  BOOST_TEST(run("onnx::CumSum", {nothing({huge, 0}), Tensor::scalar(std::int64_t{0})}).size() == 0);
  BOOST_TEST(run("onnx::Transpose", {nothing({huge, 0})}).size() == 0);
  BOOST_TEST(run("onnx::NonZero", {nothing({huge, 0})}).size() == 0);
}

BOOST_AUTO_TEST_CASE(results_too_large_to_hold_are_refused) {
  const Tensor one = f32({1}, {1});
  const Tensor image = counting({1, 1, 1, 1});
  BOOST_TEST(refused([&] { run("onnx::Tile", {one, ints({huge})}); }));
  BOOST_TEST(refused([&] { run("onnx::Expand", {one, ints({huge})}); }));
  BOOST_TEST(refused([&] { run("onnx::ConstantOfShape", {ints({huge, huge})}); }));
  BOOST_TEST(refused([&] { run("onnx::ConstantOfShape", {ints({huge})}); }));
  BOOST_TEST(
      refused([&] { run("onnx::Range", {Tensor::scalar(std::int64_t{0}), Tensor::scalar(huge), Tensor::scalar(std::int64_t{1})}); }));
  BOOST_TEST(refused([&] { run("onnx::OneHot", {ints({0}), Tensor::scalar(huge), f32({2}, {0, 1})}); }));
  for (const char* mode : {"constant", "edge", "reflect"}) {
    BOOST_TEST(refused([&] { run("onnx::Pad", {one, ints({huge, 0})}, {{"mode", mode}}); }));
    BOOST_TEST(refused([&] { run("onnx::Pad", {one, ints({least, most})}, {{"mode", mode}}); }));
  }
  BOOST_TEST(refused([&] { run("onnx::Resize", {image, Tensor(), Tensor(), ints({1, 1, huge, 1})}); }));
  BOOST_TEST(refused([&] { run("onnx::Resize", {image, Tensor(), f32({4}, {1, 1, 1e18F, 1e18F})}); }));
  BOOST_TEST(refused([&] { run("onnx::ReduceSum", {nothing({huge, 0}), ints({1})}); }));
  BOOST_TEST(refused([&] { run("onnx::ConvTranspose", {image, image}, {{"output_shape", int_list({huge, huge})}}); }));
  BOOST_TEST(refused(
      [&] { run("onnx::ConvTranspose", {image, image}, {{"strides", int_list({1, 1})}, {"output_padding", int_list({most, 0})}}); }));
  BOOST_TEST(refused([&] { run("onnx::MaxPool", {image}, {{"kernel_shape", int_list({1, 1})}, {"pads", int_list({0, 0, most, 0})}}); }));
  BOOST_TEST(refused([&] { run("onnx::Conv", {image, image}, {{"dilations", int_list({most, most})}}); }));
}

BOOST_AUTO_TEST_CASE(attributes_with_extreme_numbers_are_refused_or_answered) {
  const auto extremes = {std::int64_t{0}, std::int64_t{-1}, least, most, std::int64_t{1} << 31, huge};
  for (unsigned seed = 0; seed < 2; ++seed) {
    for (const Case& a : random_cases(seed)) {
      for (std::size_t k = 0; k < a.attributes.size(); ++k) {
        const Argument& value = a.attributes[k].second;
        for (const std::int64_t extreme : extremes) {
          Case other = a;
          if (value.is_int()) {
            other.attributes[k].second = extreme;
          } else if (value.is_list() && !value.items().empty() && value.items().front().is_int()) {
            Argument::Items items = value.items();
            items.front() = extreme;
            other.attributes[k].second = Argument::list(std::move(items));
          } else {
            continue;
          }
          try {
            run_all(other);
          } catch (const Error& e) { BOOST_TEST((e.kind() != ErrorKind::user_code), describe(other) << ": " << e.what()); }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(shape_inputs_with_extreme_numbers_are_refused_or_answered) {
  for (const Case& a : random_cases(0)) {
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      if (!a.inputs[i].defined() || a.inputs[i].dtype() != DType::i64 || a.inputs[i].size() == 0) continue;
      for (const std::int64_t extreme : {std::int64_t{0}, std::int64_t{-1}, least, most, std::int64_t{1} << 31, huge}) {
        Case other = a;
        other.inputs[i] = a.inputs[i].clone();
        other.inputs[i].mutable_values<std::int64_t>().front() = extreme;
        try {
          // 2^31 elements can be had on many machines, but to no purpose here: only the type rule is asked.
          infer_all(other);
          if (extreme != std::int64_t{1} << 31) run_all(other);
        } catch (const Error& e) { BOOST_TEST((e.kind() != ErrorKind::user_code), describe(other) << ": " << e.what()); }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(inputs_of_other_shapes_and_dtypes_are_refused_or_answered) {
  const std::vector<Tensor> strange{Tensor::scalar(1.0F),
                                    nothing({0}),
                                    nothing({2, 0, 3}),
                                    counting({7}),
                                    counting({1, 1, 1, 1, 1, 1}),
                                    ints({-3, 2}),
                                    Tensor::scalar(std::int64_t{1}),
                                    booleans({true}),
                                    Tensor::scalar(std::string("text"))};
  for (const Case& a : random_cases(1)) {
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      for (const Tensor& t : strange) {
        Case other = a;
        other.inputs[i] = t;
        try {
          run_all(other);
        } catch (const Error& e) { BOOST_TEST((e.kind() != ErrorKind::user_code), describe(other) << ": " << e.what()); }
      }
    }
  }
}
