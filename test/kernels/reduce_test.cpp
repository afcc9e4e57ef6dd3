#define BOOST_TEST_MODULE kernels_reduce
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "kernel_fixture.hpp"

using namespace kernel_test;
using primitive::ReduceKind;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const std::vector<ReduceKind> kinds{ReduceKind::sum, ReduceKind::mean,       ReduceKind::max, ReduceKind::min,     ReduceKind::prod,
                                    ReduceKind::l1,  ReduceKind::sum_square, ReduceKind::l2,  ReduceKind::log_sum, ReduceKind::log_sum_exp};

const char* name_of(ReduceKind kind) {
  constexpr const char* names[] = {"sum", "mean", "max", "min", "prod", "sum_square", "l1", "l2", "log_sum", "log_sum_exp"};
  return names[static_cast<std::size_t>(kind)];
}

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// The definition, on the elements of one result.
double reduced(ReduceKind kind, const Values& x) {
  double sum = 0, product = 1, squares = 0, magnitudes = 0, top = -inf, bottom = inf;
  for (const double v : x) {
    sum += v;
    product *= v;
    squares += v * v;
    magnitudes += std::abs(v);
    top = std::isnan(top) || v <= top ? top : v;
    bottom = std::isnan(bottom) || v >= bottom ? bottom : v;
  }
  double exponentials = 0;
  for (const double v : x) exponentials += std::exp(v - top);
  switch (kind) {
    case ReduceKind::sum: return sum;
    case ReduceKind::mean: return sum / static_cast<double>(x.size());
    case ReduceKind::max: return top;
    case ReduceKind::min: return bottom;
    case ReduceKind::prod: return product;
    case ReduceKind::sum_square: return squares;
    case ReduceKind::l1: return magnitudes;
    case ReduceKind::l2: return std::sqrt(squares);
    case ReduceKind::log_sum: return std::log(sum);
    case ReduceKind::log_sum_exp: return std::isfinite(top) ? top + std::log(exponentials) : top;
  }
  return 0;
}

struct Case {
  ReduceKind kind;
  Shape x;
  std::vector<std::size_t> axes;
  bool keep = true;

  bool is_reduced(std::size_t axis) const { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }
  Shape result() const {
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (!is_reduced(i))
        dims.push_back(x[i]);
      else if (keep)
        dims.push_back(1);
    }
    return shape_of(dims);
  }
  Values expected(const Values& values) const {
    const Shape y = result();
    std::vector<Values> rows(static_cast<std::size_t>(y.size()));
    for_each_index(x, [&](const std::vector<std::int64_t>& index) {
      std::vector<std::int64_t> at;
      for (std::size_t i = 0; i < index.size(); ++i) {
        if (!is_reduced(i))
          at.push_back(index[i]);
        else if (keep)
          at.push_back(0);
      }
      rows[position(y, at)].push_back(values[position(x, index)]);
    });
    Values results;
    for (const Values& row : rows) results.push_back(reduced(kind, row));
    return results;
  }
  Values run(const Values& values, Layout layout, Layout out_layout, DType dtype = DType::f32) const {
    Run run{primitive::Reduce{kind, axes}, {{dtype, x, layout}}, {dtype, result(), out_layout}, {values}};
    return run();
  }
  std::string describe() const {
    std::string text = std::string(name_of(kind)) + " of " + to_string(x) + " over";
    for (const std::size_t a : axes) text += " " + std::to_string(a);
    return text;
  }
};

Values suitable_values(ReduceKind kind, std::int64_t n) {
  if (kind == ReduceKind::log_sum) return random_values(n, 0.5, 2);  // of a sum that is not near 0 or below
  if (kind == ReduceKind::prod) return random_values(n, 0.9, 1.1);
  return random_values(n, -3, 3);
}

/// Sums are right within the rounding of what was added, not of what remained.
void check(const Case& c, const Values& values, const Values& actual) {
  const double terms =
      c.x.size() == 0 ? 1 : static_cast<double>(c.x.size()) / static_cast<double>(std::max<std::int64_t>(1, c.result().size()));
  const double absolute = c.kind == ReduceKind::sum ? 1e-6 * std::sqrt(terms) + 1e-6 : 1e-6;
  const bool exact = c.kind == ReduceKind::max || c.kind == ReduceKind::min;
  check_close(actual, c.expected(values), exact ? 0 : 3e-6, exact ? 0 : absolute, c.describe());
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_shapes_reduce_over_any_axes_in_any_layout) {
  for (int round = 0; round < 600; ++round) {
    Case c;
    c.kind = kinds[static_cast<std::size_t>(round) % kinds.size()];
    c.keep = random_int(0, 1) == 0;
    const std::size_t rank = static_cast<std::size_t>(random_int(1, 5));
    const std::int64_t largest = rank > 3 ? 9 : rank > 2 ? 30 : rank > 1 ? 150 : 9000;
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < rank; ++i) {
      dims.push_back(random_int(0, 6) == 0 ? 1 : random_int(1, largest));
      if (random_int(0, 1) == 0) c.axes.push_back(i);
    }
    if (c.axes.empty()) c.axes.push_back(static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(rank) - 1)));
    c.x = shape_of(dims);
    const auto layouts = layouts_of(rank), out_layouts = layouts_of(c.result().rank());
    const auto pick = [](const std::vector<Layout>& from) {
      return from[static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(from.size()) - 1))];
    };
    const Values values = suitable_values(c.kind, c.x.size());
    check(c, values, c.run(values, pick(layouts), pick(out_layouts)));
  }
}

