#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/case_tools.hpp"

namespace ops_test {

/// Random applications of the operators that are functions of whole tensors: losses, selections, recurrences, signals and the like.
class FunctionCaseMaker : CaseTools {
 public:
  using CaseTools::CaseTools;

  std::vector<Case> all() {
    scatters();
    selections();
    detections();
    signals();
    sums();
    samplings();
    norms();
    losses();
    quantizations();
    recurrences();
    randoms();
    texts();
    return std::move(cases_);
  }

 private:
  static lazyfx::Argument strings(std::vector<std::string> values) {
    lazyfx::Argument::Items items(values.begin(), values.end());
    return lazyfx::Argument::list(std::move(items));
  }
  static Tensor words(const Shape& shape, std::initializer_list<const char*> values) {
    const std::vector<std::string> all(values.begin(), values.end());
    return Tensor::from<std::string>(all, shape);
  }
  static Tensor number(float v) { return Tensor::scalar(v); }
  static Tensor count(std::int64_t v) { return Tensor::scalar(v); }

  void scatters() {
    const Shape s = shape(2, 4);
    const std::int64_t axis = axis_of(s);
    const std::int64_t size = s[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(s.rank()) : axis)];
    const Tensor indices = integers<std::int64_t>(s, -size, size - 1);
    add("onnx::Scatter", {reals(s), indices, reals(s)}, {{"axis", axis}});
    for (const char* reduction : {"none", "add", "mul", "min", "max"}) {
      add("onnx::ScatterElements", {reals(s), indices, reals(s)}, {{"axis", axis}, {"reduction", reduction}});
      add("onnx::ScatterND",
          {integers<std::int64_t>({4, 3, 2}, -5, 5), integers<std::int64_t>({5, 2}, -3, 2), integers<std::int64_t>({5, 2}, -5, 5)},
          {{"reduction", reduction}});
    }
    add("onnx::GatherND", {reals({3, 4, 2}), integers<std::int64_t>({2, 3, 2}, -3, 2)});
    add("onnx::GatherND", {reals({3, 4, 2}), integers<std::int64_t>({3, 2, 1}, -4, 3)}, {{"batch_dims", 1}});
  }

  void selections() {
    const Shape s = shape(2, 4);
    add("onnx::Compress", {reals(s), integers<bool>({s[1]}, 0, 1)}, {{"axis", 1}});
    add("onnx::Compress", {reals(s), integers<bool>({s.size()}, 0, 1)});
    add("onnx::Unique", {integers<std::int32_t>(s, 0, 3)}, {{"sorted", between(0, 1)}}, 4);
    add("onnx::Unique", {integers<std::int64_t>({4, 2, 3}, 0, 1)}, {{"axis", axis_of(Shape{4, 2, 3})}}, 4);
    add("onnx::ReverseSequence", {reals({4, 3, 2}), integers<std::int64_t>({3}, 0, 4)});
    add("onnx::ReverseSequence", {reals({3, 4}), integers<std::int64_t>({3}, 0, 4)}, {{"batch_axis", 0}, {"time_axis", 1}});
    add("onnx::Trilu", {reals(s), count(between(-3, 3))}, {{"upper", between(0, 1)}});
    add("onnx::Trilu", {integers<std::int64_t>(s, -9, 9)});
  }

