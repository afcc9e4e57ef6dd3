#define BOOST_TEST_MODULE kernels_pool
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "kernel_fixture.hpp"

using namespace kernel_test;
using primitive::PoolKind;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const std::vector<PoolKind> kinds{PoolKind::max, PoolKind::average_include_pad, PoolKind::average_exclude_pad};

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

struct Case {
  primitive::Pool pool;
  Shape x, y;

  /// The definition: every tap of every window, those outside of the input left out.
  Values expected(const Values& values) const {
    const std::size_t n = x.rank() - 2;
    const Shape kernel = shape_of(pool.kernel);
    Values out;
    for_each_index(y, [&](const std::vector<std::int64_t>& at) {
      double top = -inf, sum = 0;
      std::int64_t count = 0;
      for_each_index(kernel, [&](const std::vector<std::int64_t>& tap) {
        std::vector<std::int64_t> from{at[0], at[1]};
        for (std::size_t d = 0; d < n; ++d) {
          from.push_back(at[2 + d] * pool.strides[d] - pool.pads_begin[d] + tap[d] * pool.dilations[d]);
          if (from.back() < 0 || from.back() >= x[2 + d]) return;
        }
        const double v = values[position(x, from)];
        if (!std::isnan(top) && !(v <= top)) top = v;
        sum += v;
        ++count;
      });
      if (pool.kind == PoolKind::max)
        out.push_back(top);
      else if (count == 0)
        out.push_back(0);
      else
        out.push_back(sum / static_cast<double>(pool.kind == PoolKind::average_include_pad ? kernel.size() : count));
    });
    return out;
  }
  void check(const Values& values, Layout layout, Layout out_layout, DType dtype = DType::f32) const {
    Run run{pool, {{dtype, x, layout}}, {dtype, y, out_layout}, {values}};
    const bool exact = pool.kind == PoolKind::max;
    std::string what = "pool of " + to_string(x) + " to " + to_string(y) + " kernel " + to_string(shape_of(pool.kernel));
    check_close(run(), expected(values), exact ? 0 : 2e-6, exact ? 0 : 2e-6, what);
  }
};

Case make_case(PoolKind kind, std::int64_t batch, std::int64_t channels, const std::vector<std::int64_t>& sizes,
               std::vector<std::int64_t> kernel, std::vector<std::int64_t> strides, std::vector<std::int64_t> dilations,
               std::vector<std::int64_t> pads, bool ceil) {
  Case c;
  std::vector<std::int64_t> x{batch, channels}, y{batch, channels};
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    const std::int64_t reach = (kernel[d] - 1) * dilations[d] + 1, room = sizes[d] + 2 * pads[d] - reach;
    x.push_back(sizes[d]);
    y.push_back((room + (ceil ? strides[d] - 1 : 0)) / strides[d] + 1);
  }
  c.x = shape_of(x);
  c.y = shape_of(y);
  c.pool = {kind, std::move(kernel), std::move(strides), std::move(dilations), pads, pads};
  return c;
}

Layout pick(std::size_t rank) {
  const auto layouts = layouts_of(rank);
  return layouts[static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(layouts.size()) - 1))];
}

