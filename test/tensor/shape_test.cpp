#define BOOST_TEST_MODULE tensor_shape
#include <boost/test/unit_test.hpp>

#include <limits>
#include <vector>

#include "expect.hpp"
#include "lazyfx/tensor/shape.hpp"

using namespace lazyfx;

namespace {

constexpr std::int64_t huge = std::int64_t{1} << 62;

Shape of(const std::vector<std::int64_t>& dims) { return Shape(dims); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_scalar_has_rank_zero_and_one_element) {
  BOOST_TEST(Shape{}.rank() == 0u);
  BOOST_TEST(Shape{}.size() == 1);
  BOOST_TEST(to_string(Shape{}) == "scalar");
}

BOOST_AUTO_TEST_CASE(a_shape_knows_its_dimensions_and_its_size) {
  const Shape shape{2, 3, 4};
  BOOST_TEST(shape.rank() == 3u);
  BOOST_TEST(shape[1] == 3);
  BOOST_TEST(shape.size() == 24);
  BOOST_TEST(to_string(shape) == "2x3x4");
  BOOST_TEST((std::vector<std::int64_t>(shape.begin(), shape.end()) == std::vector<std::int64_t>{2, 3, 4}));
}

BOOST_AUTO_TEST_CASE(a_zero_dimension_leaves_no_elements) { BOOST_TEST((Shape{5, 0, 7}.size()) == 0); }

BOOST_AUTO_TEST_CASE(row_major_strides_count_elements_and_treat_zero_as_one) {
  const auto strides = Shape{2, 3, 4}.row_major_strides();
  BOOST_TEST(strides[0] == 12);
  BOOST_TEST(strides[1] == 4);
  BOOST_TEST(strides[2] == 1);
  BOOST_TEST((Shape{5, 0, 7}.row_major_strides()[0]) == 7);
}

BOOST_AUTO_TEST_CASE(shapes_are_equal_when_rank_and_dimensions_are) {
  BOOST_TEST((Shape{2, 3} == Shape{2, 3}));
  BOOST_TEST((Shape{2, 3} != Shape{3, 2}));
  BOOST_TEST((Shape{2} != Shape{2, 1}));
  BOOST_TEST((Shape{} != Shape{1}));
}

BOOST_AUTO_TEST_CASE(a_shape_refuses_negative_dimensions) {
  BOOST_TEST(refuses("2x-1 has a negative dimension", [] { Shape{2, -1}; }));
  BOOST_TEST(refuses("negative", [] { Shape{std::numeric_limits<std::int64_t>::min()}; }));
}

BOOST_AUTO_TEST_CASE(a_shape_refuses_more_elements_than_63_bits_can_count) {
  BOOST_TEST(Shape{huge}.size() == huge);
  BOOST_TEST((Shape{huge, 1, 1}.size()) == huge);
  BOOST_TEST(refuses("63 bits", [] { Shape{huge, 2}; }));
  BOOST_TEST(refuses("63 bits", [] { Shape{huge, huge, huge, huge}; }));
  BOOST_TEST(refuses("63 bits", [] { Shape{std::int64_t{1} << 32, std::int64_t{1} << 31}; }));
}

BOOST_AUTO_TEST_CASE(a_zero_does_not_excuse_dimensions_whose_strides_would_overflow) {
  BOOST_TEST(refuses("63 bits", [] { Shape{0, huge, huge}; }));
  BOOST_TEST(refuses("63 bits", [] { Shape{huge, huge, 0}; }));
  BOOST_TEST((Shape{0, huge}.size()) == 0);
}

BOOST_AUTO_TEST_CASE(a_shape_refuses_a_rank_above_its_room_with_a_short_message) {
  BOOST_TEST(of(std::vector<std::int64_t>(Shape::max_rank, 1)).rank() == Shape::max_rank);
  BOOST_TEST(refuses("rank 13", [] { of(std::vector<std::int64_t>(Shape::max_rank + 1, 1)); }));
  try {
    of(std::vector<std::int64_t>(1000000, 1));
    BOOST_FAIL("a rank of a million was accepted");
  } catch (const Error& error) { BOOST_TEST(std::string_view(error.what()).size() < 200u); }
}

BOOST_AUTO_TEST_CASE(broadcast_aligns_at_the_last_axis_and_stretches_ones) {
  BOOST_TEST((broadcast({2, 3}, {3}) == Shape{2, 3}));
  BOOST_TEST((broadcast({3}, {2, 3}) == Shape{2, 3}));
  BOOST_TEST((broadcast({2, 1, 4}, {3, 1}) == Shape{2, 3, 4}));
  BOOST_TEST((broadcast({}, {2, 3}) == Shape{2, 3}));
  BOOST_TEST((broadcast({}, {}) == Shape{}));
  BOOST_TEST((broadcast({1}, {0}) == Shape{0}));
  BOOST_TEST((broadcast({2, 0}, {1, 1}) == Shape{2, 0}));
}

BOOST_AUTO_TEST_CASE(broadcast_of_shapes_that_do_not_fit_is_nothing) {
  BOOST_TEST(!broadcast({2}, {3}).has_value());
  BOOST_TEST(!broadcast({2, 3}, {2}).has_value());
  BOOST_TEST(!broadcast({0}, {2}).has_value());
}

BOOST_AUTO_TEST_CASE(broadcast_refuses_a_result_that_cannot_be_counted) {
  const Shape tall{huge, 1};
  const Shape wide{huge};
  BOOST_TEST(refuses("63 bits", [&] { broadcast(tall, wide); }));
}

BOOST_AUTO_TEST_CASE(an_axis_counts_from_either_end) {
  BOOST_TEST(normalize_axis(0, 3) == 0u);
  BOOST_TEST(normalize_axis(2, 3) == 2u);
  BOOST_TEST(normalize_axis(-1, 3) == 2u);
  BOOST_TEST(normalize_axis(-3, 3) == 0u);
}

BOOST_AUTO_TEST_CASE(an_axis_outside_of_the_rank_is_refused) {
  BOOST_TEST(refuses("axis 3 is outside of rank 3", [] { normalize_axis(3, 3); }));
  BOOST_TEST(refuses("axis -4", [] { normalize_axis(-4, 3); }));
  BOOST_TEST(refuses("rank 0", [] { normalize_axis(0, 0); }));
  BOOST_TEST(refuses("axis", [] { normalize_axis(std::numeric_limits<std::int64_t>::min(), 3); }));
}
