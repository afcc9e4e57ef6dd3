#define BOOST_TEST_MODULE kernels_elementwise
#include <boost/test/unit_test.hpp>

#include "kernel_fixture.hpp"

using namespace kernel_test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct UnaryCase {
  ScalarOp op;
  double (*expected)(double);
  double low, high;
  double relative, absolute;
};

const std::vector<UnaryCase> unary_cases{
    {ScalarOp::copy, [](double x) { return x; }, -9, 9, 0, 0},
    {ScalarOp::neg, [](double x) { return -x; }, -9, 9, 0, 0},
    {ScalarOp::abs, [](double x) { return std::abs(x); }, -9, 9, 0, 0},
    {ScalarOp::sign, [](double x) { return std::isnan(x) ? x : double((x > 0) - (x < 0)); }, -9, 9, 0, 0},
    {ScalarOp::exp, [](double x) { return std::exp(x); }, -110, 95, 6e-7, 2e-45},
    {ScalarOp::log, [](double x) { return std::log(x); }, 0, 8, 6e-7, 0},
    {ScalarOp::log, [](double x) { return std::log(x); }, 0, 1e-37, 6e-7, 0},
    {ScalarOp::sqrt, [](double x) { return std::sqrt(x); }, 0, 100, 1e-7, 0},
    {ScalarOp::reciprocal, [](double x) { return 1 / x; }, -9, 9, 1e-7, 0},
    {ScalarOp::floor, [](double x) { return std::floor(x); }, -9, 9, 0, 0},
    {ScalarOp::ceil, [](double x) { return std::ceil(x); }, -9, 9, 0, 0},
    {ScalarOp::round_even, [](double x) { return std::nearbyint(x); }, -9, 9, 0, 0},
    {ScalarOp::tanh, [](double x) { return std::tanh(x); }, -12, 12, 6e-7, 0},
    {ScalarOp::tanh, [](double x) { return std::tanh(x); }, -1e-3, 1e-3, 6e-7, 0},
    {ScalarOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -86, 40, 8e-7, 0},
    {ScalarOp::erf, [](double x) { return std::erf(x); }, -5, 5, 6e-7, 0},
    {ScalarOp::softplus,
     [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))) + (std::isnan(x) ? not_a_number : 0); }, -80, 80, 8e-7, 0},
    {ScalarOp::softsign, [](double x) { return x / (1 + std::abs(x)); }, -9, 9, 4e-7, 0},
    {ScalarOp::sin, [](double x) { return std::sin(x); }, -100, 100, 1e-6, 1e-7},
    {ScalarOp::sin, [](double x) { return std::sin(x); }, -1e6, 1e6, 1e-6, 1e-7},
    {ScalarOp::cos, [](double x) { return std::cos(x); }, -100, 100, 1e-6, 1e-7},
    {ScalarOp::tan, [](double x) { return std::tan(x); }, -9, 9, 1e-6, 0},
    {ScalarOp::asin, [](double x) { return std::asin(x); }, -1.1, 1.1, 1e-6, 0},
    {ScalarOp::acos, [](double x) { return std::acos(x); }, -1.1, 1.1, 1e-6, 1e-7},
    {ScalarOp::atan, [](double x) { return std::atan(x); }, -30, 30, 1e-6, 0},
    {ScalarOp::sinh, [](double x) { return std::sinh(x); }, -89, 89, 1e-6, 0},
    {ScalarOp::cosh, [](double x) { return std::cosh(x); }, -89, 89, 1e-6, 0},
    {ScalarOp::asinh, [](double x) { return std::asinh(x); }, -100, 100, 1e-6, 0},
    {ScalarOp::acosh, [](double x) { return std::acosh(x); }, 0.9, 50, 2e-6, 0},
    {ScalarOp::atanh, [](double x) { return std::atanh(x); }, -1.1, 1.1, 1e-6, 0},
};

const Values special{0.0,   -0.0, 1,     -1,  inf,  -inf, not_a_number, 1e-40, -1e-40, 3e38,
                     -3e38, 1e20, -1e20, 0.5, -0.5, 2.5,  -2.5,         88.5,  -88.5,  104};

ScalarProgram one(ScalarOp op, std::vector<DType> inputs, DType result) {
  ScalarProgram p;
  p.inputs = std::move(inputs);
  p.add(op, result, 0, 1, 2);
  return p;
}