Case random_case(PoolKind kind) {
  const std::size_t n = static_cast<std::size_t>(random_int(1, 3));
  std::vector<std::int64_t> sizes, kernel, strides, dilations, pads;
  for (std::size_t d = 0; d < n; ++d) {
    kernel.push_back(random_int(1, n == 3 ? 3 : 5));
    strides.push_back(random_int(1, 4));
    dilations.push_back(random_int(0, 3) == 0 ? random_int(2, 3) : 1);
    pads.push_back(random_int(0, (kernel.back() - 1) * dilations.back()));
    const std::int64_t least = std::max<std::int64_t>(1, (kernel.back() - 1) * dilations.back() + 1 - 2 * pads.back());
    sizes.push_back(random_int(least, least + (n == 1 ? 90 : n == 2 ? 24 : 6)));
  }
  return make_case(kind, random_int(1, 2), random_int(0, 3) == 0 ? random_int(60, 90) : random_int(1, 20), sizes, kernel, strides,
                   dilations, pads, random_int(0, 1) == 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_windows_pool_in_every_layout) {
  for (int round = 0; round < 600; ++round) {
    const Case c = random_case(kinds[static_cast<std::size_t>(round) % 3]);
    const Layout layout = pick(c.x.rank());
    // Now and then the output lies otherwise than the input.
    c.check(random_values(c.x.size()), layout, random_int(0, 9) == 0 ? pick(c.x.rank()) : layout);
  }
}

BOOST_AUTO_TEST_CASE(every_number_of_channels_and_every_width_is_pooled_to_its_end) {
  for (std::int64_t n = 1; n < 140; n += n < 70 ? 1 : 17) {
    for (const PoolKind kind : kinds) {
      const Case channels = make_case(kind, 1, n, {5, 4}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, false);
      channels.check(random_values(channels.x.size()), Layout::channels_last, Layout::channels_last);
      for (const std::int64_t stride : {1, 2, 3}) {
        const Case width = make_case(kind, 1, 2, {3, n}, {2, 3}, {1, stride}, {1, 1}, {0, 1}, true);
        width.check(random_values(width.x.size()), Layout::row_major, Layout::row_major);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(windows_that_see_everything_or_nothing) {
  for (const PoolKind kind : kinds) {
    for (const Layout layout : layouts_of(4)) {
      for (const std::int64_t pad : {0, 2}) {
        const Case all = make_case(kind, 2, 19, {7, 6}, {7 + 2 * pad, 6 + 2 * pad}, {1, 1}, {1, 1}, {pad, pad}, false);
        all.check(random_values(all.x.size()), layout, layout);
      }
      // Pads as wide as the window: the outermost windows see nothing.
      const Case none = make_case(kind, 1, 17, {4, 5}, {2, 2}, {2, 2}, {1, 1}, {2, 2}, false);
      none.check(random_values(none.x.size()), layout, layout);
    }
  }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_reach_the_windows_that_see_them) {
  for (int round = 0; round < 200; ++round) {
    const Case c = random_case(kinds[static_cast<std::size_t>(round) % 3]);
    Values values = random_values(c.x.size());
    for (const double special : {not_a_number, inf, -inf}) {
      if (random_int(0, 1) == 0) values[static_cast<std::size_t>(random_int(0, c.x.size() - 1))] = special;
    }
    const Layout layout = pick(c.x.rank());
    c.check(values, layout, layout);
  }
}

BOOST_AUTO_TEST_CASE(other_types_and_empty_operands) {
  for (const Layout layout : layouts_of(4)) {
    Case c = make_case(PoolKind::max, 1, 3, {6, 6}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false);
    c.check(random_integers(c.x.size(), -100, 100), layout, layout, DType::i8);
    c.check(random_integers(c.x.size(), 0, 200), layout, layout, DType::u8);
    c.check(random_values(c.x.size()), layout, layout, DType::f64);
    c.pool.kind = PoolKind::average_exclude_pad;
    c.check(random_values(c.x.size()), layout, layout, DType::f64);
    const Case empty = make_case(PoolKind::max, 0, 3, {6, 6}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false);
    empty.check({}, layout, layout);
  }
}

BOOST_AUTO_TEST_CASE(pools_that_cannot_be_are_refused) {
  const auto make = [](const primitive::Pool& pool, const Operand& x, const Operand& y) {
    return make_kernel({pool, {x}, y, {}, nullptr});
  };
  const Operand x{DType::f32, Shape{1, 2, 8, 8}}, y{DType::f32, Shape{1, 2, 4, 4}};
  BOOST_CHECK_NO_THROW(make({PoolKind::max, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, x, y));
  BOOST_CHECK_THROW(make({PoolKind::max, {2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, x, y), Error);
  BOOST_CHECK_THROW(make({PoolKind::max, {2, 2}, {0, 2}, {1, 1}, {0, 0}, {0, 0}}, x, y), Error);
  BOOST_CHECK_THROW(make({PoolKind::max, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, x, {DType::f32, Shape{1, 3, 4, 4}}), Error);
  BOOST_CHECK_THROW(make({PoolKind::max, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, x, {DType::f64, Shape{1, 2, 4, 4}}), Error);
}
