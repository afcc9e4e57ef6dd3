#define BOOST_TEST_MODULE ops_function
#include <boost/test/unit_test.hpp>

#include <cmath>

#include "ops/apply.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

Tensor words(std::initializer_list<const char*> values) {
  const std::vector<std::string> all(values.begin(), values.end());
  return Tensor::from<std::string>(all, Shape{static_cast<std::int64_t>(all.size())});
}
Argument strings(std::initializer_list<const char*> values) {
  Argument::Items items;
  for (const char* v : values) items.emplace_back(v);
  return Argument::list(std::move(items));
}
Tensor u8(Shape shape, std::initializer_list<std::uint8_t> values) { return Tensor::from<std::uint8_t>(values, shape); }
Tensor number(float v) { return Tensor::scalar(v); }

/// The kind of error that running the case ends with; the test fails when it does not.
ErrorKind refusal(const Case& a) {
  try {
    run_all(a);
  } catch (const Error& error) { return error.kind(); }
  BOOST_ERROR(a.op << " answered");
  return ErrorKind::resource;
}

}  // namespace

BOOST_AUTO_TEST_CASE(losses_weigh_ignore_and_reduce) {
  const Tensor log_p = f32({2, 2}, {-1, -2, -3, -4});
  const Tensor target = ints({1, 0});
  LAZYFX_TEST_SAME(run("onnx::NegativeLogLikelihoodLoss", {log_p, target}, {{"reduction", "none"}}), f32({2}, {2, 3}));
  LAZYFX_TEST_SAME(run("onnx::NegativeLogLikelihoodLoss", {log_p, target}), number(2.5F));
  LAZYFX_TEST_SAME(run("onnx::NegativeLogLikelihoodLoss", {log_p, target, f32({2}, {1, 3})}), number(9.0F / 4));
  LAZYFX_TEST_SAME(run("onnx::NegativeLogLikelihoodLoss", {log_p, target, f32({2}, {1, 3})}, {{"ignore_index", 0}, {"reduction", "sum"}}),
                   number(6));
  const auto both = run_all({"onnx::SoftmaxCrossEntropyLoss", {f32({1, 2}, {0, 0}), ints({1})}, {}, 2});
  LAZYFX_TEST_SAME(both[0], number(std::log(2.0F)));
  LAZYFX_TEST_SAME(both[1], f32({1, 2}, {-std::log(2.0F), -std::log(2.0F)}));
  BOOST_TEST((refusal({"onnx::NegativeLogLikelihoodLoss", {log_p, ints({1, 2}), {}}, {}}) == ErrorKind::invalid_argument));
}

BOOST_AUTO_TEST_CASE(scattering_writes_or_combines_and_gathering_reads_it_back) {
  const Tensor x = f32({3}, {1, 2, 3});
  LAZYFX_TEST_SAME(run("onnx::ScatterElements", {x, ints({-1, 0}), f32({2}, {9, 8})}), f32({3}, {8, 2, 9}));
  LAZYFX_TEST_SAME(run("onnx::ScatterElements", {x, ints({1, 1}), f32({2}, {5, 6})}, {{"reduction", "add"}}), f32({3}, {1, 13, 3}));
  const Tensor matrix = f32({2, 2}, {1, 2, 3, 4});
  LAZYFX_TEST_SAME(run("onnx::ScatterND", {matrix, i64({1, 1}, {1}), f32({1, 2}, {7, 8})}), f32({2, 2}, {1, 2, 7, 8}));
  LAZYFX_TEST_SAME(run("onnx::ScatterND", {matrix, i64({2, 2}, {0, 0, 0, 0}), f32({2}, {2, 5})}, {{"reduction", "mul"}}),
                   f32({2, 2}, {10, 2, 3, 4}));
  LAZYFX_TEST_SAME(run("onnx::GatherND", {matrix, i64({2, 2}, {0, 1, -1, 0})}), f32({2}, {2, 3}));
  LAZYFX_TEST_SAME(run("onnx::GatherND", {matrix, i64({2, 1}, {1, 0})}, {{"batch_dims", 1}}), f32({2}, {2, 3}));
  BOOST_TEST((refusal({"onnx::ScatterElements", {x, ints({3}), f32({1}, {9})}, {}}) == ErrorKind::invalid_argument));
  BOOST_TEST((refusal({"onnx::GatherND", {matrix, i64({1, 3}, {0, 0, 0})}, {}}) == ErrorKind::invalid_graph));
}