  void detections() {
    const Tensor limit = count(between(0, 4));
    add("onnx::NonMaxSuppression", {reals({2, 6, 4}, 0, 1), reals({2, 3, 6}, 0, 1), limit, number(0.4F), number(0.3F)});
    add("onnx::NonMaxSuppression", {reals({1, 6, 4}, 0, 1), reals({1, 2, 6}, 0, 1), limit}, {{"center_point_box", 1}});
    const Tensor rois = f32({3, 4}, {0, 0, 4, 4, 1.5F, 0.5F, 6, 3, -1, -1, 9, 9});
    for (const char* mode : {"avg", "max"}) {
      add("onnx::RoiAlign", {reals({2, 2, 6, 7}), rois, integers<std::int64_t>({3}, 0, 1)},
          {{"mode", mode}, {"output_height", 2}, {"output_width", 3}, {"sampling_ratio", between(0, 2)}, {"spatial_scale", 0.5}});
    }
    add("onnx::RoiAlign@10", {reals({2, 2, 6, 7}), rois, integers<std::int64_t>({3}, 0, 1)}, {{"output_height", 2}, {"output_width", 2}});
    add("onnx::MaxRoiPool", {reals({2, 2, 6, 7}), f32({2, 5}, {0, 0, 0, 4, 4, 1, 2, 1, 20, 3})}, {{"pooled_shape", list({2, 2})}});
  }

  void signals() {
    for (const char* op : {"onnx::HannWindow", "onnx::HammingWindow", "onnx::BlackmanWindow"}) {
      add(op, {count(between(0, 9))}, {{"periodic", between(0, 1)}, {"output_datatype", coin() ? DType::f64 : DType::f32}});
    }
    add("onnx::DFT", {reals({2, 5, 3, 1})}, {{"axis", 1}, {"onesided", 1}});
    add("onnx::DFT", {reals({2, 5, 3, 2}), count(between(1, 8))}, {{"axis", -2}, {"inverse", between(0, 1)}});
    add("onnx::STFT", {reals({2, 12, 1}), count(between(1, 4)), reals({5})}, {{"onesided", between(0, 1)}});
    add("onnx::STFT", {reals({2, 12}), count(3), Tensor(), count(4)});
    add("onnx::MelWeightMatrix", {count(4), count(16), count(8192), number(0), number(4096)});
  }

  void sums() {
    add("onnx::Einsum", {reals({3, 4}), reals({4, 2})}, {{"equation", "ij,jk->ik"}});
    add("onnx::Einsum", {reals({2, 3, 4}), reals({2, 5, 4})}, {{"equation", "bij, bkj -> kbi"}});
    add("onnx::Einsum", {reals({2, 3, 4}), reals({4, 3})}, {{"equation", "...ij,ji"}});
    add("onnx::Einsum", {reals({3, 3, 2})}, {{"equation", "iij->ji"}});
    add("onnx::Einsum", {reals({3, 1}), reals({3, 4}), reals({4})}, {{"equation", "a...,a...,b->b"}});
    add("onnx::Einsum", {integers<std::int64_t>({3, 4}, -9, 9)}, {{"equation", "ij->"}});
    add("onnx::Det", {reals({2, 3, 3})});
  }

  void samplings() {
    for (const char* mode : {"nearest", "bilinear", "bicubic"}) {
      for (const char* padding : {"zeros", "border", "reflection"}) {
        add("onnx::GridSample", {reals({2, 2, 3, 4}), reals({2, 3, 2, 2}, -1.5F, 1.5F)},
            {{"mode", mode}, {"padding_mode", padding}, {"align_corners", between(0, 1)}});
      }
    }
    add("onnx::MaxUnpool", {reals({1, 1, 2, 2}), i64({1, 1, 2, 2}, {5, 7, 13, 15})},
        {{"kernel_shape", list({2, 2})}, {"strides", list({2, 2})}});
    add("onnx::MaxUnpool", {reals({1, 1, 2, 2}), i64({1, 1, 2, 2}, {5, 7, 13, 15}), vector({1, 1, 5, 5})},
        {{"kernel_shape", list({2, 2})}, {"strides", list({2, 2})}});
  }