Operand operand(DType dtype, Shape shape, Layout layout = Layout::row_major) { return {dtype, shape, layout}; }

}  // namespace

BOOST_AUTO_TEST_CASE(unary_functions_are_accurate_and_keep_nan_and_infinity) {
  for (const UnaryCase& c : unary_cases) {
    Values x = random_values(1000, c.low, c.high);
    x.insert(x.end(), special.begin(), special.end());
    for (double& v : x) v = static_cast<double>(static_cast<float>(v));
    Values expected;
    for (const double v : x) expected.push_back(c.expected(v));
    const Shape shape{static_cast<std::int64_t>(x.size())};
    for (const DType d : {DType::f32, DType::f64}) {
      Values rounded = expected;
      if (d == DType::f32) {
        for (double& v : rounded) v = static_cast<double>(static_cast<float>(v));
      }
      Run run{primitive::Elementwise{one(c.op, {d}, d)}, {operand(d, shape)}, operand(d, shape), {x}};
      // f32 flushes nothing but may give up accuracy below the least normal number.
      check_close(run(), rounded, c.relative, c.absolute + (d == DType::f32 ? 1e-37 : 0),
                  std::string(to_string(c.op)) + " " + to_string(d));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_length_is_computed_to_its_end_and_not_beyond) {
  for (std::int64_t n = 0; n < 70; ++n) {
    const Values a = random_values(n), b = random_values(n), c = random_values(n);
    Values expected;
    for (std::size_t i = 0; i < a.size(); ++i) expected.push_back(a[i] * b[i] + c[i]);
    const Operand x = operand(DType::f32, Shape{n});
    Run run{primitive::Elementwise{one(ScalarOp::multiply_add, {DType::f32, DType::f32, DType::f32}, DType::f32)}, {x, x, x}, x, {a, b, c}};
    check_close(run(), expected, 1e-6, 1e-6, "multiply_add of " + std::to_string(n));
    Values less;
    for (std::size_t i = 0; i < a.size(); ++i) less.push_back(a[i] < b[i]);
    Run compare{primitive::Elementwise{one(ScalarOp::less, {DType::f32, DType::f32}, DType::boolean)},
                {x, x},
                operand(DType::boolean, Shape{n}),
                {a, b}};
    check_close(compare(), less, 0, 0, "less of " + std::to_string(n));
    Values chosen;
    for (std::size_t i = 0; i < a.size(); ++i) chosen.push_back(less[i] != 0 ? b[i] : c[i]);
    Run select{primitive::Elementwise{one(ScalarOp::select, {DType::boolean, DType::f32, DType::f32}, DType::f32)},
               {operand(DType::boolean, Shape{n}), x, x},
               x,
               {less, b, c}};
    check_close(select(), chosen, 0, 0, "select of " + std::to_string(n));
  }
}

BOOST_AUTO_TEST_CASE(powers_are_accurate_and_keep_the_special_cases_of_c) {
  const auto power = [](const Values& x, const Values& y) {
    const Operand each = operand(DType::f32, Shape{static_cast<std::int64_t>(x.size())});
    Run run{primitive::Elementwise{one(ScalarOp::pow, {DType::f32, DType::f32}, DType::f32)}, {each, each}, each, {x, y}};
    Values expected;
    for (std::size_t i = 0; i < x.size(); ++i) expected.push_back(static_cast<double>(static_cast<float>(std::pow(x[i], y[i]))));
    // One unit in the last place, and that of the least normal number below it.
    const Values got = run();
    check_close(got, expected, 1.2e-7, 2e-45, "pow");
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isnan(expected[i])) BOOST_TEST(std::signbit(got[i]) == std::signbit(expected[i]), x[i] << " to the power of " << y[i]);
    }
  };
  const auto single = [](double v) { return static_cast<double>(static_cast<float>(v)); };
  const Values edges{
      0.0,  -0.0, 1,  -1,  inf,  -inf,     not_a_number, 1e-40,    -1e-40, single(3e38),      single(-3e38),      0.5, -0.5, 2,
      -2,   3,    -3, 2.5, -2.5, 16777215, -16777215,    16777216, 3e9,    single(1.0000001), single(0.99999994), 127, 128,  -126,
      -149, -150};
  Values x, y;
  for (const double a : edges) {
    for (const double b : edges) {
      x.push_back(single(a));
      y.push_back(single(b));
    }
  }
  power(x, y);
  for (const double exponent : {2.0, 0.5, -0.5, 3.0, single(1.0 / 3)}) power(x, Values(x.size(), exponent));
  // Squares and roots are rounded once, wherever in a vector they stand.
  const Values positive = random_values(3001, 0, 9);
  Values squares, roots, twos(positive.size(), 2), halves(positive.size(), 0.5);
  for (const double v : positive) squares.push_back(single(v * v)), roots.push_back(static_cast<double>(std::sqrt(static_cast<float>(v))));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}}) {
    for (std::size_t i = 0; i < positive.size(); i += step) {
      if (step == 3) twos[i] = halves[i] = 0, squares[i] = roots[i] = 1;
    }
    const Operand each = operand(DType::f32, Shape{3001});
    const ScalarProgram pow = one(ScalarOp::pow, {DType::f32, DType::f32}, DType::f32);
    check_close(Run{primitive::Elementwise{pow}, {each, each}, each, {positive, twos}}(), squares, 0, 0, "squares");
    check_close(Run{primitive::Elementwise{pow}, {each, each}, each, {positive, halves}}(), roots, 0, 0, "roots");
  }
  for (const auto& [low, high] : {std::pair{0.0, 2.0}, {0.0, 1e-38}, {0.9, 1.1}, {1.0, 3e38}}) {
    for (const double reach : {1.0, 10.0, 150.0, 1e6}) {
      power(random_values(5000, low, high), random_values(5000, -reach, reach));
      Values whole = random_values(500, -reach, reach);
      for (double& v : whole) v = std::nearbyint(v);
      power(random_values(500, -high, -low), whole);
    }
  }
}