BOOST_AUTO_TEST_CASE(quantisation_rounds_to_even_and_saturates) {
  const Tensor x = f32({6}, {0, 2, 3, 1000, -254, -1000});
  LAZYFX_TEST_SAME(run("onnx::QuantizeLinear", {x, number(2), Tensor::scalar(std::uint8_t{128})}), u8({6}, {128, 129, 130, 255, 1, 0}));
  LAZYFX_TEST_SAME(run("onnx::QuantizeLinear", {f32({2, 1}, {5, 5}), f32({2}, {1, 2})}, {{"axis", 0}}), u8({2, 1}, {5, 2}));
  LAZYFX_TEST_SAME(run("onnx::DequantizeLinear", {u8({2}, {0, 255}), number(0.5F), Tensor::scalar(std::uint8_t{128})}),
                   f32({2}, {-64, 63.5F}));
  const auto dynamic = run_all({"onnx::DynamicQuantizeLinear", {f32({6}, {0, 2, -3, -2.5F, 1.34F, 0.5F})}, {}, 3});
  LAZYFX_TEST_SAME(dynamic[0], u8({6}, {153, 255, 0, 26, 221, 179}));
  LAZYFX_TEST_SAME(dynamic[1], number(5.0F / 255));
  LAZYFX_TEST_SAME(dynamic[2], Tensor::scalar(std::uint8_t{153}));
}

BOOST_AUTO_TEST_CASE(integer_products_are_exact) {
  // [255 - 1, 1 - 1] x [255, 7]: 64770, beyond what half or byte arithmetic holds
  LAZYFX_TEST_SAME(run("onnx::MatMulInteger", {u8({1, 2}, {255, 1}), u8({2, 1}, {255, 7}), Tensor::scalar(std::uint8_t{1})}),
                   Tensor::from<std::int32_t>({64770}, Shape{1, 1}));
  LAZYFX_TEST_SAME(
      run("onnx::ConvInteger", {u8({1, 1, 2, 2}, {2, 3, 4, 5}), u8({1, 1, 2, 2}, {1, 1, 1, 1}), Tensor::scalar(std::uint8_t{1})}),
      Tensor::from<std::int32_t>({10}, Shape{1, 1, 1, 1}));
  // (10 x 0.5) x (4 x 0.25) = 5; 5 / 0.5 + 3 = 13
  const Tensor zero = Tensor::scalar(std::uint8_t{0});
  LAZYFX_TEST_SAME(run("onnx::QLinearMatMul", {u8({1, 1}, {10}), number(0.5F), zero, u8({1, 1}, {4}), number(0.25F), zero, number(0.5F),
                                               Tensor::scalar(std::uint8_t{3})}),
                   u8({1, 1}, {13}));
  LAZYFX_TEST_SAME(run("onnx::QLinearConv", {u8({1, 1, 1, 1}, {10}), number(0.5F), zero, u8({1, 1, 1, 1}, {4}), number(0.25F), zero,
                                             number(0.5F), Tensor::scalar(std::uint8_t{3}), Tensor::from<std::int32_t>({8}, Shape{1})}),
                   u8({1, 1, 1, 1}, {15}));
}

BOOST_AUTO_TEST_CASE(recurrences_walk_both_ways_and_stop_where_a_sequence_ends) {
  const Tensor x = f32({3, 1, 1}, {1, 2, 3}), one = f32({1, 1, 1}, {1});
  const Keywords reverse{{"hidden_size", 1}, {"direction", "reverse"}, {"activations", strings({"Relu"})}};
  const auto back = run_all({"onnx::RNN", {x, one, one}, reverse, 2});
  LAZYFX_TEST_SAME(back[0], f32({3, 1, 1, 1}, {6, 5, 3}));
  LAZYFX_TEST_SAME(back[1], f32({1, 1, 1}, {6}));
  const auto short_one = run_all({"onnx::RNN", {x, one, one, Tensor(), Tensor::from<std::int32_t>({2}, Shape{1})}, reverse, 2});
  LAZYFX_TEST_SAME(short_one[0], f32({3, 1, 1, 1}, {3, 2, 0}));
  LAZYFX_TEST_SAME(short_one[1], f32({1, 1, 1}, {3}));
}