BOOST_AUTO_TEST_CASE(every_width_and_depth_is_reduced_to_its_end) {
  for (const ReduceKind kind : kinds) {
    for (std::int64_t n = 1; n < 140; n += n < 70 ? 1 : 17) {
      for (const std::size_t axis : {0, 1}) {
        const Case c{kind, axis == 0 ? Shape{19, n} : Shape{3, n}, {axis}};
        const Values values = suitable_values(kind, c.x.size());
        check(c, values, c.run(values, Layout::row_major, Layout::row_major));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(long_sums_keep_their_accuracy) {
  for (const std::size_t axis : {0, 1}) {
    const std::int64_t n = 1 << 19;
    const Case c{ReduceKind::sum, axis == 0 ? Shape{n, 3} : Shape{3, n}, {axis}};
    const Values values = random_values(c.x.size(), 0, 1);
    check_close(c.run(values, Layout::row_major, Layout::row_major), c.expected(values), 1e-6, 0, c.describe());
    const Case mean{ReduceKind::mean, c.x, {axis}};
    check_close(mean.run(values, Layout::row_major, Layout::row_major), mean.expected(values), 1e-6, 0, mean.describe());
  }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_are_kept_wherever_they_stand) {
  const std::int64_t rows = 9, columns = 37;
  for (const ReduceKind kind : kinds) {
    for (const std::size_t axis : {0, 1}) {
      for (const Values& special : {Values{not_a_number}, Values{inf}, Values{-inf}, Values{inf, -inf}, Values{inf, not_a_number}}) {
        for (int round = 0; round < 40; ++round) {
          const Case c{kind, Shape{rows, columns}, {axis}};
          Values values = suitable_values(kind, rows * columns);
          for (const double s : special) values[static_cast<std::size_t>(random_int(0, rows * columns - 1))] = s;
          check(c, values, c.run(values, Layout::row_major, Layout::row_major));
        }
      }
      const Case all{kind, Shape{rows, columns}, {axis}};
      for (const double s : {not_a_number, inf, -inf}) {
        const Values values(static_cast<std::size_t>(rows * columns), s);
        check(all, values, all.run(values, Layout::row_major, Layout::row_major));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(scalars_and_empty_operands_have_their_results) {
  for (const ReduceKind kind : kinds) {
    const Case single{kind, Shape{1, 1}, {0, 1}, false};
    check(single, {1.25}, single.run({1.25}, Layout::row_major, Layout::row_major));
    const Case none{kind, Shape{0, 5}, {1}};
    BOOST_TEST(none.run({}, Layout::row_major, Layout::row_major).empty());
    const Case nothing{kind, Shape{3, 0}, {1}};
    check(nothing, {}, nothing.run({}, Layout::row_major, Layout::row_major));
  }
}

BOOST_AUTO_TEST_CASE(integers_wrap_and_halves_are_summed_in_double) {
  const Case sum{ReduceKind::sum, Shape{4, 2}, {0}};
  check_close(sum.run({100, 1, 100, 2, 100, 3, 100, 4}, Layout::row_major, Layout::row_major, DType::i32), {400, 10}, 0, 0, "i32 sum");
  check_close(sum.run({100, 1, 100, 2, 100, 3, 100, 4}, Layout::row_major, Layout::row_major, DType::f16), {400, 10}, 0, 0, "f16 sum");
  const Case top{ReduceKind::max, Shape{2, 3}, {1}};
  check_close(top.run({-5, -9, -7, 3, 8, 1}, Layout::row_major, Layout::row_major, DType::i8), {-5, 8}, 0, 0, "i8 max");
  const Case mean{ReduceKind::mean, Shape{2, 3}, {1}};
  check_close(mean.run({1, 2, 6, 1e10, 2e10, 3e10}, Layout::row_major, Layout::row_major, DType::f64), {3, 2e10}, 1e-15, 0, "f64 mean");
}

BOOST_AUTO_TEST_CASE(reductions_that_cannot_be_are_refused) {
  const Operand x{DType::f32, Shape{2, 3}};
  const auto make = [&](std::vector<std::size_t> axes, const Operand& out) {
    return make_kernel({primitive::Reduce{ReduceKind::sum, std::move(axes)}, {x}, out, {}, nullptr});
  };
  BOOST_CHECK_THROW(make({2}, {DType::f32, Shape{2, 3}}), Error);
  BOOST_CHECK_THROW(make({1}, {DType::f32, Shape{2, 2}}), Error);
  BOOST_CHECK_THROW(make({1}, {DType::f64, Shape{2, 1}}), Error);
}
