#define BOOST_TEST_MODULE tensor_view
#include <boost/test/unit_test.hpp>

#include <array>
#include <limits>
#include <random>
#include <vector>

#include "expect.hpp"
#include "lazyfx/tensor/tensor.hpp"

using namespace lazyfx;

namespace {

using Ints = std::vector<std::int32_t>;
using Axes = std::vector<std::size_t>;

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

// Reads a tensor index by index, the slow and obvious way.
Ints read_by_index(const Tensor& tensor) {
  Ints found;
  for (std::int64_t n = 0; n < tensor.size(); ++n) {
    std::int64_t rest = n;
    std::int64_t offset = 0;
    for (std::size_t i = tensor.rank(); i-- > 0;) {
      offset += rest % tensor.shape()[i] * tensor.strides()[i];
      rest /= tensor.shape()[i];
    }
    found.push_back(static_cast<const std::int32_t*>(tensor.raw())[offset]);
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(reshape_shares_the_elements_of_a_contiguous_tensor) {
  const Tensor t = counting({2, 6});
  const Tensor r = t.reshape({3, 4});
  BOOST_TEST(r.raw() == t.raw());
  BOOST_TEST((r.shape() == Shape{3, 4}));
  BOOST_TEST((elements<std::int32_t>(r) == elements<std::int32_t>(t)));
}

BOOST_AUTO_TEST_CASE(reshape_copies_a_strided_tensor_in_its_row_major_order) {
  const Tensor t = counting({2, 3}).transpose(Axes{1, 0});
  const Tensor r = t.reshape({6});
  BOOST_TEST(r.raw() != t.raw());
  BOOST_TEST((elements<std::int32_t>(r) == Ints{0, 3, 1, 4, 2, 5}));
}

BOOST_AUTO_TEST_CASE(reshape_refuses_another_size) {
  BOOST_TEST(refuses("shape 2x3 cannot be reshaped to 4", [] { counting({2, 3}).reshape({4}); }));
  BOOST_TEST(refuses("reshaped", [] { counting({2, 3}).reshape({std::int64_t{1} << 62}); }));
}

BOOST_AUTO_TEST_CASE(transpose_permutes_axes_without_copying) {
  const Tensor t = counting({2, 3, 4});
  const Tensor p = t.transpose(Axes{2, 0, 1});
  BOOST_TEST(p.raw() == t.raw());
  BOOST_TEST((p.shape() == Shape{4, 2, 3}));
  BOOST_TEST((elements<std::int32_t>(p.slice(0, 1, 1)) == Ints{1, 5, 9, 13, 17, 21}));
  BOOST_TEST((elements<std::int32_t>(p.transpose(Axes{1, 2, 0})) == elements<std::int32_t>(t)));
}

BOOST_AUTO_TEST_CASE(transposing_axes_of_size_one_stays_contiguous) {
  BOOST_TEST(counting({1, 5, 1}).transpose(Axes{2, 1, 0}).is_contiguous());
  BOOST_TEST(!counting({2, 5, 1}).transpose(Axes{2, 1, 0}).is_contiguous());
}

BOOST_AUTO_TEST_CASE(transpose_refuses_what_is_not_a_permutation) {
  const Tensor t = counting({2, 3});
  for (const Axes& axes : {Axes{}, Axes{0}, Axes{0, 0}, Axes{0, 2}, Axes{0, 1, 2}, Axes{most, 0}}) {
    BOOST_TEST(refuses("shape 2x3 is not a permutation of its 2 axes", [&] { t.transpose(axes); }));
  }
}

BOOST_AUTO_TEST_CASE(slice_takes_every_step_th_element_of_one_axis) {
  const Tensor t = counting({2, 6});
  BOOST_TEST((elements<std::int32_t>(t.slice(1, 1, 3, 2)) == Ints{1, 3, 5, 7, 9, 11}));
  BOOST_TEST((elements<std::int32_t>(t.slice(1, 5, 6, -1)) == Ints{5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6}));
  BOOST_TEST((elements<std::int32_t>(t.slice(0, 1, 1)) == Ints{6, 7, 8, 9, 10, 11}));
  BOOST_TEST((elements<std::int32_t>(t.slice(1, 2, 3, 0)) == Ints{2, 2, 2, 8, 8, 8}));
}

BOOST_AUTO_TEST_CASE(an_empty_slice_may_start_at_the_end) {
  const Tensor t = counting({2, 6});
  BOOST_TEST((t.slice(1, 6, 0).shape() == Shape{2, 0}));
  BOOST_TEST(t.slice(1, 0, 0, least).size() == 0);
}

BOOST_AUTO_TEST_CASE(a_single_element_may_be_sliced_by_any_step) {
  const Tensor t = counting({3});
  BOOST_TEST((elements<std::int32_t>(t.slice(0, 2, 1, most)) == Ints{2}));
  BOOST_TEST((elements<std::int32_t>(t.slice(0, 2, 1, least)) == Ints{2}));
  BOOST_TEST((elements<std::int32_t>(counting({3, 2}).slice(0, 1, 1, most)) == Ints{2, 3}));
}

BOOST_AUTO_TEST_CASE(slice_refuses_to_leave_its_axis) {
  const Tensor t = counting({2, 6});
  BOOST_TEST(refuses("slice of 4 from 0 by 2 leaves axis 1 of shape 2x6", [&] { t.slice(1, 0, 4, 2); }));
  BOOST_TEST(refuses("axis 2 to slice is outside of shape 2x6", [&] { t.slice(2, 0, 1); }));
  for (const auto& [start, count, step] : std::vector<std::array<std::int64_t, 3>>{{-1, 1, 1},
                                                                                   {6, 1, 1},
                                                                                   {7, 0, 1},
                                                                                   {0, -1, 1},
                                                                                   {0, 2, -1},
                                                                                   {5, 2, 1},
                                                                                   {0, 2, most},
                                                                                   {5, 2, least},
                                                                                   {1, most, most},
                                                                                   {most, most, most},
                                                                                   {0, most, 1},
                                                                                   {least, least, least}}) {
    BOOST_TEST(refuses("leaves axis 1", [&] { t.slice(1, start, count, step); }));
  }
}

BOOST_AUTO_TEST_CASE(expand_repeats_elements_without_copying) {
  const Tensor t = counting({3, 1});
  const Tensor e = t.expand({2, 3, 2});
  BOOST_TEST(e.raw() == t.raw());
  BOOST_TEST((elements<std::int32_t>(e) == Ints{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  BOOST_TEST((Tensor::scalar(std::int32_t{7}).expand({2, 2}).contiguous().values<std::int32_t>()[3]) == 7);
}

BOOST_AUTO_TEST_CASE(expand_refuses_shapes_that_do_not_fit) {
  const Tensor t = counting({3, 1});
  BOOST_TEST(refuses("shape 3x1 cannot be expanded to 2x2", [&] { t.expand({2, 2}); }));
  BOOST_TEST(refuses("cannot be expanded", [&] { t.expand({1}); }));
  BOOST_TEST(refuses("cannot be expanded", [&] { t.expand({1, 1}); }));
}

BOOST_AUTO_TEST_CASE(an_absurd_expansion_is_a_cheap_view_and_its_copy_an_error) {
  const Tensor e = Tensor::scalar(1.0f).expand({std::int64_t{1} << 62});
  BOOST_TEST(e.size() == std::int64_t{1} << 62);
  BOOST_TEST(fails(ErrorKind::resource, "no memory", [&] { e.contiguous(); }));
  BOOST_TEST(to_string(e, 2) == "f32[4611686018427387904] {1, 1, ...}");
}

BOOST_AUTO_TEST_CASE(contiguous_returns_the_tensor_itself_when_it_is) {
  const Tensor t = counting({2, 3});
  BOOST_TEST(t.contiguous().is_same(t));
  const Tensor p = t.transpose(Axes{1, 0});
  BOOST_TEST(!p.contiguous().is_same(p));
  BOOST_TEST(p.contiguous().is_contiguous());
}

BOOST_AUTO_TEST_CASE(values_of_a_strided_view_are_refused) {
  const Tensor p = counting({2, 3}).transpose(Axes{1, 0});
  BOOST_TEST(refuses("i32[3x2] is strided", [&] { p.values<std::int32_t>(); }));
}

BOOST_AUTO_TEST_CASE(a_view_keeps_the_elements_alive_and_may_write_once_it_is_alone) {
  Tensor view;
  {
    const Tensor t = counting({2, 3});
    view = t.slice(0, 1, 1).reshape({3});
    BOOST_TEST(refuses("shared", [&] { view.mutable_raw(); }));
  }
  BOOST_TEST(view.unique());
  view.mutable_values<std::int32_t>()[0] = 100;
  BOOST_TEST((elements<std::int32_t>(view) == Ints{100, 4, 5}));
}

BOOST_AUTO_TEST_CASE(a_tensor_with_a_view_is_shared_and_a_strided_one_cannot_be_written) {
  Tensor t = counting({2, 3});
  Tensor view = t.transpose(Axes{1, 0});
  BOOST_TEST(!t.unique());
  BOOST_TEST(refuses("shared", [&] { t.mutable_raw(); }));
  t = Tensor();
  BOOST_TEST(refuses("strided", [&] { view.mutable_raw(); }));
}

BOOST_AUTO_TEST_CASE(is_same_means_the_same_place_shape_strides_and_dtype) {
  const Tensor t = counting({2, 3});
  BOOST_TEST(t.is_same(Tensor(t)));
  BOOST_TEST(t.slice(0, 0, 2).is_same(t));
  BOOST_TEST(!t.reshape({3, 2}).is_same(t));
  BOOST_TEST(!t.clone().is_same(t));
  BOOST_TEST(!t.slice(0, 1, 1).is_same(t.slice(0, 0, 1)));
  BOOST_TEST(!Tensor::wrap(DType::u32, {2, 3}, t.raw(), nullptr).is_same(t));
  BOOST_TEST(Tensor().is_same(Tensor()));
  BOOST_TEST(!t.is_same(Tensor()));
}

BOOST_AUTO_TEST_CASE(views_of_views_read_what_index_arithmetic_says) {
  std::mt19937 random(7);
  const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
  for (int round = 0; round < 300; ++round) {
    Tensor t = counting({2 + below(4), 1 + below(4), 3, 1 + below(3)});
    for (int step = 0; step < 4; ++step) {
      const auto axis = static_cast<std::size_t>(below(static_cast<std::int64_t>(t.rank())));
      const std::int64_t size = t.shape()[axis];
      switch (below(4)) {
        case 0: {
          Axes axes(t.rank());
          for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = i;
          std::shuffle(axes.begin(), axes.end(), random);
          t = t.transpose(axes);
          break;
        }
        case 1:
          if (size > 0) t = t.slice(axis, size - 1, size, -1);
          break;
        case 2:
          if (size > 1) t = t.slice(axis, below(2), (size + 1) / 2 - (size % 2), 2);
          break;
        default:
          if (t.rank() < 6) {
            std::vector<std::int64_t> dims(t.shape().begin(), t.shape().end());
            dims.insert(dims.begin(), 2);
            t = t.expand(Shape(dims));
          }
      }
    }
    const Ints expected = read_by_index(t);
    BOOST_TEST((elements<std::int32_t>(t) == expected));
    BOOST_TEST(equal(t, t.clone()));
    BOOST_TEST(t.digest() == t.clone().digest());
    BOOST_TEST((elements<std::int32_t>(t.reshape({t.size()})) == expected));
  }
}