BOOST_AUTO_TEST_CASE(gates_open_half_without_weights) {
  const Tensor x = f32({1, 1, 1}, {5});
  // c = 0.5 * c0 + 0.5 * tanh 0, h = 0.5 * tanh c
  const auto lstm = run_all(
      {"onnx::LSTM",
       {x, Tensor::zeros(DType::f32, {1, 4, 1}), Tensor::zeros(DType::f32, {1, 4, 1}), Tensor(), Tensor(), Tensor(), f32({1, 1, 1}, {1})},
       {{"hidden_size", 1}},
       3});
  LAZYFX_TEST_SAME(lstm[2], f32({1, 1, 1}, {0.5F}));
  LAZYFX_TEST_SAME(lstm[1], f32({1, 1, 1}, {0.5F * std::tanh(0.5F)}));
  const auto gru =
      run_all({"onnx::GRU",
               {x, Tensor::zeros(DType::f32, {1, 3, 1}), Tensor::zeros(DType::f32, {1, 3, 1}), Tensor(), Tensor(), f32({1, 1, 1}, {8})},
               {{"hidden_size", 1}},
               2});
  LAZYFX_TEST_SAME(gru[0], f32({1, 1, 1, 1}, {4}));
  BOOST_TEST((refusal({"onnx::LSTM", {x, Tensor::zeros(DType::f32, {1, 3, 1}), Tensor::zeros(DType::f32, {1, 4, 1})}, {}, 1}) ==
              ErrorKind::invalid_graph));
}

BOOST_AUTO_TEST_CASE(windows_and_transforms_are_their_formulas) {
  LAZYFX_TEST_SAME(run("onnx::HannWindow", {Tensor::scalar(std::int64_t{4})}), f32({4}, {0, 0.5F, 1, 0.5F}));
  LAZYFX_TEST_SAME(run("onnx::HannWindow", {Tensor::scalar(std::int64_t{3})}, {{"periodic", 0}}), f32({3}, {0, 1, 0}));
  LAZYFX_TEST_SAME(run("onnx::HammingWindow", {Tensor::scalar(std::int64_t{2})}), f32({2}, {4.0F / 46, 1}));
  LAZYFX_TEST_SAME(run("onnx::BlackmanWindow", {Tensor::scalar(std::int64_t{2})}), f32({2}, {0, 1}));
  LAZYFX_TEST_SAME(run("onnx::DFT", {f32({1, 4, 1}, {1, 0, 0, 0})}, {{"onesided", 1}}), f32({1, 3, 2}, {1, 0, 1, 0, 1, 0}));
  LAZYFX_TEST_SAME(run("onnx::DFT", {f32({1, 2, 2}, {3, 0, 1, 0})}, {{"inverse", 1}}), f32({1, 2, 2}, {2, 0, 1, 0}));
  LAZYFX_TEST_SAME(
      run("onnx::STFT", {f32({1, 4}, {1, 2, 3, 4}), Tensor::scalar(std::int64_t{2}), Tensor(), Tensor::scalar(std::int64_t{2})}),
      f32({1, 2, 2, 2}, {3, 0, -1, 0, 7, 0, -1, 0}));
}

BOOST_AUTO_TEST_CASE(einsum_sums_over_what_the_output_does_not_name) {
  const Tensor m = f32({2, 2}, {1, 2, 3, 4});
  LAZYFX_TEST_SAME(run("onnx::Einsum", {m}, {{"equation", "ii->"}}), number(5));
  LAZYFX_TEST_SAME(run("onnx::Einsum", {m, m}, {{"equation", "ij,jk"}}), f32({2, 2}, {7, 10, 15, 22}));
  LAZYFX_TEST_SAME(run("onnx::Einsum", {m, f32({2}, {10, 1})}, {{"equation", "...j,j->..."}}), f32({2}, {12, 34}));
  for (const char* wrong : {"ij,jk->ik", "i->i", "i%->i", "ij->k", "ij->ii", ".ij->ij"}) {
    BOOST_TEST((refusal({"onnx::Einsum", {m}, {{"equation", wrong}}}) == ErrorKind::invalid_graph), wrong);
  }
}

