#define BOOST_TEST_MODULE kernels_matmul
#include <boost/test/unit_test.hpp>

#include "kernel_fixture.hpp"

using namespace kernel_test;

namespace {

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// alpha * A x B + beta * C by the definition, over logical indices.
Values product(const primitive::Matmul& mm, const std::vector<Operand>& in, const Shape& out, const std::vector<Values>& v) {
  Values result;
  const std::size_t ra = in[0].shape.rank();
  const std::int64_t depth = in[0].shape[ra - (mm.transpose_a ? 2 : 1)];
  for_each_index(out, [&](const std::vector<std::int64_t>& at) {
    std::vector<std::int64_t> ia(at), ib(at);
    const std::size_t r = at.size();
    double sum = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      ia[r - (mm.transpose_a ? 1 : 2)] = at[r - 2];
      ia[r - (mm.transpose_a ? 2 : 1)] = k;
      ib[r - (mm.transpose_b ? 1 : 2)] = k;
      ib[r - (mm.transpose_b ? 2 : 1)] = at[r - 1];
      sum += v[0][position(in[0].shape, ia)] * v[1][position(in[1].shape, ib)];
    }
    sum *= mm.alpha;
    if (in.size() > 2) sum += mm.beta * v[2][position(in[2].shape, at)];
    result.push_back(sum);
  });
  return result;
}

struct Sizes {
  std::int64_t m, n, k;
};