BOOST_AUTO_TEST_CASE(minimum_maximum_and_clip_pass_nan_on) {
  const Values a{1, not_a_number, 3, not_a_number, -inf, inf}, b{2, 5, not_a_number, not_a_number, inf, -inf};
  const Operand x = operand(DType::f32, Shape{6});
  Run least_{primitive::Elementwise{one(ScalarOp::min, {DType::f32, DType::f32}, DType::f32)}, {x, x}, x, {a, b}};
  check_close(least_(), {1, not_a_number, not_a_number, not_a_number, -inf, -inf}, 0, 0, "min");
  Run greatest_{primitive::Elementwise{one(ScalarOp::max, {DType::f32, DType::f32}, DType::f32)}, {x, x}, x, {a, b}};
  check_close(greatest_(), {2, not_a_number, not_a_number, not_a_number, inf, inf}, 0, 0, "max");
  Run clip_{primitive::Elementwise{one(ScalarOp::clip, {DType::f32, DType::f32, DType::f32}, DType::f32)},
            {x, operand(DType::f32, {}), operand(DType::f32, {})},
            x,
            {a, {0}, {2}}};
  check_close(clip_(), {1, not_a_number, 2, not_a_number, 0, 2}, 0, 0, "clip");
}

BOOST_AUTO_TEST_CASE(operands_broadcast_in_every_way_and_layout) {
  for (int round = 0; round < 400; ++round) {
    const std::size_t rank = static_cast<std::size_t>(random_int(0, 5));
    std::vector<std::int64_t> dims;
    const std::int64_t largest = rank > 3 ? 7 : rank > 1 ? 40 : 3000;
    for (std::size_t i = 0; i < rank; ++i) dims.push_back(random_int(0, 20) == 0 ? 0 : random_int(1, largest));
    const Shape out_shape{std::span<const std::int64_t>(dims)};
    const auto layouts = layouts_of(rank);
    const auto pick = [&](std::size_t r) {
      return layouts_of(r)[static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(layouts_of(r).size()) - 1))];
    };
    Run run;
    ScalarProgram p;
    const std::size_t operands = static_cast<std::size_t>(random_int(1, 4));
    for (std::size_t k = 0; k < operands; ++k) {
      std::vector<std::int64_t> own(dims.begin() + random_int(0, static_cast<std::int64_t>(rank) / 2), dims.end());
      for (auto& d : own) {
        if (random_int(0, 2) == 0) d = 1;
      }
      if (k == 0 && random_int(0, 1) == 0) own = dims;
      const Shape shape{std::span<const std::int64_t>(own)};
      p.inputs.push_back(DType::f32);
      run.inputs.push_back(operand(DType::f32, shape, pick(shape.rank())));
      run.values.push_back(random_values(shape.size()));
    }
    // sum of all operands, times a constant, through a comparison and a selection
    const auto half = p.add_constant(DType::f32, 0.5);
    std::uint16_t sum = p.add(ScalarOp::mul, DType::f32, 0, half);
    for (std::size_t k = 1; k < operands; ++k) sum = p.add(ScalarOp::add, DType::f32, sum, static_cast<std::uint16_t>(k));
    const auto positive = p.add(ScalarOp::greater, DType::boolean, sum, half);
    const auto negated = p.add(ScalarOp::neg, DType::f32, sum);
    p.add(ScalarOp::select, DType::f32, positive, sum, negated);
    run.primitive = primitive::Elementwise{p};
    run.output = operand(DType::f32, out_shape, pick(rank));
    Values expected;
    for_each_index(out_shape, [&](const std::vector<std::int64_t>& index) {
      float s = static_cast<float>(run.values[0][position(run.inputs[0].shape, index)]) * 0.5f;
      for (std::size_t k = 1; k < operands; ++k) s += static_cast<float>(run.values[k][position(run.inputs[k].shape, index)]);
      expected.push_back(s > 0.5f ? s : -s);
    });
    check_close(run(), expected, 1e-6, 1e-6, "broadcast round " + std::to_string(round) + " to " + to_string(out_shape));
  }
}