BOOST_AUTO_TEST_CASE(boxes_that_overlap_a_better_one_are_suppressed) {
  const Tensor boxes = f32({1, 3, 4}, {0, 0, 2, 2, 0, 0, 2, 1.9F, 5, 5, 6, 6});
  const Tensor scores = f32({1, 1, 3}, {0.5F, 0.9F, 0.1F});
  const auto kept = [&](std::int64_t limit, float least) {
    return run("onnx::NonMaxSuppression", {boxes, scores, Tensor::scalar(limit), number(0.5F), number(least)});
  };
  LAZYFX_TEST_SAME(kept(9, 0), i64({2, 3}, {0, 0, 1, 0, 0, 2}));
  LAZYFX_TEST_SAME(kept(1, 0), i64({1, 3}, {0, 0, 1}));
  LAZYFX_TEST_SAME(kept(9, 0.95F), i64({0, 3}, {}));
  LAZYFX_TEST_SAME(run("onnx::NonMaxSuppression", {boxes, scores}), i64({0, 3}, {}));
}

BOOST_AUTO_TEST_CASE(regions_and_grids_sample_between_elements) {
  const Tensor x = f32({1, 1, 2, 2}, {0, 1, 2, 3});
  LAZYFX_TEST_SAME(run("onnx::GridSample", {x, f32({1, 1, 3, 2}, {-1, -1, 0, 0, 1, 1})}, {{"align_corners", 1}}),
                   f32({1, 1, 1, 3}, {0, 1.5F, 3}));
  LAZYFX_TEST_SAME(run("onnx::GridSample", {x, f32({1, 1, 1, 2}, {-1, -1})}), f32({1, 1, 1, 1}, {0}));
  LAZYFX_TEST_SAME(run("onnx::GridSample", {x, f32({1, 1, 1, 2}, {1, 1})}, {{"padding_mode", "border"}}), f32({1, 1, 1, 1}, {3}));
  LAZYFX_TEST_SAME(run("onnx::RoiAlign", {x, f32({1, 4}, {0, 0, 2, 2}), ints({0})}, {{"sampling_ratio", 1}}), f32({1, 1, 1, 1}, {1.5F}));
  LAZYFX_TEST_SAME(run("onnx::MaxRoiPool", {x, f32({1, 5}, {0, 0, 0, 1, 1})}, {{"pooled_shape", int_list({1, 2})}}),
                   f32({1, 1, 1, 2}, {2, 3}));
  LAZYFX_TEST_SAME(run("onnx::MaxUnpool", {f32({1, 1, 1, 1}, {7}), i64({1, 1, 1, 1}, {3})},
                       {{"kernel_shape", int_list({2, 2})}, {"strides", int_list({2, 2})}}),
                   f32({1, 1, 2, 2}, {0, 0, 0, 7}));
  BOOST_TEST((refusal({"onnx::RoiAlign", {x, f32({1, 4}, {0, 0, 2, 2}), ints({1})}, {}}) == ErrorKind::invalid_argument));
}

BOOST_AUTO_TEST_CASE(selections_keep_what_they_are_told) {
  const Tensor x = f32({2, 3}, {3, 1, 2, 3, 1, 2});
  LAZYFX_TEST_SAME(run("onnx::Compress", {x, booleans({true, false, true})}, {{"axis", 1}}), f32({2, 2}, {3, 2, 3, 2}));
  LAZYFX_TEST_SAME(run("onnx::Compress", {x, booleans({false, true})}), f32({1}, {1}));
  const auto unique = run_all({"onnx::Unique", {f32({4}, {2, 1, 2, 3})}, {}, 4});
  LAZYFX_TEST_SAME(unique[0], f32({3}, {1, 2, 3}));
  LAZYFX_TEST_SAME(unique[1], ints({1, 0, 3}));
  LAZYFX_TEST_SAME(unique[2], ints({1, 0, 1, 2}));
  LAZYFX_TEST_SAME(unique[3], ints({1, 2, 1}));
  LAZYFX_TEST_SAME(run("onnx::Unique", {words({"b", "a", "b"})}, {{"sorted", 0}}), words({"b", "a"}));
  LAZYFX_TEST_SAME(run("onnx::Unique", {x}, {{"axis", 0}}), f32({1, 3}, {3, 1, 2}));
  LAZYFX_TEST_SAME(run("onnx::ReverseSequence", {f32({3, 2}, {1, 2, 3, 4, 5, 6}), ints({2, 3})}), f32({3, 2}, {3, 6, 1, 4, 5, 2}));
  LAZYFX_TEST_SAME(run("onnx::Trilu", {x, Tensor::scalar(std::int64_t{1})}), f32({2, 3}, {0, 1, 2, 0, 0, 2}));
  LAZYFX_TEST_SAME(run("onnx::Trilu", {x}, {{"upper", 0}}), f32({2, 3}, {3, 0, 0, 3, 1, 0}));
  BOOST_TEST((refusal({"onnx::Compress", {f32({1}, {1}), booleans({false, true})}, {}}) == ErrorKind::invalid_argument));
}

