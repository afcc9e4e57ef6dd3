#define BOOST_TEST_MODULE kernels_softmax
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>

#include "kernel_fixture.hpp"

using namespace kernel_test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// The definition: exp(x - top) / sum, or its logarithm as (x - top) - log(sum).
Values expected(const Shape& shape, std::size_t axis, bool log, const Values& x) {
  std::map<std::vector<std::int64_t>, std::pair<double, double>> lines;  // top and sum
  const auto line_of = [&](std::vector<std::int64_t> index) {
    index[axis] = 0;
    return index;
  };
  for_each_index(shape, [&](const std::vector<std::int64_t>& index) {
    double& top = lines.try_emplace(line_of(index), -inf, 0.0).first->second.first;
    const double v = x[position(shape, index)];
    if (!(v <= top) && !std::isnan(top)) top = v;
  });
  for_each_index(shape, [&](const std::vector<std::int64_t>& index) {
    auto& [top, sum] = lines[line_of(index)];
    sum += std::exp(x[position(shape, index)] - top);
  });
  Values y;
  for_each_index(shape, [&](const std::vector<std::int64_t>& index) {
    const auto& [top, sum] = lines[line_of(index)];
    const double v = x[position(shape, index)] - top;
    y.push_back(log ? v - std::log(sum) : std::exp(v) / sum);
  });
  return y;
}

struct Case {
  Shape shape;
  std::size_t axis = 0;
  bool log = false;
  Layout layout = Layout::row_major;
  DType dtype = DType::f32;
  bool in_place = false;

  Values run(const Values& values) const {
    Run run{primitive::Softmax{axis, log}, {{dtype, shape, layout}}, {dtype, shape, layout}, {values}};
    run.in_place = in_place;
    return run();
  }
  void check(const Values& values) const {
    const double relative = dtype == DType::f32 ? 3e-6 : dtype == DType::f64 ? 1e-13 : 2e-3;
    // Below the normal numbers f32 may be 0.
    check_close(run(values), expected(shape, axis, log, values), relative, log ? 1e-6 : 1e-37,
                std::string(log ? "log-softmax of " : "softmax of ") + to_string(shape) + " over " + std::to_string(axis));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_shapes_along_any_axis_in_any_layout) {
  for (int round = 0; round < 500; ++round) {
    Case c;
    const std::size_t rank = static_cast<std::size_t>(random_int(1, 5));
    const std::int64_t largest = rank > 3 ? 9 : rank > 2 ? 30 : rank > 1 ? 150 : 9000;
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < rank; ++i) dims.push_back(random_int(0, 20) == 0 ? 0 : random_int(0, 6) == 0 ? 1 : random_int(1, largest));
    c.shape = shape_of(dims);
    c.axis = static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(rank) - 1));
    c.log = random_int(0, 1) == 0;
    c.in_place = random_int(0, 1) == 0;
    const auto layouts = layouts_of(rank);
    c.layout = layouts[static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(layouts.size()) - 1))];
    c.check(random_values(c.shape.size(), -12, 12));
  }
}

BOOST_AUTO_TEST_CASE(every_length_and_width_is_computed_to_its_end) {
  for (std::int64_t n = 1; n < 140; n += n < 70 ? 1 : 17) {
    for (const bool log : {false, true}) {
      Case{Shape{3, n}, 1, log}.check(random_values(3 * n));
      Case{Shape{19, n}, 0, log}.check(random_values(19 * n));
    }
  }
}

BOOST_AUTO_TEST_CASE(long_lines_keep_their_accuracy) {
  const std::int64_t n = 1 << 18;
  for (const bool log : {false, true}) {
    Case{Shape{2, n}, 1, log}.check(random_values(2 * n));
    Case{Shape{n, 2}, 0, log}.check(random_values(2 * n));
  }
}

BOOST_AUTO_TEST_CASE(large_numbers_neither_overflow_nor_cancel) {
  for (const std::size_t axis : {0, 1}) {
    for (const bool log : {false, true}) {
      const Shape shape = axis == 1 ? Shape{2, 20} : Shape{20, 2};
      Values values;
      // Tops of 1e6 and -1e6: log-softmax is exact only as (x - top) - log(sum).
      for_each_index(shape, [&](const std::vector<std::int64_t>& i) {
        values.push_back((i[1 - axis] == 0 ? 1e6 : -1e6) + static_cast<double>(i[axis]) * 0.25);
      });
      Case{shape, axis, log}.check(values);
      Case{shape, axis, log}.check(Values(40, 3e38));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? -3e38 : 3;
      for (double& v : values) v = static_cast<double>(static_cast<float>(v));
      Case{shape, axis, log}.check(values);
    }
  }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_reach_their_line_and_no_other) {
  for (const std::size_t axis : {0, 1}) {
    for (const bool log : {false, true}) {
      for (const double special : {not_a_number, inf, -inf}) {
        for (int round = 0; round < 40; ++round) {
          Values values = random_values(9 * 37);
          values[static_cast<std::size_t>(random_int(0, 9 * 37 - 1))] = special;
          Case{Shape{9, 37}, axis, log}.check(values);
        }
        Case{Shape{5, 21}, axis, log}.check(Values(5 * 21, special));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(other_floating_types_are_computed_too) {
  for (const DType d : {DType::f64, DType::f16, DType::bf16}) {
    for (const std::size_t axis : {0, 1}) {
      Values values = random_integers(6 * 5, -8, 8);
      const double relative = d == DType::f64 ? 1e-13 : d == DType::f16 ? 2e-3 : 1e-2;
      check_close(Case{Shape{6, 5}, axis, false, Layout::row_major, d}.run(values), expected(Shape{6, 5}, axis, false, values), relative,
                  1e-6, to_string(d));
    }
  }
}

BOOST_AUTO_TEST_CASE(softmaxes_that_cannot_be_are_refused) {
  const auto make = [](std::size_t axis, const Operand& x, const Operand& y) {
    return make_kernel({primitive::Softmax{axis, false}, {x}, y, {}, nullptr});
  };
  const Operand x{DType::f32, Shape{2, 3}};
  BOOST_CHECK_THROW(make(2, x, x), Error);
  BOOST_CHECK_THROW(make(0, x, {DType::f32, Shape{3, 2}}), Error);
  BOOST_CHECK_THROW(make(0, {DType::i32, Shape{2, 3}}, {DType::i32, Shape{2, 3}}), Error);
}
