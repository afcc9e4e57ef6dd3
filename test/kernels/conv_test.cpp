#define BOOST_TEST_MODULE kernels_conv
#include <boost/test/unit_test.hpp>

#include "kernel_fixture.hpp"

using namespace kernel_test;

namespace {

Shape shape_of(std::vector<std::int64_t> dims) { return Shape(std::span<const std::int64_t>(dims)); }

/// A convolution with everything that it needs, and its answer by the definition.
struct Case {
  primitive::Convolution conv;
  Shape x, w, y;
  bool bias = false;

  Values expected(const Values& xs, const Values& ws, const Values& bs) const {
    const std::size_t n = x.rank() - 2;
    const std::int64_t in_group = x[1] / conv.groups, out_group = y[1] / conv.groups;
    Values out(static_cast<std::size_t>(y.size()), 0);
    const Shape kernel(w.dims().subspan(2));
    for_each_index(y, [&](const std::vector<std::int64_t>& at) {
      const std::int64_t group = at[1] / out_group;
      double sum = bias ? bs[static_cast<std::size_t>(at[1])] : 0;
      for (std::int64_t c = 0; c < in_group; ++c) {
        for_each_index(kernel, [&](const std::vector<std::int64_t>& tap) {
          std::vector<std::int64_t> from{at[0], group * in_group + c}, filter;
          if (conv.transposed)
            filter = {group * in_group + c, at[1] % out_group};
          else
            filter = {at[1], c};
          for (std::size_t d = 0; d < n; ++d) {
            std::int64_t p;
            if (conv.transposed) {
              const std::int64_t scaled = at[2 + d] + conv.pads_begin[d] - tap[d] * conv.dilations[d];
              if (scaled % conv.strides[d] != 0) return;
              p = scaled / conv.strides[d];
            } else {
              p = at[2 + d] * conv.strides[d] - conv.pads_begin[d] + tap[d] * conv.dilations[d];
            }
            if (p < 0 || p >= x[2 + d]) return;
            from.push_back(p);
            filter.push_back(tap[d]);
          }
          sum += xs[position(x, from)] * ws[position(w, filter)];
        });
      }
      out[position(y, at)] = sum;
    });
    return out;
  }
};

Case random_case(bool transposed) {
  Case c;
  const std::size_t n = static_cast<std::size_t>(random_int(1, 3));
  const std::int64_t groups = random_int(0, 2) == 0 ? random_int(2, 9) : 1;
  const bool depthwise = groups > 1 && random_int(0, 1) == 0;
  const std::int64_t in_group = depthwise ? 1 : random_int(1, 18), out_group = depthwise ? 1 : random_int(1, 20);
  c.conv.groups = depthwise ? groups * random_int(1, 4) : groups;
  c.conv.transposed = transposed;
  std::vector<std::int64_t> x{random_int(1, 2), in_group * c.conv.groups}, y{x[0], out_group * c.conv.groups};
  std::vector<std::int64_t> w = transposed ? std::vector{x[1], out_group} : std::vector{y[1], in_group};
  for (std::size_t d = 0; d < n; ++d) {
    const std::int64_t k = random_int(1, n == 3 ? 3 : 4), s = random_int(1, 3), dil = random_int(1, 2);
    const std::int64_t reach = (k - 1) * dil + 1;
    // Padding within the kernel's reach, and an extent range above it: some extent always leaves an output.
    const std::int64_t before = random_int(0, std::min<std::int64_t>(2, reach - 1)),
                       after = random_int(0, std::min<std::int64_t>(2, reach - 1));
    std::int64_t in, out;
    do {
      in = random_int(1, n == 3 ? 6 : 9);
      out = transposed ? (in - 1) * s + reach - before - after + random_int(0, s - 1) : (in + before + after - reach) / s + 1;
    } while (out < 1 || (!transposed && in + before + after < reach));
    c.conv.strides.push_back(s);
    c.conv.dilations.push_back(dil);
    c.conv.pads_begin.push_back(before);
    c.conv.pads_end.push_back(after);
    x.push_back(in);
    y.push_back(out);
    w.push_back(k);
  }
  c.x = shape_of(x);
  c.y = shape_of(y);
  c.w = shape_of(w);
  c.bias = random_int(0, 1) == 0;
  return c;
}

std::string text(const Case& c) {
  return std::string(c.conv.transposed ? "transposed " : "") + to_string(c.x) + " * " + to_string(c.w) + " -> " + to_string(c.y) + " in " +
         std::to_string(c.conv.groups) + " groups, stride " + std::to_string(c.conv.strides[0]) + " dilation " +
         std::to_string(c.conv.dilations[0]);
}

Run run_of(const Case& c, DType d, Layout in, Layout out, bool constant) {
  Run run;
  run.primitive = c.conv;
  run.inputs = {{d, c.x, in}, {d, c.w, Layout::row_major}};
  run.values = {random_values(c.x.size()), random_values(c.w.size())};
  if (c.bias) {
    run.inputs.push_back({d, Shape{c.y[1]}, Layout::row_major});
    run.values.push_back(random_values(c.y[1]));
  }
  run.output = {d, c.y, out};
  run.constant = {false, constant, constant};
  return run;
}

Case plain_case(std::int64_t groups = 1) {
  Case c;
  c.conv = {.strides = {1, 1}, .dilations = {1, 1}, .pads_begin = {1, 1}, .pads_end = {1, 1}, .groups = groups};
  c.x = {1, 16, 9, 10};
  c.y = {1, 32, 9, 10};
  c.w = {32, 16 / groups, 3, 3};
  c.bias = true;
  return c;
}

/// A tail given as program and as function of the element and the first operand.
struct TailCase {
  const char* name;
  std::size_t operands;
  void (*write)(ScalarProgram&, const std::vector<std::uint16_t>& constants);
  std::vector<double> constants;
  double (*apply)(double x, double a);
};

std::uint16_t add(ScalarProgram& p, ScalarOp op, std::uint16_t a, std::uint16_t b = 0, std::uint16_t c = 0) {
  return p.add(op, DType::f32, a, b, c);
}

using Registers = std::vector<std::uint16_t>;
const std::vector<TailCase> tails{
    {"relu",
     0,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::max, 0, c[0]); },
     {0},
     [](double x, double) { return std::max(x, 0.0); }},
    {"relu6",
     0,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::clip, 0, c[0], c[1]); },
     {0, 6},
     [](double x, double) { return std::clamp(x, 0.0, 6.0); }},
    {"min of max",
     0,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::min, add(p, ScalarOp::max, 0, c[0]), c[1]); },
     {0, 1},
     [](double x, double) { return std::clamp(x, 0.0, 1.0); }},
    {"sigmoid",
     0,
     [](ScalarProgram& p, const Registers&) { add(p, ScalarOp::sigmoid, 0); },
     {},
     [](double x, double) { return 1 / (1 + std::exp(-x)); }},
    {"tanh", 0, [](ScalarProgram& p, const Registers&) { add(p, ScalarOp::tanh, 0); }, {}, [](double x, double) { return std::tanh(x); }},
    {"swish",
     0,
     [](ScalarProgram& p, const Registers&) { add(p, ScalarOp::mul, 0, add(p, ScalarOp::sigmoid, 0)); },
     {},
     [](double x, double) { return x / (1 + std::exp(-x)); }},
    {"leaky relu",
     0,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::prelu, 0, c[0]); },
     {0.1},
     [](double x, double) { return x < 0 ? 0.1 * x : x; }},
    {"hard sigmoid",
     0,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::clip, add(p, ScalarOp::multiply_add, 0, c[0], c[1]), c[2], c[3]); },
     {0.2, 0.5, 0, 1},
     [](double x, double) { return std::clamp(0.2 * x + 0.5, 0.0, 1.0); }},
    {"hard swish",
     0,
     [](ScalarProgram& p, const Registers& c) {
       add(p, ScalarOp::mul, 0, add(p, ScalarOp::clip, add(p, ScalarOp::multiply_add, 0, c[0], c[1]), c[2], c[3]));
     },
     {1.0 / 6, 0.5, 0, 1},
     [](double x, double) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
    {"hard swish by six",
     0,
     [](ScalarProgram& p, const Registers& c) {
       add(p, ScalarOp::div, add(p, ScalarOp::mul, 0, add(p, ScalarOp::clip, add(p, ScalarOp::add, 0, c[0]), c[1], c[2])), c[2]);
     },
     {3, 0, 6},
     [](double x, double) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; }},
    {"gelu",
     0,
     [](ScalarProgram& p, const Registers& c) {
       add(p, ScalarOp::mul, add(p, ScalarOp::mul, 0, add(p, ScalarOp::add, add(p, ScalarOp::erf, add(p, ScalarOp::div, 0, c[0])), c[1])),
           c[2]);
     },
     {1.4142135381698608, 1, 0.5},
     [](double x, double) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2))); }},
    {"elu",
     0,
     [](ScalarProgram& p, const Registers& c) {
       const auto l = p.add(ScalarOp::less, DType::boolean, 0, c[0]);
       p.add(ScalarOp::select, DType::f32, l, add(p, ScalarOp::mul, add(p, ScalarOp::sub, add(p, ScalarOp::exp, 0), c[1]), c[2]), 0);
     },
     {0, 1, 0.7},
     [](double x, double) { return x < 0 ? 0.7 * std::expm1(x) : x; }},
    {"add", 1, [](ScalarProgram& p, const Registers&) { add(p, ScalarOp::add, 0, 1); }, {}, [](double x, double a) { return x + a; }},
    {"add then relu",
     1,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::max, add(p, ScalarOp::add, 1, 0), c[0]); },
     {0},
     [](double x, double a) { return std::max(x + a, 0.0); }},
    {"relu then mul",
     1,
     [](ScalarProgram& p, const Registers& c) { add(p, ScalarOp::mul, add(p, ScalarOp::max, 0, c[0]), 1); },
     {0},
     [](double x, double a) { return std::max(x, 0.0) * a; }},
    {"not a chain",
     1,
     [](ScalarProgram& p, const Registers&) {
       add(p, ScalarOp::add, add(p, ScalarOp::tanh, 0), add(p, ScalarOp::mul, 0, add(p, ScalarOp::tanh, 1)));
     },
     {},
     [](double x, double a) { return std::tanh(x) + x * std::tanh(a); }},
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_convolutions_equal_their_definition) {
  for (int round = 0; round < 120; ++round) {
    const Case c = random_case(round % 3 == 0);
    const Layout in = random_int(0, 1) == 0 ? Layout::row_major : Layout::channels_last;
    const Layout out = random_int(0, 3) == 0 ? Layout::row_major : in;
    Run run = run_of(c, DType::f32, in, out, random_int(0, 3) != 0);
    const Values expected = c.expected(run.values[0], run.values[1], c.bias ? run.values[2] : Values());
    const Values actual = run();
    check_close(actual, expected, 1e-5, 1e-4, text(c) + " by " + run.description);
  }
}

