#define BOOST_TEST_MODULE ops_random_cases
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lazyfx/compile/runtime.hpp"
#include "ops/apply.hpp"
#include "ops/cases.hpp"

using namespace lazyfx;
using namespace ops_test;

namespace {

constexpr unsigned seeds = 20;

/// Calls `f` on every case of every seed; a check that fails or an exception names the case.
template <class F>
void for_each_case(F f) {
  for (unsigned seed = 0; seed < seeds; ++seed) {
    for (const Case& a : random_cases(seed)) {
      BOOST_TEST_CONTEXT("seed " << seed << ": " << describe(a)) {
        try {
          f(a);
        } catch (const std::exception& error) { BOOST_ERROR(error.what()); }
      }
    }
  }
}

/// The same elements, two apart in memory.
Tensor strided(const Tensor& t) {
  std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
  dims.push_back(1);
  const Tensor column = t.reshape(Shape(dims));
  dims.back() = 2;
  const Tensor pairs = column.expand(Shape(dims)).clone();
  return Tensor::wrap(t.dtype(), t.shape(), pairs.strides().first(t.rank()), pairs.raw(), std::make_shared<Tensor>(pairs));
}

std::string unlike(const std::vector<TensorType>& types, const std::vector<Tensor>& outputs) {
  if (types.size() != outputs.size()) return std::to_string(types.size()) + " types for " + std::to_string(outputs.size()) + " outputs";
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (!types[i].accepts(outputs[i].dtype(), outputs[i].shape())) {
      return to_string(types[i]) + " does not describe " + to_string(TensorType(outputs[i].dtype(), outputs[i].shape()));
    }
  }
  return "";
}

/// A name promises a size; here every dimension is named after its own.
std::string broken_promise(const std::vector<TensorType>& types, const std::vector<Tensor>& outputs) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (std::size_t d = 0; types[i].dims && d < types[i].dims->size(); ++d) {
      const std::string& name = (*types[i].dims)[d].name;
      if (!name.empty() && name != "size" + std::to_string(outputs[i].shape()[d])) {
        return to_string(types[i]) + " promises what " + to_string(outputs[i].shape()) + " does not hold";
      }
    }
  }
  return "";
}

/// Some elements are what arithmetic trips over.
Tensor with_odd_numbers(const Tensor& t, std::mt19937& random) {
  static constexpr float inf = std::numeric_limits<float>::infinity();
  static constexpr float odd[] = {std::numeric_limits<float>::quiet_NaN(), inf, -inf, -0.0F};
  if (!t.defined() || t.dtype() != DType::f32) return t;
  Tensor changed = t.clone();
  for (float& v : changed.mutable_values<float>()) {
    if (random() % 4 == 0) v = odd[random() % std::size(odd)];
  }
  return changed;
}

/// Without the elements of the first dimension, if it is as long as that of `first`.
Tensor emptied(const Tensor& t, const Tensor& first) {
  if (!t.defined() || t.rank() == 0 || t.shape()[0] != first.shape()[0]) return t;
  std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
  dims[0] = 0;
  return Tensor::zeros(t.dtype(), Shape(dims));
}

/// Nothing if it is refused.
template <class F>
std::optional<std::vector<Tensor>> outputs_of(F run) {
  try {
    return run();
  } catch (const Error&) { return std::nullopt; }
}

void compare_compiled(Runtime& runtime, const Case& a) {
  const auto expected = outputs_of([&] { return run_all(a); });
  for (const Known known : {Known::all_but_first, Known::none}) {
    const auto actual = outputs_of([&] { return compile_and_run(runtime, a, known); });
    BOOST_REQUIRE(actual.has_value() == expected.has_value());
    for (std::size_t i = 0; expected && i < expected->size(); ++i) LAZYFX_TEST_SAME((*actual)[i], (*expected)[i]);
  }
}

template <class F>
MaybeTypes changed(MaybeTypes types, F f) {
  for (auto& type : types) {
    if (type) f(*type);
  }
  return types;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_operator_that_ships_has_a_case) {
  std::set<std::string> covered;
  for (const Case& a : random_cases(0)) covered.insert(a.op);
  for (const OperatorPtr& op : registry().all()) {
    const bool by_hand = op->name == "getitem" || !op->reference;  // structure, and what works on values that are no tensors
    BOOST_TEST((by_hand || covered.contains(op->name)), op->name);
  }
}

