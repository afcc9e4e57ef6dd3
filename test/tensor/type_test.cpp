#define BOOST_TEST_MODULE tensor_type
#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "lazyfx/tensor/type.hpp"

using namespace lazyfx;

BOOST_AUTO_TEST_CASE(a_type_is_written_as_a_list_of_sizes_and_names) {
  BOOST_TEST(to_string(TensorType(DType::f32, {1, 3, "H", Dim()})) == "f32[1, 3, H, ?]");
  BOOST_TEST(to_string(TensorType(DType::i64, {2, 3})) == "i64[2, 3]");
  BOOST_TEST(to_string(TensorType(DType::i64, {0})) == "i64[0]");
  BOOST_TEST(to_string(TensorType(DType::f16, Shape{4, 5})) == "f16[4, 5]");
}

BOOST_AUTO_TEST_CASE(a_type_is_written_on_one_line_whatever_its_names) {
  BOOST_TEST(to_string(TensorType(DType::f32, {Dim("a\nb\t\x1b"), Dim("\xe2\x80\xa8\xff")})) == "f32[a?b??, ??]");
  BOOST_TEST(to_string(TensorType(DType::f32, {Dim(std::string(200, 'n'))})) == "f32[" + std::string(80, 'n') + "...]");
}

BOOST_AUTO_TEST_CASE(a_type_of_open_rank_prints_its_dtype_alone_and_a_scalar_prints_brackets) {
  BOOST_TEST(to_string(TensorType(DType::boolean)) == "bool");
  BOOST_TEST(to_string(TensorType(DType::boolean, Shape{})) == "bool[]");
}

BOOST_AUTO_TEST_CASE(a_type_is_static_when_every_dimension_has_a_size) {
  BOOST_TEST(TensorType(DType::f32, {2, 3}).is_static());
  BOOST_TEST(TensorType(DType::f32, Shape{}).is_static());
  BOOST_TEST(!TensorType(DType::f32, {2, "n"}).is_static());
  BOOST_TEST(!TensorType(DType::f32).is_static());
}

BOOST_AUTO_TEST_CASE(a_static_type_has_a_shape_and_another_says_that_it_has_none) {
  BOOST_TEST((TensorType(DType::f32, {2, 3}).shape() == Shape{2, 3}));
  BOOST_TEST(refuses("f32[2, n]", [] { TensorType(DType::f32, {2, "n"}).shape(); }));
  BOOST_TEST(refuses("type f32", [] { TensorType(DType::f32).shape(); }));
}

BOOST_AUTO_TEST_CASE(the_shape_of_an_absurd_type_is_an_error) {
  const TensorType absurd(DType::f32, {std::int64_t{1} << 62, std::int64_t{1} << 62});
  BOOST_TEST(refuses("63 bits", [&] { absurd.shape(); }));
}

BOOST_AUTO_TEST_CASE(a_type_accepts_what_agrees_in_dtype_rank_and_known_sizes) {
  const TensorType image(DType::f32, {1, 3, "H", "W"});
  BOOST_TEST(image.accepts(DType::f32, {1, 3, 48, 320}));
  BOOST_TEST(image.accepts(DType::f32, {1, 3, 0, 1}));
  BOOST_TEST(!image.accepts(DType::f64, {1, 3, 48, 320}));
  BOOST_TEST(!image.accepts(DType::f32, {1, 4, 48, 320}));
  BOOST_TEST(!image.accepts(DType::f32, {1, 3, 48}));
  BOOST_TEST(!image.accepts(DType::f32, {1, 3, 48, 320, 1}));
  BOOST_TEST(TensorType(DType::f32).accepts(DType::f32, {1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(types_are_equal_when_dtype_sizes_and_names_are) {
  BOOST_TEST((TensorType(DType::f32, {1, "n"}) == TensorType(DType::f32, {1, "n"})));
  BOOST_TEST((TensorType(DType::f32, {1, "n"}) != TensorType(DType::f32, {1, "m"})));
  BOOST_TEST((TensorType(DType::f32) != TensorType(DType::f32, Shape{})));
}