  void norms() {
    const Shape s = shape(2, 4);
    add("onnx::LRN", {reals(s)}, {{"size", between(1, 4)}, {"alpha", 0.5}, {"bias", 2.0}});
    add("onnx::MeanVarianceNormalization", {reals({2, 3, 4, 2})});
    add("onnx::MeanVarianceNormalization", {reals(s)}, {{"axes", list({1})}});
    add("onnx::LpNormalization", {reals(s)}, {{"p", between(1, 2)}, {"axis", axis_of(s)}});
    add("onnx::GlobalLpPool", {reals({2, 3, 4, 2})}, {{"p", between(1, 3)}});
    add("onnx::LpPool", {reals({2, 3, 6, 5})},
        {{"p", between(1, 3)}, {"kernel_shape", list({2, 3})}, {"strides", list({2, 1})}, {"pads", list({1, 0, 0, 1})}});
  }

  void losses() {
    for (const char* reduction : {"none", "sum", "mean"}) {
      for (const char* op : {"onnx::NegativeLogLikelihoodLoss", "onnx::SoftmaxCrossEntropyLoss"}) {
        add(op, {reals({3, 5, 2}), integers<std::int64_t>({3, 2}, 0, 4)}, {{"reduction", reduction}});
        add(op, {reals({3, 5}), integers<std::int32_t>({3}, 0, 4), reals({5}, 0.1F, 1)},
            {{"reduction", reduction}, {"ignore_index", between(0, 4)}});
      }
    }
    add("onnx::SoftmaxCrossEntropyLoss", {reals({3, 5, 2}), integers<std::int64_t>({3, 2}, 0, 4)}, {}, 2);
  }

  void quantizations() {
    const Tensor scale = number(0.25F);
    add("onnx::QuantizeLinear", {reals({2, 3, 4}, -50, 50), scale, Tensor::scalar(static_cast<std::int8_t>(between(-9, 9)))});
    add("onnx::QuantizeLinear", {reals({2, 3, 4}, -50, 50), reals({3}, 0.1F, 1), integers<std::uint8_t>({3}, 0, 255)}, {{"axis", -2}});
    add("onnx::QuantizeLinear", {reals({3}), scale});
    add("onnx::DequantizeLinear", {integers<std::uint8_t>({2, 3, 4}, 0, 255), reals({3}, 0.1F, 1), integers<std::uint8_t>({3}, 0, 255)});
    add("onnx::DequantizeLinear", {integers<std::int32_t>({4}, -1000, 1000), scale});
    add("onnx::DynamicQuantizeLinear", {reals({3, 4}, -3, 9)}, {}, 3);
    add("onnx::MatMulInteger",
        {integers<std::uint8_t>({2, 3, 4}, 0, 255), integers<std::int8_t>({4, 2}, -128, 127), integers<std::uint8_t>({3}, 0, 255)});
    add("onnx::MatMulInteger",
        {integers<std::uint8_t>({4}, 0, 255), integers<std::uint8_t>({4, 2}, 0, 255), Tensor(), integers<std::uint8_t>({2}, 0, 255)});
    add("onnx::QLinearMatMul", {integers<std::uint8_t>({3, 4}, 0, 255), number(0.02F), integers<std::uint8_t>({}, 0, 255),
                                integers<std::int8_t>({4, 2}, -128, 127), number(0.03F), integers<std::int8_t>({}, -3, 3), number(0.1F),
                                integers<std::uint8_t>({}, 0, 255)});
    add("onnx::ConvInteger",
        {integers<std::uint8_t>({1, 2, 4, 5}, 0, 255), integers<std::uint8_t>({2, 2, 2, 3}, 0, 255), integers<std::uint8_t>({}, 0, 255)},
        {{"pads", list({1, 0, 0, 1})}});
    add("onnx::QLinearConv", {integers<std::uint8_t>({1, 2, 4, 5}, 0, 255), number(0.02F), integers<std::uint8_t>({}, 0, 255),
                              integers<std::int8_t>({2, 2, 2, 3}, -128, 127), reals({2}, 0.01F, 0.1F), integers<std::int8_t>({2}, -3, 3),
                              number(0.3F), integers<std::int8_t>({}, -9, 9), integers<std::int32_t>({2}, -99, 99)});
  }