BOOST_AUTO_TEST_CASE(integers_wrap_and_division_by_zero_gives_zero) {
  const Operand x = operand(DType::i8, Shape{4});
  const auto binary = [&](ScalarOp op, Values a, Values b) {
    Run run{primitive::Elementwise{one(op, {DType::i8, DType::i8}, DType::i8)}, {x, x}, x, {std::move(a), std::move(b)}};
    return run();
  };
  check_close(binary(ScalarOp::add, {127, 1, -128, 5}, {1, 1, -1, 5}), {-128, 2, 127, 10}, 0, 0, "add");
  check_close(binary(ScalarOp::div, {7, -7, -128, 5}, {2, 2, -1, 0}), {3, -3, -128, 0}, 0, 0, "div");
  check_close(binary(ScalarOp::fmod, {7, -7, -128, 5}, {4, 4, -1, 0}), {3, -3, 0, 0}, 0, 0, "fmod");
  check_close(binary(ScalarOp::floor_mod, {7, -7, 7, 5}, {4, 4, -4, 0}), {3, 1, -1, 0}, 0, 0, "floor_mod");
  check_close(binary(ScalarOp::pow, {2, 3, -1, 2}, {3, 4, -3, -1}), {8, 81, -1, 0}, 0, 0, "pow");
  check_close(binary(ScalarOp::shift_left, {1, 3, 1, 1}, {3, 1, 8, -1}), {8, 6, 0, 0}, 0, 0, "shift_left");
}

BOOST_AUTO_TEST_CASE(sixty_four_bit_integers_stay_exact) {
  ScalarProgram p;
  p.inputs = {DType::i64};
  p.constants.push_back({DType::i64, 0, (std::int64_t{1} << 53) + 1});
  p.add(ScalarOp::equal, DType::boolean, 0, 1);
  const Operand x = operand(DType::i64, Shape{2}), y = operand(DType::boolean, Shape{2});
  const auto kernel = make_kernel({primitive::Elementwise{p}, {x}, y, {}, nullptr});
  const std::int64_t values[2] = {std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1};
  Guarded out(2), scratch(kernel->scratch_bytes());
  const void* inputs[] = {values};
  kernel->run(inputs, out.data(), scratch.data());
  BOOST_TEST(static_cast<int>(out.data()[0]) == 0);
  BOOST_TEST(static_cast<int>(out.data()[1]) == 1);
}