BOOST_AUTO_TEST_CASE(transposed_convolutions_whose_windows_tile_the_output) {
  for (int round = 0; round < 150; ++round) {
    Case c;
    const std::size_t n = static_cast<std::size_t>(random_int(1, 3));
    c.conv.transposed = true;
    std::vector<std::int64_t> x{random_int(1, 2), random_int(1, 40)}, y{x[0], random_int(0, 2) == 0 ? random_int(1, 3) : random_int(4, 40)};
    std::vector<std::int64_t> w{x[1], y[1]};
    for (std::size_t d = 0; d < n; ++d) {
      const std::int64_t k = random_int(1, 3), in = random_int(1, n == 3 ? 4 : 15);
      c.conv.strides.push_back(k);
      x.push_back(in);
      y.push_back(in * k);
      w.push_back(k);
    }
    c.conv.dilations.assign(n, 1);
    c.conv.pads_begin.assign(n, 0);
    c.conv.pads_end.assign(n, 0);
    c.x = shape_of(x);
    c.y = shape_of(y);
    c.w = shape_of(w);
    c.bias = random_int(0, 1) == 0;
    Run run = run_of(c, DType::f32, Layout::channels_last, Layout::channels_last, true);
    if (round % 5 == 0) run.constant = {false, true, false};
    const TailCase& t = tails[static_cast<std::size_t>(random_int(0, 11))];  // those without operands
    Epilogue epilogue;
    if (round % 3 == 0) {
      epilogue.body.inputs = {DType::f32};
      Registers constants;
      for (const double v : t.constants) constants.push_back(epilogue.body.add_constant(DType::f32, v));
      t.write(epilogue.body, constants);
      run.epilogue = &epilogue;
    }
    Values expected = c.expected(run.values[0], run.values[1], c.bias ? run.values[2] : Values());
    for (double& v : expected) v = round % 3 == 0 ? t.apply(v, 0) : v;
    const Values actual = run();
    check_close(actual, expected, 1e-4, 1e-4, text(c) + " by " + run.description);
    BOOST_TEST(run.description.starts_with("tiling"));
  }
}

