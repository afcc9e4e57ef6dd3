#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ops/apply.hpp"
#include "ops/case_tools.hpp"
#include "ops/function_cases.hpp"

/// Random applications of every operator that ships (getitem is none, but structure), with valid inputs: what type rules and compiled
/// forms are tried on.
namespace ops_test {

class CaseMaker : CaseTools {
 public:
  using CaseTools::CaseTools;

  std::vector<Case> all() {
    elementwise();
    comparisons();
    activations();
    reductions();
    products();
    windows();
    normalizations();
    reshapes();
    movements();
    resamplings();
    constants();
    return std::move(cases_);
  }

 private:
  void elementwise() {
    for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
      const Shape s = shape();
      add(std::string("onnx::") + op, {reals(part_of(s)), reals(s, 0.5F, 2)});
      add(std::string("onnx::") + op, {integers<std::int64_t>(s, -50, 50), integers<std::int64_t>(part_of(s), 1, 9)});
      add(std::string("onnx::") + op, {integers<std::int32_t>(s, -50, 50), integers<std::int32_t>(s, 1, 9)});
    }
    const Shape s = shape();
    add("onnx::Pow", {reals(s, 0.1F, 2), reals(part_of(s))});
    add("onnx::Pow", {reals(s), Tensor::scalar(2.0F)});
    add("onnx::Pow", {reals(s, 0.1F, 2), integers<std::int64_t>(part_of(s), -2, 3)});
    add("onnx::Mod", {integers<std::int32_t>(s, -20, 20), integers<std::int32_t>(part_of(s), 1, 7)});
    add("onnx::Mod", {reals(s), reals(part_of(s), 0.5F, 1)}, {{"fmod", 1}});
    for (const char* op : {"onnx::Min", "onnx::Max", "onnx::Sum", "onnx::Mean"}) {
      std::vector<Tensor> many;
      for (std::int64_t n = between(1, 10); n > 0; --n) many.push_back(reals(part_of(s)));
      add(op, many);
    }
    for (const char* op : {"onnx::Abs", "onnx::Neg", "onnx::Sign"}) {
      add(op, {reals(shape())});
      add(op, {integers<std::int32_t>(shape(), -9, 9)});
    }
    struct Range {
      const char* op;
      float low, high;
    };
    for (const Range r :
         {Range{"Exp", -2, 2}, {"Log", 0.1F, 3},      {"Sqrt", 0, 4},        {"Reciprocal", 0.2F, 3}, {"Floor", -4, 4}, {"Ceil", -4, 4},
          {"Round", -4, 4},    {"Tanh", -3, 3},       {"Sigmoid", -5, 5},    {"Erf", -2, 2},          {"Sin", -6, 6},   {"Cos", -6, 6},
          {"Tan", -1, 1},      {"Asin", -0.9F, 0.9F}, {"Acos", -0.9F, 0.9F}, {"Atan", -3, 3},         {"Sinh", -2, 2},  {"Cosh", -2, 2},
          {"Asinh", -3, 3},    {"Acosh", 1.1F, 4},    {"Atanh", -0.9F, 0.9F}}) {
      add(std::string("onnx::") + r.op, {reals(shape(), r.low, r.high)});
    }
  }

  void comparisons() {
    for (const char* op : {"onnx::Equal", "onnx::Less", "onnx::LessOrEqual", "onnx::Greater", "onnx::GreaterOrEqual"}) {
      const Shape s = shape();
      add(op, {integers<std::int64_t>(s, 0, 3), integers<std::int64_t>(part_of(s), 0, 3)});
      add(op, {reals(part_of(s)), reals(s)});
    }
    for (const char* op : {"onnx::And", "onnx::Or", "onnx::Xor"}) {
      const Shape s = shape();
      add(op, {integers<bool>(s, 0, 1), integers<bool>(part_of(s), 0, 1)});
    }
    add("onnx::Not", {integers<bool>(shape(), 0, 1)});
    const float inf = std::numeric_limits<float>::infinity();
    const Tensor odd = f32({4}, {1, inf, -inf, std::numeric_limits<float>::quiet_NaN()});
    add("onnx::IsNaN", {odd});
    add("onnx::IsInf", {odd}, {{"detect_negative", between(0, 1)}, {"detect_positive", between(0, 1)}});
    const Shape s = shape();
    add("onnx::Where", {integers<bool>(part_of(s), 0, 1), reals(s), reals(part_of(s))});
    add("onnx::Where", {integers<bool>(s, 0, 1), integers<std::int64_t>(part_of(s), 0, 9), integers<std::int64_t>(s, 0, 9)});
    add("onnx::BitShift", {integers<std::uint8_t>(s, 0, 255), integers<std::uint8_t>(part_of(s), 0, 9)},
        {{"direction", coin() ? "LEFT" : "RIGHT"}});
  }