  void recurrences() {
    struct Kind {
      const char* op;
      std::int64_t gates;
      std::size_t outputs;
    };
    constexpr std::int64_t time = 4, batch = 2, in = 3, hidden = 2;
    for (const Kind& k : {Kind{"onnx::RNN", 1, 2}, {"onnx::GRU", 3, 2}, {"onnx::LSTM", 4, 3}}) {
      for (const char* direction : {"forward", "reverse", "bidirectional"}) {
        const std::int64_t d = direction[0] == 'b' ? 2 : 1;
        const bool batch_first = coin();
        std::vector<Tensor> inputs{reals(batch_first ? Shape{batch, time, in} : Shape{time, batch, in}), reals({d, k.gates * hidden, in}),
                                   reals({d, k.gates * hidden, hidden}), coin() ? reals({d, 2 * k.gates * hidden}) : Tensor()};
        inputs.push_back(coin() ? integers<std::int32_t>({batch}, 0, time) : Tensor());
        const Shape state = batch_first ? Shape{batch, d, hidden} : Shape{d, batch, hidden};
        inputs.push_back(coin() ? reals(state) : Tensor());
        Keywords attributes{{"hidden_size", hidden}, {"direction", direction}, {"layout", batch_first ? 1 : 0}};
        if (coin()) attributes.emplace_back("clip", 0.5);
        if (k.gates == 3) attributes.emplace_back("linear_before_reset", between(0, 1));
        if (k.gates == 4) {
          inputs.push_back(coin() ? reals(state) : Tensor());
          inputs.push_back(coin() ? reals({d, 3 * hidden}) : Tensor());
          attributes.emplace_back("input_forget", between(0, 1));
        }
        add(k.op, inputs, attributes, k.outputs);
      }
    }
    add("onnx::GRU", {reals({time, batch, in}), reals({1, 6, in}), reals({1, 6, 2})},
        {{"activations", strings({"HardSigmoid", "ScaledTanh"})}, {"activation_alpha", lazyfx::Argument::list({0.3, 1.5})}}, 2);
  }

  void randoms() {
    add("onnx::RandomUniform", {}, {{"shape", list({3, 4})}, {"seed", 7.0}, {"low", -1.0}});
    add("onnx::RandomNormal", {}, {{"shape", list({3, 4})}, {"seed", 7.0}, {"dtype", DType::f64}});
    add("onnx::RandomUniformLike", {reals(shape())}, {{"seed", 3.0}});
    add("onnx::RandomNormalLike", {reals(shape())}, {{"seed", 3.0}, {"mean", 5.0}});
    add("onnx::Bernoulli", {reals(shape(), 0, 1)}, {{"seed", 1.0}, {"dtype", DType::boolean}});
    add("onnx::Multinomial", {reals({3, 4})}, {{"seed", 1.0}, {"sample_size", between(1, 5)}, {"dtype", DType::i64}});
  }

  void texts() {
    add("onnx::StringNormalizer", {words({4}, {"Monday", "tuesday", "MONDAY", "Friday"})},
        {{"case_change_action", coin() ? "UPPER" : "LOWER"}, {"is_case_sensitive", between(0, 1)}, {"stopwords", strings({"monday"})}});
    const char* modes[] = {"TF", "IDF", "TFIDF"};
    add("onnx::TfIdfVectorizer", {integers<std::int32_t>({2, 6}, 2, 8)},
        {{"mode", modes[between(0, 2)]},
         {"min_gram_length", 1},
         {"max_gram_length", 2},
         {"max_skip_count", between(0, 3)},
         {"ngram_counts", list({0, 4})},
         {"ngram_indexes", list({0, 1, 2, 3, 4, 5, 6})},
         {"pool_int64s", list({2, 3, 5, 4, 5, 6, 7, 8, 6, 7})}});
  }
};

}  // namespace ops_test