BOOST_AUTO_TEST_CASE(the_type_rule_says_what_the_reference_kernel_makes) {
  for_each_case([](const Case& a) {
    const std::vector<Tensor> outputs = run_all(a);
    const std::vector<TensorType> types = infer_all(a);
    BOOST_TEST(unlike(types, outputs) == "");
    static const std::set<std::string> by_elements{"onnx::NonZero", "onnx::Compress", "onnx::Unique", "onnx::NonMaxSuppression",
                                                   "onnx::StringNormalizer"};
    const bool depends_on_elements = by_elements.contains(a.op);
    BOOST_TEST((depends_on_elements || std::all_of(types.begin(), types.end(), [](const TensorType& t) { return t.is_static(); })));
  });
}

BOOST_AUTO_TEST_CASE(what_a_type_rule_says_of_less_known_inputs_still_holds) {
  for_each_case([](const Case& a) {
    const std::vector<Tensor> outputs = run_all(a);
    const MaybeTypes exact = types_of(a.inputs);
    const std::vector<Tensor> unknown(a.inputs.size());
    const MaybeTypes named = changed(exact, [](TensorType& t) {
      for (Dim& d : *t.dims) d = Dim("size" + std::to_string(d.size));
    });
    const MaybeTypes nameless = changed(exact, [](TensorType& t) {
      for (Dim& d : *t.dims) d = Dim();
    });
    const MaybeTypes rankless = changed(exact, [](TensorType& t) { t.dims.reset(); });
    for (const MaybeTypes& types : {exact, named, nameless, rankless}) {
      for (const std::vector<Tensor>& constants : {a.inputs, unknown}) {
        const std::vector<TensorType> said = infer_all(a, types, constants);
        BOOST_TEST(unlike(said, outputs) == "");
        BOOST_TEST(broken_promise(said, outputs) == "");
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(reference_kernels_take_strided_inputs) {
  for_each_case([](const Case& a) {
    Case other = a;
    for (Tensor& t : other.inputs) {
      if (t.defined() && t.dtype() != DType::string) t = strided(t);
    }
    const std::vector<Tensor> expected = run_all(a);
    const std::vector<Tensor> actual = run_all(other);
    for (std::size_t i = 0; i < expected.size(); ++i) LAZYFX_TEST_SAME(actual[i], expected[i]);
  });
}

BOOST_AUTO_TEST_CASE(what_is_compiled_computes_what_the_reference_kernel_does) {
  Runtime runtime(RuntimeOptions().threads(1));
  for_each_case([&](const Case& a) {
    const std::vector<Tensor> expected = run_all(a);
    for (const Known known : {Known::all_but_first, Known::none}) {
      const std::vector<Tensor> actual = compile_and_run(runtime, a, known);
      BOOST_REQUIRE(actual.size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) LAZYFX_TEST_SAME(actual[i], expected[i]);
    }
  });
}

BOOST_AUTO_TEST_CASE(nan_and_infinities_are_compiled_as_the_reference_kernel_computes_them) {
  Runtime runtime(RuntimeOptions().threads(1));
  std::mt19937 random(1);
  for_each_case([&](Case a) {
    // Not weights and bounds: what a zero of the padding gives with an infinite weight is nobody's definition, as is a bound that is NaN. And
    // a sample that is excluded has the weight zero, which an infinity does not survive.
    const bool excludes = std::ranges::any_of(a.attributes, [](const auto& attribute) { return attribute.first == "exclude_outside"; });
    if (a.inputs.empty() || excludes) return;
    const Shape data = a.inputs.front().defined() ? a.inputs.front().shape() : Shape{};
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      Tensor& t = a.inputs[i];
      if (t.defined() && t.shape() == data && (i == 0 || t.rank() > 0)) t = with_odd_numbers(t, random);
    }
    compare_compiled(runtime, a);
  });
}

BOOST_AUTO_TEST_CASE(empty_tensors_are_compiled_as_the_reference_kernel_takes_them) {
  Runtime runtime(RuntimeOptions().threads(1));
  for_each_case([&](Case a) {
    const Tensor first = a.inputs.empty() ? Tensor() : a.inputs.front();
    if (!first.defined() || first.rank() == 0) return;
    for (Tensor& t : a.inputs) t = emptied(t, first);
    compare_compiled(runtime, a);
  });
}

BOOST_AUTO_TEST_CASE(every_dtype_is_compiled_as_the_reference_kernel_takes_it) {
  Runtime runtime(RuntimeOptions().threads(1));
  for (const DType dtype : {DType::f64, DType::f16, DType::bf16, DType::i64, DType::i32, DType::u8, DType::i8}) {
    for_each_case([&](Case a) {
      for (Tensor& t : a.inputs) {
        if (t.defined() && t.dtype() == DType::f32) t = run("onnx::Cast", {t}, {{"to", dtype}});
      }
      compare_compiled(runtime, a);
    });
  }
}