BOOST_AUTO_TEST_CASE(other_dtypes_are_convolved_too) {
  for (const DType d : {DType::f64, DType::f16}) {
    const Case c = plain_case();
    Run run = run_of(c, d, Layout::channels_last, Layout::channels_last, true);
    for (Values& v : run.values) {
      for (double& x : v) x = std::round(x * 4) / 4;
    }
    check_close(run(), c.expected(run.values[0], run.values[1], run.values[2]), 1e-3, 1e-3, to_string(d));
  }
}

BOOST_AUTO_TEST_CASE(tails_are_applied_to_every_element) {
  for (const TailCase& t : tails) {
    for (const std::int64_t groups : {1, 16}) {
      for (const int operand_kind : {0, 1, 2, 3}) {  // same shape, per channel, one number, per column
        if (operand_kind > 0 && t.operands == 0) continue;
        for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
          const Case c = plain_case(groups);
          Run run = run_of(c, DType::f32, layout, layout, true);
          Epilogue epilogue;
          epilogue.body.inputs.assign(1 + t.operands, DType::f32);
          Registers constants;
          for (const double v : t.constants) constants.push_back(epilogue.body.add_constant(DType::f32, v));
          t.write(epilogue.body, constants);
          const Shape operand_shape = operand_kind == 0   ? c.y
                                      : operand_kind == 1 ? Shape{32, 1, 1}
                                      : operand_kind == 2 ? Shape{}
                                                          : Shape{1, 1, 1, 10};
          if (t.operands > 0) {
            epilogue.operands = {{DType::f32, operand_shape, operand_kind == 0 ? layout : Layout::row_major}};
            run.values.push_back(random_values(operand_shape.size()));
          }
          run.epilogue = &epilogue;
          Values expected = c.expected(run.values[0], run.values[1], run.values[2]);
          std::size_t i = 0;
          for_each_index(c.y, [&](const std::vector<std::int64_t>& at) {
            const double a = t.operands > 0 ? run.values[3][position(operand_shape, at)] : 0;
            expected[i] = t.apply(expected[i], a);
            ++i;
          });
          const Values actual = run();
          check_close(actual, expected, 1e-4, 1e-4, std::string(t.name) + " by " + run.description);
          const bool supported = supports_epilogue(run.primitive, run.output, epilogue);
          BOOST_TEST(supported == (std::string(t.name) != "not a chain" && operand_kind != 3));
          if (!supported) BOOST_TEST(run.description.find(" then ") != std::string::npos);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(empty_batches_give_empty_outputs) {
  Case c = plain_case();
  c.x = {0, 16, 9, 10};
  c.y = {0, 32, 9, 10};
  Run run = run_of(c, DType::f32, Layout::channels_last, Layout::channels_last, true);
  BOOST_TEST(run().empty());
}

BOOST_AUTO_TEST_CASE(operands_that_do_not_fit_are_refused) {
  Case c = plain_case();
  c.w = {32, 15, 3, 3};
  Run run = run_of(c, DType::f32, Layout::row_major, Layout::row_major, true);
  BOOST_CHECK_THROW(run(), Error);
  c = plain_case(3);
  c.w = {32, 5, 3, 3};
  Run groups = run_of(c, DType::f32, Layout::row_major, Layout::row_major, true);
  BOOST_CHECK_THROW(groups(), Error);
}