Sizes random_sizes() {
  switch (random_int(0, 5)) {
    case 0: return {1, random_int(1, 200), random_int(1, 100)};
    case 1: return {random_int(1, 3), random_int(60, 70), random_int(1, 70)};
    case 2: return {random_int(1, 30), random_int(1, 40), random_int(500, 1100)};
    case 3: return {random_int(90, 200), random_int(1, 70), random_int(1, 40)};
    case 4: return {random_int(0, 2), random_int(0, 2), random_int(0, 2)};
    default: return {random_int(1, 40), random_int(1, 40), random_int(1, 40)};
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_products_equal_their_definition) {
  for (int round = 0; round < 500; ++round) {
    const Sizes s = random_sizes();
    primitive::Matmul mm{.transpose_a = random_int(0, 3) == 0, .transpose_b = random_int(0, 2) == 0};
    if (random_int(0, 3) == 0) mm.alpha = 0.5;
    if (random_int(0, 3) == 0) mm.beta = -1.5;
    std::vector<std::int64_t> batch;
    if (s.m * s.n * s.k < 20000) {
      for (std::int64_t i = random_int(0, 2); i > 0; --i) batch.push_back(random_int(1, 4));
    }
    const auto batched = [&](std::int64_t rows, std::int64_t columns) {
      std::vector<std::int64_t> dims(batch.begin() + random_int(0, static_cast<std::int64_t>(batch.size())), batch.end());
      for (auto& d : dims) {
        if (random_int(0, 2) == 0) d = 1;
      }
      dims.push_back(rows);
      dims.push_back(columns);
      return shape_of(dims);
    };
    std::vector<std::int64_t> out(batch);
    out.push_back(s.m);
    out.push_back(s.n);
    Run run;
    run.primitive = mm;
    run.output = {DType::f32, shape_of(out)};
    Shape a = batched(mm.transpose_a ? s.k : s.m, mm.transpose_a ? s.m : s.k);
    if (random_int(0, 1) == 0) {
      std::vector<std::int64_t> full(batch);
      full.push_back(mm.transpose_a ? s.k : s.m);
      full.push_back(mm.transpose_a ? s.m : s.k);
      a = shape_of(full);
    }
    run.inputs = {{DType::f32, a}, {DType::f32, batched(mm.transpose_b ? s.n : s.k, mm.transpose_b ? s.k : s.n)}};
    switch (random_int(0, 4)) {
      case 0: run.inputs.push_back({DType::f32, Shape{s.n}}); break;
      case 1: run.inputs.push_back({DType::f32, run.output.shape}); break;
      case 2: run.inputs.push_back({DType::f32, Shape{s.m, 1}}); break;
      case 3: run.inputs.push_back({DType::f32, Shape{}}); break;
      default: break;
    }
    for (const Operand& o : run.inputs) run.values.push_back(random_values(o.shape.size()));
    run.constant = {false, random_int(0, 1) == 0, false};
    const Values expected = product(mm, run.inputs, run.output.shape, run.values);
    check_close(run(), expected, 1e-5, 1e-5 * static_cast<double>(10 + s.k),
                to_string(a) + " by " + to_string(run.inputs[1].shape) + " as " + run.description);
  }
}

BOOST_AUTO_TEST_CASE(tails_with_operands_are_applied) {
  for (int round = 0; round < 60; ++round) {
    const Sizes s{random_int(1, 20), random_int(1, 70), random_int(1, 600)};
    const std::int64_t batch = random_int(1, 3);
    Run run;
    run.primitive = primitive::Matmul{};
    run.inputs = {{DType::f32, Shape{batch, s.m, s.k}}, {DType::f32, Shape{s.k, s.n}}, {DType::f32, Shape{s.n}}};
    run.output = {DType::f32, Shape{batch, s.m, s.n}};
    run.constant = {false, random_int(0, 1) == 0, false};
    for (const Operand& o : run.inputs) run.values.push_back(random_values(o.shape.size(), -0.2, 0.2));
    Values expected = product(primitive::Matmul{}, run.inputs, run.output.shape, run.values);
    // gelu(x) * first + second, clipped from below
    Epilogue e;
    e.body.inputs = {DType::f32, DType::f32, DType::f32};
    const auto root = e.body.add_constant(DType::f32, std::sqrt(0.5)), unit = e.body.add_constant(DType::f32, 1),
               half = e.body.add_constant(DType::f32, 0.5);
    const auto zero = e.body.add_constant(DType::f32, 0);
    const auto add = [&](ScalarOp op, std::uint16_t a, std::uint16_t b = 0) { return e.body.add(op, DType::f32, a, b); };
    auto r = add(ScalarOp::mul, add(ScalarOp::mul, 0, half), add(ScalarOp::add, add(ScalarOp::erf, add(ScalarOp::mul, 0, root)), unit));
    r = add(ScalarOp::mul, r, 1);
    r = add(ScalarOp::add, r, 2);
    add(ScalarOp::max, r, zero);
    const Shape first = round % 2 == 0 ? Shape{s.n} : Shape{batch, s.m, s.n};
    const Shape second = round % 3 == 0 ? Shape{s.m, s.n} : round % 3 == 1 ? Shape{batch, 1, s.n} : Shape{batch, s.m, 1};
    e.operands = {{DType::f32, first}, {DType::f32, second}};
    run.values.push_back(random_values(first.size()));
    run.values.push_back(random_values(second.size()));
    run.epilogue = &e;
    BOOST_TEST(supports_epilogue(run.primitive, run.output, e));
    std::size_t i = 0;
    for_each_index(run.output.shape, [&](const std::vector<std::int64_t>& at) {
      const double x = expected[i], g = 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
      expected[i++] = std::max(0.0, g * run.values[3][position(first, at)] + run.values[4][position(second, at)]);
    });
    const Values actual = run();
    check_close(actual, expected, 1e-5, 1e-5 * static_cast<double>(10 + s.k), "gelu tail as " + run.description);
    BOOST_TEST(run.description.find(" then ") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(each_tail_operation_is_right) {
  struct One {
    void (*write)(ScalarProgram&, std::uint16_t);
    double (*apply)(double, double);
  };
  const std::vector<One> all{
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::max, DType::f32, 0, c); },
       [](double x, double c) { return std::max(x, c); }},
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::min, DType::f32, 0, c); },
       [](double x, double c) { return std::min(x, c); }},
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::prelu, DType::f32, 0, c); },
       [](double x, double c) { return x < 0 ? c * x : x; }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::abs, DType::f32, 0); }, [](double x, double) { return std::abs(x); }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::sqrt, DType::f32, p.add(ScalarOp::abs, DType::f32, 0)); },
       [](double x, double) { return std::sqrt(std::abs(x)); }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::exp, DType::f32, 0); }, [](double x, double) { return std::exp(x); }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::tanh, DType::f32, 0); }, [](double x, double) { return std::tanh(x); }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::sigmoid, DType::f32, 0); },
       [](double x, double) { return 1 / (1 + std::exp(-x)); }},
      {[](ScalarProgram& p, std::uint16_t) { p.add(ScalarOp::mul, DType::f32, 0, 0); }, [](double x, double) { return x * x; }},
      {[](ScalarProgram& p, std::uint16_t c) {
         p.add(ScalarOp::mul, DType::f32, 0, p.add(ScalarOp::sigmoid, DType::f32, p.add(ScalarOp::mul, DType::f32, 0, c)));
       },
       [](double x, double c) { return x / (1 + std::exp(-c * x)); }},
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::multiply_add, DType::f32, 0, c, c); },
       [](double x, double c) { return c * x + c; }},
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::sub, DType::f32, c, 0); }, [](double x, double c) { return c - x; }},
      {[](ScalarProgram& p, std::uint16_t c) { p.add(ScalarOp::neg, DType::f32, p.add(ScalarOp::div, DType::f32, 0, c)); },
       [](double x, double c) { return -x / c; }},
  };
  for (const One& one : all) {
    Run run;
    run.primitive = primitive::Matmul{};
    run.inputs = {{DType::f32, Shape{5, 8}}, {DType::f32, Shape{8, 37}}};
    run.output = {DType::f32, Shape{5, 37}};
    run.values = {random_values(40), random_values(8 * 37)};
    Epilogue e;
    e.body.inputs = {DType::f32};
    one.write(e.body, e.body.add_constant(DType::f32, 0.3));
    run.epilogue = &e;
    Values expected = product(primitive::Matmul{}, run.inputs, run.output.shape, run.values);
    for (double& x : expected) x = one.apply(x, static_cast<double>(0.3f));
    const Values actual = run();
    check_close(actual, expected, 1e-5, 1e-5, "tail " + std::to_string(&one - all.data()));
    BOOST_TEST(run.description.find(" then ") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(integers_multiply_exactly_and_wrap) {
  const Operand a{DType::i32, Shape{3, 4}}, b{DType::i32, Shape{4, 5}}, y{DType::i32, Shape{3, 5}};
  Run run{primitive::Matmul{}, {a, b}, y, {random_integers(12, -9, 9), random_integers(20, -9, 9)}};
  check_close(run(), product(primitive::Matmul{}, run.inputs, y.shape, run.values), 0, 0, "i32");
  Run wraps{primitive::Matmul{}, {{DType::i8, Shape{1, 2}}, {DType::i8, Shape{2, 1}}}, {DType::i8, Shape{1, 1}}, {{100, 100}, {1, 1}}};
  check_close(wraps(), {-56}, 0, 0, "i8");
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_spread_as_they_should) {
  const double inf = std::numeric_limits<double>::infinity(), nothing = std::nan("");
  Run run{primitive::Matmul{},
          {{DType::f32, Shape{3, 2}}, {DType::f32, Shape{2, 2}}},
          {DType::f32, Shape{3, 2}},
          {{1, nothing, inf, 1, 2, 3}, {1, 2, 3, 4}}};
  check_close(run(), {nothing, nothing, inf, inf, 11, 16}, 1e-6, 0, "special");
}

BOOST_AUTO_TEST_CASE(operands_that_do_not_fit_are_refused) {
  const Operand a{DType::f32, Shape{3, 4}}, b{DType::f32, Shape{5, 6}}, y{DType::f32, Shape{3, 6}};
  BOOST_CHECK_THROW(make_kernel({primitive::Matmul{}, {a, b}, y, {}, nullptr}), Error);
  BOOST_CHECK_THROW(make_kernel({primitive::Matmul{}, {a}, y, {}, nullptr}), Error);
  BOOST_CHECK_THROW(make_kernel({primitive::Matmul{}, {{DType::f32, Shape{4}}, {DType::f32, Shape{4, 6}}}, y, {}, nullptr}), Error);
}