  void activations() {
    for (const char* op :
         {"LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Shrink", "Relu"}) {
      add(std::string("onnx::") + op, {reals(shape(), -4, 4)});
    }
    add("onnx::Relu", {integers<std::int32_t>(shape(), -4, 4)});
    const Shape s = shape();
    add("onnx::PRelu", {reals(s), reals(part_of(s))});
    add("onnx::Clip", {reals(s), Tensor::scalar(-0.5F), Tensor::scalar(1.0F)});
    add("onnx::Clip", {reals(s), Tensor(), Tensor::scalar(1.0F)});
    add("onnx::Clip", {integers<std::int64_t>(s, -9, 9), Tensor::scalar(std::int64_t{-3})});
    add("onnx::Clip@6", {reals(s)}, {{"min", -0.5}, {"max", 1.0}});
  }

  void reductions() {
    for (const char* op : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum",
                           "ReduceLogSumExp", "ReduceSum@1"}) {
      const Shape s = shape(1, 4);
      add(std::string("onnx::") + op, {reals(s, 0.1F, 2)}, {{"axes", list({axis_of(s)})}, {"keepdims", between(0, 1)}});
      add(std::string("onnx::") + op, {reals(s, 0.1F, 2)}, {{"keepdims", between(0, 1)}});
      add(std::string("onnx::") + op, {integers<std::int32_t>(s, 1, 4)}, {{"axes", list({axis_of(s)})}});
    }
    const Shape s = shape(2, 4);
    for (const char* op : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum",
                           "ReduceLogSumExp"}) {
      add(std::string("onnx::") + op + "@18", {reals(s, 0.1F, 2), vector({-1})}, {{"keepdims", between(0, 1)}});
    }
    add("onnx::ReduceSum", {reals(s), vector({0, -1})}, {{"keepdims", between(0, 1)}});
    add("onnx::ReduceSum", {reals(s), vector({})}, {{"noop_with_empty_axes", between(0, 1)}});
    add("onnx::ReduceSum", {integers<std::int64_t>(s, -9, 9)});
    for (const char* op : {"onnx::ArgMax", "onnx::ArgMin"}) {
      add(op, {integers<std::int32_t>(s, 0, 3)}, {{"axis", axis_of(s)}, {"keepdims", between(0, 1)}, {"select_last_index", between(0, 1)}});
    }
    const std::int64_t axis = axis_of(s);
    const std::int64_t size = s[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(s.rank()) : axis)];
    add("onnx::TopK", {integers<std::int32_t>(s, 0, 5), vector({between(0, size)})}, {{"axis", axis}, {"largest", between(0, 1)}}, 2);
    add("onnx::TopK@1", {reals(s)}, {{"axis", axis}, {"k", between(1, size)}}, 2);
    add("onnx::CumSum", {reals(s), Tensor::scalar(axis)}, {{"exclusive", between(0, 1)}, {"reverse", between(0, 1)}});
    add("onnx::NonZero", {integers<std::int32_t>(s, 0, 1)});
    for (const char* op : {"Softmax", "LogSoftmax", "Hardmax"}) {
      add(std::string("onnx::") + op, {reals(s)}, {{"axis", axis}});
      add(std::string("onnx::") + op + "@1", {reals(s)}, {{"axis", axis}});
    }
  }

  void products() {
    const std::int64_t m = between(1, 6);
    const std::int64_t k = between(1, 6);
    const std::int64_t n = between(1, 6);
    add("onnx::MatMul", {reals({m, k}), reals({k, n})});
    add("onnx::MatMul", {reals({k}), reals({2, k, n})});
    add("onnx::MatMul", {reals({3, 1, m, k}), reals({2, k, n})});
    add("onnx::MatMul", {reals({2, m, k}), reals({k})});
    add("onnx::MatMul", {reals({k}), reals({k})});
    add("onnx::MatMul", {integers<std::int32_t>({m, k}, -5, 5), integers<std::int32_t>({k, n}, -5, 5)});
    const bool ta = coin();
    const bool tb = coin();
    const Tensor a = reals(ta ? Shape{k, m} : Shape{m, k});
    const Tensor b = reals(tb ? Shape{n, k} : Shape{k, n});
    const Keywords transposed{{"transA", ta ? 1 : 0}, {"transB", tb ? 1 : 0}};
    add("onnx::Gemm", {a, b}, transposed);
    add("onnx::Gemm", {a, b, reals(part_of({m, n}))}, {{"alpha", 0.5}, {"beta", 2.0}, {"transA", ta ? 1 : 0}, {"transB", tb ? 1 : 0}});
  }

  void windows() {
    const char* pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    for (const std::size_t rank : {1U, 2U, 3U}) {
      List x{between(1, 2), 4};
      List w{6, 2};
      List kernel;
      for (std::size_t i = 0; i < rank; ++i) {
        x.push_back(between(5, 8));
        kernel.push_back(between(1, 3));
      }
      w.insert(w.end(), kernel.begin(), kernel.end());
      Keywords attributes{{"strides", list(List(rank, between(1, 2)))}, {"auto_pad", pads[between(0, 3)]}};
      if (attributes[1].second == lazyfx::Argument("NOTSET")) attributes.emplace_back("pads", list(List(2 * rank, between(0, 1))));
      Keywords convolution = attributes;
      convolution.emplace_back("group", 2);
      convolution.emplace_back("dilations", list(List(rank, between(1, 2))));
      add("onnx::Conv", {reals(Shape(x)), reals(Shape(w)), reals({6})}, convolution);
      List transposed_w = w;
      transposed_w[0] = 4;
      transposed_w[1] = 3;
      Keywords transposed{{"strides", list(List(rank, 2))}, {"group", 2}};
      if (coin()) transposed.emplace_back("output_padding", list(List(rank, 1)));
      add("onnx::ConvTranspose", {reals(Shape(x)), reals(Shape(transposed_w)), reals({6})}, transposed);
      add("onnx::ConvTranspose", {reals(Shape(x)), reals(Shape(transposed_w))}, {{"auto_pad", "SAME_UPPER"}, {"group", 2}});
      Keywords pooling = attributes;
      pooling.emplace_back("kernel_shape", list(List(rank, 2)));
      add("onnx::AveragePool", {reals(Shape(x))}, pooling);
      pooling.emplace_back("ceil_mode", between(0, 1));
      add("onnx::MaxPool", {reals(Shape(x))}, pooling);
      add("onnx::MaxPool", {reals(Shape(x))}, pooling, 2);
      pooling.emplace_back("count_include_pad", 1);
      add("onnx::AveragePool", {reals(Shape(x))}, pooling);
      add("onnx::GlobalAveragePool", {reals(Shape(x))});
      add("onnx::GlobalMaxPool", {reals(Shape(x))});
    }
  }

  void normalizations() {
    const Shape s = shape(3, 4);
    const Shape c{s[1]};
    for (const char* op : {"onnx::BatchNormalization", "onnx::BatchNormalization@9", "onnx::BatchNormalization@7"}) {
      add(op, {reals(s), reals(c), reals(c), reals(c), reals(c, 0.5F, 2)});
    }
    add("onnx::InstanceNormalization", {reals(s), reals(c), reals(c)}, {{"epsilon", 0.01}});
    const List last(s.end() - 2, s.end());
    add("onnx::LayerNormalization", {reals(s), reals(Shape(last)), reals(Shape(last))}, {{"axis", -2}, {"epsilon", 0.01}});
    add("onnx::LayerNormalization", {reals(s), reals({last[1]})}, {{"epsilon", 0.01}}, 3);
  }

  void reshapes() {
    const Shape s = shape(2, 4);
    add("onnx::Reshape", {reals(s), vector({0, -1})});
    add("onnx::Reshape", {integers<std::int64_t>(s, 0, 9), vector({-1, s[0]})});
    add("onnx::Flatten", {reals(s)}, {{"axis", between(-static_cast<std::int64_t>(s.rank()), static_cast<std::int64_t>(s.rank()))}});
    add("onnx::Squeeze", {reals({1, 3, 1, 2}), vector({0, -2})});
    add("onnx::Squeeze", {reals({1, 3, 1, 2})});
    add("onnx::Squeeze@1", {reals({1, 3, 1, 2})}, {{"axes", list({2})}});
    add("onnx::Unsqueeze", {reals(s), vector({0, -1})});
    add("onnx::Unsqueeze@1", {reals(s)}, {{"axes", list({1, 2})}});
    add("onnx::Shape", {reals(s)});
    add("onnx::Shape", {reals(s)}, {{"start", between(-3, 3)}, {"end", between(-3, 3)}});
    add("onnx::Size", {reals(s)});
    add("onnx::Identity", {reals(s)});
    add("onnx::Dropout", {reals(s)}, {}, 2);
    add("onnx::Dropout@7", {reals(s)});
    add("onnx::Transpose", {reals(s)});
    List order(s.rank());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    std::shuffle(order.begin(), order.end(), random_);
    add("onnx::Transpose", {integers<std::int8_t>(s, 0, 9)}, {{"perm", list(order)}});
    add("onnx::Expand", {reals(part_of(s)), vector(List(s.begin(), s.end()))});
    List repeats(s.rank());
    for (auto& r : repeats) r = between(1, 3);
    add("onnx::Tile", {reals(s), vector(repeats)});
    add("onnx::DepthToSpace", {reals({2, 8, 2, 3})}, {{"blocksize", 2}, {"mode", coin() ? "DCR" : "CRD"}});
    add("onnx::SpaceToDepth", {reals({2, 2, 4, 6})}, {{"blocksize", 2}});
  }

  void movements() {
    const Shape s = shape(2, 4);
    const std::int64_t step = coin() ? between(1, 2) : -between(1, 2);
    add("onnx::Slice", {reals(s), vector({step > 0 ? 0 : -1}), vector({step > 0 ? 100 : -100}), vector({axis_of(s)}), vector({step})});
    add("onnx::Slice", {reals(s), vector({between(-6, 6), 0}), vector({between(-6, 6), 2})});
    add("onnx::Slice@1", {reals(s)}, {{"axes", list({1})}, {"starts", list({between(0, 2)})}, {"ends", list({between(1, 6)})}});
    add("onnx::Split", {reals({2, 6, 3}), vector({1, 3, 2})}, {{"axis", 1}}, 3);
    add("onnx::Split", {reals({2, 6, 3})}, {{"axis", -2}}, 2);
    add("onnx::Split", {reals({2, 6, 3})}, {{"axis", 1}, {"num_outputs", 3}}, 2);
    add("onnx::Split@18", {reals({2, 7, 3})}, {{"axis", 1}, {"num_outputs", 3}}, 3);
    add("onnx::Split@2", {reals({6, 3})}, {{"split", list({4, 2})}}, 2);
    List other(s.begin(), s.end());
    other[1] = between(0, 3);
    add("onnx::Concat", {reals(s), reals(Shape(other)), reals(s)}, {{"axis", 1}});
    const char* modes[] = {"constant", "reflect", "edge"};
    const char* mode = modes[between(0, 2)];
    add("onnx::Pad", {reals({3, 4}), vector({between(-1, 2), 1, 2, between(-1, 2)})}, {{"mode", mode}});
    add("onnx::Pad", {integers<std::int64_t>({3, 4}, 0, 9), vector({1, 0, 0, 2}), Tensor::scalar(std::int64_t{7})});
    add("onnx::Pad@2", {reals({3, 4})}, {{"mode", mode}, {"pads", list({1, 0, -1, 2})}, {"value", 1.5}});
    const std::int64_t axis = axis_of(s);
    const std::int64_t size = s[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(s.rank()) : axis)];
    add("onnx::Gather", {reals(s), integers<std::int64_t>(shape(0, 2), -size, size - 1)}, {{"axis", axis}});
    add("onnx::Gather", {reals(s), integers<std::int32_t>({3}, -size, size - 1)}, {{"axis", axis}});
    add("onnx::GatherElements", {reals(s), integers<std::int64_t>(s, -size, size - 1)}, {{"axis", axis}});
    add("onnx::OneHot", {integers<std::int64_t>(s, -6, 6), Tensor::scalar(std::int64_t{4}), f32({2}, {-1, 3})},
        {{"axis", between(-static_cast<std::int64_t>(s.rank()) - 1, static_cast<std::int64_t>(s.rank()))}});
  }

  void resamplings() {
    const Tensor x = reals({1, 2, 3, 4});
    const Tensor scales = f32({4}, {1, 1, coin() ? 2.0F : 0.6F, coin() ? 1.5F : 0.7F});
    for (const char* mode : {"nearest", "linear", "cubic"}) {
      for (const char* coordinates : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"}) {
        add("onnx::Resize", {x, Tensor(), scales}, {{"mode", mode}, {"coordinate_transformation_mode", coordinates}});
        add("onnx::Resize", {x, Tensor(), Tensor(), vector({1, 2, between(1, 7), between(1, 7)})},
            {{"mode", mode}, {"coordinate_transformation_mode", coordinates}});
      }
    }
    add("onnx::Resize", {x, f32({8}, {0, 0, 0.2F, 0.1F, 1, 1, 0.9F, 1.3F}), Tensor(), vector({1, 2, 3, 3})},
        {{"mode", "linear"}, {"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", 10.0}});
    add("onnx::Resize", {x, Tensor(), scales}, {{"mode", "cubic"}, {"exclude_outside", 1}, {"cubic_coeff_a", -0.5}});
    add("onnx::Resize@10", {x, scales}, {{"mode", coin() ? "nearest" : "linear"}});
    add("onnx::Upsample", {x, f32({4}, {1, 1, 2, 3})}, {{"mode", coin() ? "nearest" : "linear"}});
    add("onnx::Upsample@7", {x}, {{"scales", lazyfx::Argument::list({1.0, 1.0, 2.0, 2.0})}});
  }

  void constants() {
    const DType targets[] = {DType::boolean, DType::i8, DType::i32, DType::i64, DType::f16, DType::bf16, DType::f64, DType::f32};
    for (const DType to : targets) {
      add("onnx::Cast", {reals(shape(), -9, 9)}, {{"to", to}});
      add("onnx::Cast", {integers<std::int32_t>(shape(), -9, 9)}, {{"to", to}});
    }
    add("onnx::CastLike", {reals(shape(), -9, 9), integers<std::int16_t>({2}, 0, 1)});
    add("onnx::Constant", {}, {{"value", reals(shape())}});
    add("onnx::ConstantOfShape", {vector(dims(0, 3))}, {{"value", integers<std::int32_t>({1}, 0, 9)}});
    add("onnx::Range", {Tensor::scalar(between(0, 3)), Tensor::scalar(between(0, 20)), Tensor::scalar(between(1, 4))});
    add("onnx::EyeLike", {reals({between(1, 4), between(1, 4)})}, {{"k", between(-2, 2)}, {"dtype", DType::f64}});
  }
};

inline std::vector<Case> random_cases(unsigned seed) {
  std::vector<Case> cases = CaseMaker(seed).all();
  for (Case& a : FunctionCaseMaker(seed).all()) cases.push_back(std::move(a));
  return cases;
}

/// How a failing case introduces itself.
inline std::string describe(const Case& a) {
  std::string text = a.op + "(";
  for (const Tensor& t : a.inputs) text += (t.defined() ? to_string(TensorType(t.dtype(), t.shape())) : "none") + " ";
  for (const auto& [name, value] : a.attributes) {
    text += name + "=" + (value.is_int() ? std::to_string(value.as_int()) : value.is_string() ? value.as_string() : value.kind()) + " ";
  }
  return text + ")";
}

}  // namespace ops_test
