#define BOOST_TEST_MODULE tensor_content
#include <boost/test/unit_test.hpp>

#include <bit>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "expect.hpp"
#include "lazyfx/tensor/tensor.hpp"

using namespace lazyfx;

namespace {

using Axes = std::vector<std::size_t>;

// Every dtype with elements that differ; `seed` makes another content of it.
Tensor sample(DType dtype, const Shape& shape, int seed = 0) {
  Tensor t = Tensor::empty(dtype, shape);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    int next = seed;
    for (T& element : t.mutable_values<T>()) {
      if constexpr (std::is_same_v<T, std::string>) {
        element = std::string(static_cast<std::size_t>(next % 40), 's') + std::to_string(next);
      } else if constexpr (std::is_same_v<T, bool>) {
        element = next % 3 == 0;
      } else if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
        element = T(static_cast<float>(next % 128));
      } else {
        element = static_cast<T>(next % 128);
      }
      ++next;
    }
  });
  return t;
}

}  // namespace

BOOST_AUTO_TEST_CASE(equal_contents_have_equal_digests_wherever_they_lie) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    BOOST_TEST(sample(dtype, {3, 5}).digest() == sample(dtype, {3, 5}).digest());
    BOOST_TEST(sample(dtype, {3, 5}).digest() != sample(dtype, {3, 5}, 1).digest());
  }
}

BOOST_AUTO_TEST_CASE(a_strided_view_has_the_digest_of_its_contiguous_copy) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    // Rows longer than any buffer of the hash, shorter ones, and whole rows that lie together.
    const Tensor t = sample(static_cast<DType>(i), {3, 2000});
    for (const Tensor& view : {t.transpose(Axes{1, 0}), t.slice(1, 1999, 2000, -1), t.slice(1, 0, 1000), t.slice(1, 7, 1, 1),
                               t.slice(0, 2, 3, -1), t.reshape({3, 1, 2000}).expand({3, 2, 2000}), t.slice(1, 0, 0)}) {
      BOOST_TEST(view.digest() == view.clone().digest());
      BOOST_TEST(equal(view, view.clone()));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_digest_depends_on_dtype_and_shape) {
  std::set<std::uint64_t> digests;
  for (const DType dtype : {DType::u32, DType::i32, DType::f32}) {
    for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{3, 2}, Shape{6, 1}, Shape{0}, Shape{0, 1}, Shape{}}) {
      digests.insert(Tensor::zeros(dtype, shape).digest());
    }
  }
  BOOST_TEST(digests.size() == 21u);
}

BOOST_AUTO_TEST_CASE(the_digest_tells_where_one_string_ends_and_the_next_begins) {
  BOOST_TEST(Tensor::from<std::string>({"ab", "c"}, {2}).digest() != Tensor::from<std::string>({"a", "bc"}, {2}).digest());
  BOOST_TEST(Tensor::from<std::string>({"", "a"}, {2}).digest() != Tensor::from<std::string>({"a", ""}, {2}).digest());
}

BOOST_AUTO_TEST_CASE(the_digest_sees_one_changed_byte_anywhere) {
  const Tensor base = sample(DType::u8, {1000});
  std::set<std::uint64_t> digests{base.digest()};
  for (std::size_t i = 0; i < 1000; ++i) {
    Tensor changed = base.clone();
    changed.mutable_values<std::uint8_t>()[i] ^= 1;
    digests.insert(changed.digest());
  }
  BOOST_TEST(digests.size() == 1001u);
}

BOOST_AUTO_TEST_CASE(writing_to_a_tensor_forgets_its_digest) {
  Tensor t = sample(DType::f32, {10});
  const std::uint64_t before = t.digest();
  t.mutable_values<float>()[3] = 99;
  BOOST_TEST(t.digest() != before);
  t.mutable_values<float>()[3] = 3;
  BOOST_TEST(t.digest() == before);
}

BOOST_AUTO_TEST_CASE(tensors_are_equal_when_dtype_shape_and_every_element_are) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    const Tensor t = sample(dtype, {4, 6});
    BOOST_TEST(equal(t, t));
    BOOST_TEST(equal(t, sample(dtype, {4, 6})));
    BOOST_TEST(!equal(t, sample(dtype, {4, 6}, 1)));
    BOOST_TEST(!equal(t, sample(dtype, {6, 4})));
    BOOST_TEST(!equal(t.transpose(Axes{1, 0}), sample(dtype, {6, 4})));
    BOOST_TEST(equal(t.transpose(Axes{1, 0}).transpose(Axes{1, 0}), t));
    BOOST_TEST(equal(t.slice(0, 3, 2, -2), t.clone().slice(0, 3, 2, -2)));
  }
  BOOST_TEST(!equal(Tensor::zeros(DType::i32, {2}), Tensor::zeros(DType::u32, {2})));
  BOOST_TEST(equal(Tensor::zeros(DType::i32, {0}), Tensor::zeros(DType::i32, {0})));
}

BOOST_AUTO_TEST_CASE(equality_is_bit_for_bit) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float other_nan = std::bit_cast<float>(0x7fc00001u);
  BOOST_TEST(equal(Tensor::scalar(nan), Tensor::scalar(nan)));
  BOOST_TEST(!equal(Tensor::scalar(nan), Tensor::scalar(other_nan)));
  BOOST_TEST(!equal(Tensor::scalar(0.0f), Tensor::scalar(-0.0f)));
  const Tensor zeros = Tensor::from<float>({0.0f, 1.0f, -0.0f, 1.0f}, {2, 2}).transpose(Axes{1, 0});
  BOOST_TEST(!equal(zeros, Tensor::from<float>({0.0f, 0.0f, 1.0f, 1.0f}, {2, 2})));
}

BOOST_AUTO_TEST_CASE(undefined_tensors_equal_only_each_other) {
  BOOST_TEST(equal(Tensor(), Tensor()));
  BOOST_TEST(!equal(Tensor(), Tensor::scalar(1.0f)));
  BOOST_TEST(!equal(Tensor::scalar(1.0f), Tensor()));
}