BOOST_AUTO_TEST_CASE(norms_and_determinants_are_their_formulas) {
  LAZYFX_TEST_SAME(run("onnx::Det", {f32({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}), f32({2}, {-2, -1}));
  // 2 / (1 + 3 / 3 * (1 + 4))^1, the middle of three channels 1 2 0 at its neighbours' squares
  LAZYFX_TEST_SAME(run("onnx::LRN", {f32({1, 3, 1}, {1, 2, 0})}, {{"size", 3}, {"alpha", 3.0}, {"beta", 1.0}}),
                   f32({1, 3, 1}, {1.0F / 6, 2.0F / 6, 0}));
  LAZYFX_TEST_SAME(run("onnx::LpNormalization", {f32({2, 2}, {3, 4, 0, 0})}), f32({2, 2}, {0.6F, 0.8F, 0, 0}));
  LAZYFX_TEST_SAME(run("onnx::LpPool", {f32({1, 1, 2}, {3, 4})}, {{"kernel_shape", int_list({2})}}), f32({1, 1, 1}, {5}));
  LAZYFX_TEST_SAME(run("onnx::GlobalLpPool", {f32({1, 1, 3}, {1, -2, 2})}), f32({1, 1, 1}, {3}));
  LAZYFX_TEST_SAME(run("onnx::MeanVarianceNormalization", {f32({1, 1, 1, 2}, {1, 3})}), f32({1, 1, 1, 2}, {-1, 1}));
  const auto trained = run_all({"onnx::BatchNormalization",
                                {f32({2, 1, 1}, {1, 3}), f32({1}, {1}), f32({1}, {0}), f32({1}, {10}), f32({1}, {1})},
                                {{"training_mode", 1}, {"momentum", 0.5}, {"epsilon", 0.0}},
                                3});
  LAZYFX_TEST_SAME(trained[0], f32({2, 1, 1}, {-1, 1}));
  LAZYFX_TEST_SAME(trained[1], f32({1}, {6}));
  LAZYFX_TEST_SAME(trained[2], f32({1}, {1}));
}

BOOST_AUTO_TEST_CASE(random_numbers_are_a_function_of_their_seed_and_lie_where_they_should) {
  const Tensor drawn = run("onnx::RandomUniform", {}, {{"shape", int_list({1000})}, {"low", 2.0}, {"high", 3.0}, {"seed", 5.0}});
  LAZYFX_TEST_SAME(drawn, run("onnx::RandomUniform", {}, {{"shape", int_list({1000})}, {"low", 2.0}, {"high", 3.0}, {"seed", 5.0}}));
  double sum = 0;
  for (const float v : drawn.values<float>()) {
    BOOST_TEST((v >= 2 && v <= 3));
    sum += v;
  }
  BOOST_TEST(std::abs(sum / 1000 - 2.5) < 0.05);
  const Keywords unseeded{{"shape", int_list({100})}};
  BOOST_TEST(difference(run("onnx::RandomNormal", {}, unseeded), run("onnx::RandomNormal", {}, unseeded)) != "");
  LAZYFX_TEST_SAME(run("onnx::Bernoulli", {f32({2}, {0, 1})}), f32({2}, {0, 1}));
  LAZYFX_TEST_SAME(run("onnx::Multinomial", {f32({1, 3}, {-1000, 0, -1000})}, {{"sample_size", 2}}),
                   Tensor::from<std::int32_t>({1, 1}, Shape{1, 2}));
  for (const char* op : {"onnx::RandomUniform", "onnx::RandomNormalLike", "onnx::Bernoulli", "onnx::Multinomial"}) {
    BOOST_TEST((find(op).effect == Effect::random), op);
  }
}

BOOST_AUTO_TEST_CASE(strings_are_normalised_and_counted) {
  LAZYFX_TEST_SAME(
      run("onnx::StringNormalizer", {words({"Monday", "tuesday"})}, {{"case_change_action", "UPPER"}, {"stopwords", strings({"monday"})}}),
      words({"TUESDAY"}));
  LAZYFX_TEST_SAME(run("onnx::StringNormalizer", {words({"a"})}, {{"stopwords", strings({"A"})}}), words({""}));
  LAZYFX_TEST_SAME(run("onnx::StringNormalizer", {words({"a"})}, {{"stopwords", strings({"A"})}, {"is_case_sensitive", 1}}), words({"a"}));
  // One word 2 and one pair (2, 3), adjacent or one apart: 2 2 x 3 holds 2 twice, and 2 _ 3 once with a skip.
  const Keywords pool{{"mode", "TF"},
                      {"min_gram_length", 1},
                      {"max_gram_length", 2},
                      {"ngram_counts", int_list({0, 1})},
                      {"ngram_indexes", int_list({0, 1})},
                      {"pool_int64s", int_list({2, 2, 3})},
                      {"max_skip_count", 1}};
  LAZYFX_TEST_SAME(run("onnx::TfIdfVectorizer", {ints({2, 2, 9, 3})}, pool), f32({2}, {2, 1}));
}

BOOST_AUTO_TEST_CASE(a_window_larger_than_the_padded_input_by_less_than_a_stride_sees_what_there_is) {
  const Tensor x = f32({1, 1, 1, 3}, {1, 5, 9});
  const Keywords window{{"kernel_shape", int_list({2, 2})}, {"strides", int_list({2, 2})}};
  LAZYFX_TEST_SAME(run("onnx::MaxPool", {x}, window), f32({1, 1, 1, 1}, {5}));
  LAZYFX_TEST_SAME(run("onnx::AveragePool", {x}, window), f32({1, 1, 1, 1}, {3}));
  Runtime runtime(RuntimeOptions().threads(1));
  LAZYFX_TEST_SAME(compile_and_run(runtime, {"onnx::MaxPool", {x}, window}, Known::none)[0], f32({1, 1, 1, 1}, {5}));
  BOOST_TEST((refusal({"onnx::MaxPool", {x}, {{"kernel_shape", int_list({2, 2})}}}) == ErrorKind::invalid_graph));
}

BOOST_AUTO_TEST_CASE(an_equal_split_keeps_its_parts_when_the_last_is_not_read) {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x");
  const Node parts = graph->call_function("onnx::Split", {x}, {{"num_outputs", 3}});
  graph->output(graph->call_function("getitem", {parts, 0}));
  Runtime runtime(RuntimeOptions().threads(1));
  GraphModule module(runtime, graph);
  LAZYFX_TEST_SAME(module.call(std::vector<Value>{f32({6}, {1, 2, 3, 4, 5, 6})}).as_tensor(), f32({2}, {1, 2}));
  LAZYFX_TEST_SAME(run_all({"onnx::Split@18", {f32({5}, {1, 2, 3, 4, 5})}, {{"num_outputs", 2}}, 2})[1], f32({2}, {4, 5}));
}

BOOST_AUTO_TEST_CASE(a_number_chosen_by_a_condition_has_the_dtype_of_the_other) {
  auto graph = std::make_shared<Graph>();
  const Node condition = graph->placeholder("condition"), y = graph->placeholder("y");
  graph->output(graph->call_function("onnx::Where", {condition, 2.5, y}));
  Runtime runtime(RuntimeOptions().threads(1));
  GraphModule module(runtime, graph);
  const std::vector<Value> inputs{booleans({true, false}), Tensor::from<double>({1, 1}, Shape{2})};
  LAZYFX_TEST_SAME(module.call(inputs).as_tensor(), Tensor::from<double>({2.5, 1}, Shape{2}));
}
