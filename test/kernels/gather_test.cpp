#define BOOST_TEST_MODULE kernels_gather
#include <boost/test/unit_test.hpp>

#include "kernel_fixture.hpp"

using namespace kernel_test;

namespace {

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

std::vector<std::int64_t> random_dims(std::size_t rank) {
  std::vector<std::int64_t> dims(rank);
  for (auto& d : dims) d = random_int(1, rank < 3 ? 40 : 7);
  return dims;
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_and_elements_are_gathered_along_every_axis) {
  const std::vector<DType> widths{DType::u8, DType::i16, DType::f32, DType::f64};
  for (int round = 0; round < 800; ++round) {
    const auto dims = random_dims(static_cast<std::size_t>(random_int(1, 5)));
    const auto places = random_dims(static_cast<std::size_t>(random_int(0, 2)));
    const auto axis = static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(dims.size()) - 1));
    const Shape data = shape_of(dims), indices = shape_of(places);
    std::vector<std::int64_t> out(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(axis));
    out.insert(out.end(), places.begin(), places.end());
    out.insert(out.end(), dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, dims.end());
    const DType dtype = widths[static_cast<std::size_t>(round) % 4];
    const Values values = random_integers(data.size(), 0, 120), chosen = random_integers(indices.size(), -dims[axis], dims[axis] - 1);
    Values expected;
    for_each_index(shape_of(out), [&](const std::vector<std::int64_t>& at) {
      const auto first = at.begin() + static_cast<std::ptrdiff_t>(axis);
      const std::vector<std::int64_t> place(first, first + static_cast<std::ptrdiff_t>(places.size()));
      const auto index = static_cast<std::int64_t>(chosen[position(indices, place)]);
      std::vector<std::int64_t> from(at.begin(), first);
      from.push_back(index < 0 ? index + dims[axis] : index);
      from.insert(from.end(), first + static_cast<std::ptrdiff_t>(places.size()), at.end());
      expected.push_back(values[position(data, from)]);
    });
    const DType index_type = round % 8 < 4 ? DType::i64 : DType::i32;
    Run run{primitive::Gather{axis}, {{dtype, data}, {index_type, indices}}, {dtype, shape_of(out)}, {values, chosen}};
    check_close(run(), expected, 0, 0, "gather from " + to_string(data) + " along " + std::to_string(axis));
  }
}

BOOST_AUTO_TEST_CASE(an_index_beyond_the_axis_is_refused_wherever_it_stands) {
  for (const std::int64_t wrong : {7, -8, 1 << 30, -(1 << 30)}) {
    for (std::int64_t at = 0; at < 70; ++at) {
      Values indices(70, 3);
      indices[static_cast<std::size_t>(at)] = static_cast<double>(wrong);
      for (const DType type : {DType::i32, DType::i64}) {
        Run run{primitive::Gather{0}, {{DType::f32, {7, 2}}, {type, Shape{70}}}, {DType::f32, {70, 2}}, {random_values(14), indices}};
        BOOST_CHECK_THROW(run(), Error);
      }
    }
  }
  // Beyond what 32 bits hold: the low half alone would be inside.
  Run far{
      primitive::Gather{0}, {{DType::f32, Shape{7}}, {DType::i64, Shape{1}}}, {DType::f32, Shape{1}}, {random_values(7), {4294967298.0}}};
  BOOST_CHECK_THROW(far(), Error);
}

BOOST_AUTO_TEST_CASE(empty_operands_give_nothing_and_an_empty_axis_has_no_index) {
  Run none{primitive::Gather{0}, {{DType::f32, {7, 2}}, {DType::i64, Shape{0}}}, {DType::f32, {0, 2}}, {random_values(14), {}}};
  BOOST_TEST(none().empty());
  Run thin{primitive::Gather{0}, {{DType::f32, {7, 0}}, {DType::i64, Shape{2}}}, {DType::f32, {2, 0}}, {{}, {0, 6}}};
  BOOST_TEST(thin().empty());
  Run hollow{primitive::Gather{0}, {{DType::f32, {0, 2}}, {DType::i64, Shape{1}}}, {DType::f32, {1, 2}}, {{}, {0}}};
  BOOST_CHECK_THROW(hollow(), Error);
}

BOOST_AUTO_TEST_CASE(operands_that_do_not_fit_are_refused) {
  const auto make = [](std::size_t axis, DType indices, Shape out) {
    return make_kernel({primitive::Gather{axis}, {{DType::f32, {7, 2}}, {indices, Shape{3}}}, {DType::f32, out}, {}, nullptr});
  };
  BOOST_CHECK_NO_THROW(make(0, DType::i64, {3, 2}));
  BOOST_CHECK_THROW(make(2, DType::i64, {3, 2}), Error);
  BOOST_CHECK_THROW(make(0, DType::f32, {3, 2}), Error);
  BOOST_CHECK_THROW(make(0, DType::i64, {3, 3}), Error);
}