BOOST_AUTO_TEST_CASE(casts_truncate_and_saturate) {
  const auto cast = [](DType from, DType to, Values v) {
    const Shape shape{static_cast<std::int64_t>(v.size())};
    Run run{primitive::Elementwise{one(ScalarOp::cast, {from}, to)}, {operand(from, shape)}, operand(to, shape), {std::move(v)}};
    return run();
  };
  check_close(cast(DType::f32, DType::i32, {1.9, -1.9, 3e9, -3e9, not_a_number, inf}), {1, -1, 2147483647, -2147483648.0, 0, 2147483647}, 0,
              0, "f32 to i32");
  check_close(cast(DType::f64, DType::u8, {255.5, 256, -1, 3.2}), {255, 255, 0, 3}, 0, 0, "f64 to u8");
  check_close(cast(DType::f32, DType::boolean, {0, -0.0, 0.1, not_a_number}), {0, 0, 1, 1}, 0, 0, "f32 to bool");
  check_close(cast(DType::i64, DType::f32, {-3, 1 << 20}), {-3, 1 << 20}, 0, 0, "i64 to f32");
  check_close(cast(DType::f32, DType::f16, {1, 65504, 1e6, 0.1}), {1, 65504, inf, 0.0999755859375}, 0, 0, "f32 to f16");
  check_close(cast(DType::boolean, DType::bf16, {0, 1}), {0, 1}, 0, 0, "bool to bf16");
}

BOOST_AUTO_TEST_CASE(half_precision_is_computed_in_single_and_rounded) {
  for (const DType d : {DType::f16, DType::bf16}) {
    const Values a = random_values(300), b = random_values(300);
    ScalarProgram p;
    p.inputs = {d, d};
    const auto product = p.add(ScalarOp::mul, d, 0, 1);
    const auto t = p.add(ScalarOp::tanh, d, product);
    const auto larger = p.add(ScalarOp::greater, DType::boolean, t, 0);
    p.add(ScalarOp::select, d, larger, t, 1);
    const Operand x = operand(d, Shape{300});
    Run run{primitive::Elementwise{p}, {x, x}, x, {a, b}};
    const auto round = [&](double v) { return d == DType::f16 ? convert<double>(Float16(float(v))) : convert<double>(BFloat16(float(v))); };
    Values expected;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double u = round(a[i]), v = round(b[i]), w = round(std::tanh(round(u * v)));
      expected.push_back(w > u ? w : v);
    }
    check_close(run(), expected, 1e-2, 1e-3, to_string(d));
  }
}

BOOST_AUTO_TEST_CASE(the_output_may_be_an_operand) {
  const Shape shape{3, 5, 7, 11};
  ScalarProgram p;
  p.inputs = {DType::f32, DType::f32};
  const auto t = p.add(ScalarOp::tanh, DType::f32, 0);
  const auto s = p.add(ScalarOp::add, DType::f32, t, 1);
  p.add(ScalarOp::mul, DType::f32, s, 0);
  for (const Layout layout : layouts_of(4)) {
    const Values a = random_values(shape.size()), b = random_values(5);
    Run run{primitive::Elementwise{p},
            {operand(DType::f32, shape, layout), operand(DType::f32, {5, 1, 1})},
            operand(DType::f32, shape, layout),
            {a, b}};
    run.in_place = true;
    Values expected;
    for_each_index(shape, [&](const std::vector<std::int64_t>& i) {
      const double x = a[position(shape, i)];
      expected.push_back((std::tanh(x) + b[static_cast<std::size_t>(i[1])]) * x);
    });
    check_close(run(), expected, 1e-6, 1e-6, "in place");
  }
}

BOOST_AUTO_TEST_CASE(programs_that_cannot_be_are_refused) {
  const Operand x = operand(DType::f32, Shape{4});
  ScalarProgram empty;
  empty.inputs = {DType::f32};
  BOOST_CHECK_THROW(make_kernel({primitive::Elementwise{empty}, {x}, x, {}, nullptr}), Error);
  BOOST_CHECK_THROW(make_kernel({primitive::Elementwise{one(ScalarOp::add, {DType::f32}, DType::f32)}, {x}, x, {}, nullptr}), Error);
  BOOST_CHECK_THROW(make_kernel({primitive::Elementwise{one(ScalarOp::add, {DType::f32, DType::i32}, DType::f32)},
                                 {x, operand(DType::i32, Shape{4})},
                                 x,
                                 {},
                                 nullptr}),
                    Error);
  BOOST_CHECK_THROW(
      make_kernel({primitive::Elementwise{one(ScalarOp::neg, {DType::f32}, DType::f32)}, {operand(DType::f32, Shape{3})}, x, {}, nullptr}),
      Error);
  BOOST_CHECK_THROW(make_kernel({primitive::Elementwise{one(ScalarOp::exp, {DType::i32}, DType::i32)},
                                 {operand(DType::i32, Shape{4})},
                                 operand(DType::i32, Shape{4}),
                                 {},
                                 nullptr}),
                    Error);
}
