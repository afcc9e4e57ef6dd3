// What follows a convolution or product is computed while it is written.
#define BOOST_TEST_MODULE compile_fuse
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

Value noise(const Shape& shape) {
  static std::mt19937 engine(7);
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (float& v : values) v = std::uniform_real_distribution<float>(-1, 1)(engine);
  return Tensor::from<float>(values, shape);
}

struct Example {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::vector<Value> inputs{};

  Node input(const char* name, const Shape& shape) {
    inputs.push_back(noise(shape));
    return graph->placeholder(name, TensorType(DType::f32, shape));
  }

  /// Compiles, compares with the interpreter and says which kernels there are.
  std::vector<std::string> kernels(Node result) {
    graph->output(result);
    Runtime runtime(RuntimeOptions().trace(1000));
    LazyGraphModule module(runtime, graph, nullptr);
    const Value expected = Interpreter(module).run(inputs);
    BOOST_TEST(support::close(module.call(inputs), expected), module.code());
    std::ostringstream out;
    runtime.write_trace(out);
    std::vector<std::string> names;
    const auto trace = nlohmann::json::parse(out.str());
    for (const auto& event : trace.at("traceEvents")) {
      if (event.value("cat", "") == "kernel") names.push_back(event.at("name"));
    }
    return names;
  }
};

std::size_t passes_of_their_own(const std::vector<std::string>& kernels) {
  return static_cast<std::size_t>(
      std::count_if(kernels.begin(), kernels.end(), [](const auto& name) { return name.starts_with("elementwise"); }));
}

std::size_t count(const std::vector<std::string>& kernels) {
  return static_cast<std::size_t>(
      std::count_if(kernels.begin(), kernels.end(), [](const auto& name) { return !name.starts_with("transfer"); }));
}

const Shape picture{1, 8, 12, 12}, filter{8, 8, 3, 3};

Node convolution(Example& e, Node x, Node w) {
  return e.graph->call_function("onnx::Conv", {x, w}, {{"pads", Argument::list({1, 1, 1, 1})}});
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_residual_block_ends_in_its_last_convolution) {
  for (const bool shortcut_first : {false, true}) {
    Example e;
    const Node x = e.input("x", picture), w = e.input("w", filter);
    const Node y = convolution(e, x, w);
    const Node sum = shortcut_first ? e.graph->call_function("onnx::Add", {x, y}) : e.graph->call_function("onnx::Add", {y, x});
    const auto kernels = e.kernels(e.graph->call_function("onnx::Relu", {sum}));
    BOOST_TEST(passes_of_their_own(kernels) == 0u);
    BOOST_TEST(count(kernels) == 1u);
  }
}

BOOST_AUTO_TEST_CASE(two_convolutions_that_meet_end_in_one_of_them) {
  Example e;
  const Node x = e.input("x", picture), w = e.input("w", filter), v = e.input("v", filter);
  const Node sum = e.graph->call_function("onnx::Add", {convolution(e, x, w), convolution(e, x, v)});
  const auto kernels = e.kernels(e.graph->call_function("onnx::Relu", {sum}));
  BOOST_TEST(passes_of_their_own(kernels) == 0u);
  BOOST_TEST(count(kernels) == 2u);
}

BOOST_AUTO_TEST_CASE(what_comes_before_and_after_the_sum_keeps_its_order) {
  Example e;
  const Node x = e.input("x", picture), w = e.input("w", filter), z = e.input("z", picture);
  const Node early = e.graph->call_function("onnx::Relu", {convolution(e, x, w)});
  const Node sum = e.graph->call_function("onnx::Add", {x, early});
  const Node difference = e.graph->call_function("onnx::Sub", {sum, z});
  const auto kernels = e.kernels(e.graph->call_function("onnx::Sigmoid", {difference}));
  BOOST_TEST(passes_of_their_own(kernels) == 0u);
  BOOST_TEST(count(kernels) == 1u);
}

BOOST_AUTO_TEST_CASE(a_product_takes_bias_and_activation) {
  Example e;
  const Node x = e.input("x", {16, 32}), w = e.input("w", {32, 48}), bias = e.input("bias", Shape{48}), z = e.input("z", {16, 48});
  const Node product = e.graph->call_function("onnx::MatMul", {x, w});
  const Node sum = e.graph->call_function("onnx::Add", {product, bias});
  const Node active = e.graph->call_function("onnx::Relu", {sum});
  const auto kernels = e.kernels(e.graph->call_function("onnx::Add", {z, active}));
  BOOST_TEST(passes_of_their_own(kernels) == 0u);
}

BOOST_AUTO_TEST_CASE(an_activation_of_an_empty_product_is_empty) {
  for (const char* activation : {"onnx::Relu", "onnx::Neg"}) {
    const auto graph = std::make_shared<Graph>();
    const Node x = graph->placeholder("x", TensorType(DType::f32, {3, 4})), w = graph->placeholder("w", TensorType(DType::f32, {4, 0}));
    graph->output(graph->call_function(activation, {graph->call_function("onnx::MatMul", {x, w})}));
    Runtime runtime;
    LazyGraphModule module(runtime, graph);
    const Inputs inputs(Value(Tensor::zeros(DType::f32, Shape{3, 4})), Value(Tensor::zeros(DType::f32, Shape{4, 0})));
    BOOST_TEST((module(inputs).as_tensor().shape() == Shape{3, 0}));
  }
}

BOOST_AUTO_TEST_CASE(a_sum_that_is_read_twice_stays_for_the_second_reader) {
  Example e;
  const Node x = e.input("x", picture), w = e.input("w", filter);
  const Node sum = e.graph->call_function("onnx::Add", {convolution(e, x, w), x});
  const Node relu = e.graph->call_function("onnx::Relu", {sum});
  const auto kernels = e.kernels(e.graph->call_function("onnx::Mul", {relu, sum}));
  BOOST_TEST(count(kernels) == 2u);
}

BOOST_AUTO_TEST_CASE(any_two_activations_after_a_convolution_keep_their_numbers) {
  struct Activation {
    const char* op;
    std::vector<Argument> more;
    Keywords attributes;
  };
  const std::vector<Activation> activations = {{"onnx::Relu", {}, {}},
                                               {"onnx::LeakyRelu", {}, {{"alpha", 0.3}}},
                                               {"onnx::Clip", {0.0, 6.0}, {}},
                                               {"onnx::Clip", {-0.5, 0.25}, {}},
                                               {"onnx::Min", {0.5}, {}},
                                               {"onnx::Max", {-0.5}, {}},
                                               {"onnx::HardSigmoid", {}, {}},
                                               {"onnx::Elu", {}, {{"alpha", 1.0}}},
                                               {"onnx::Elu", {}, {{"alpha", 0.3}}},
                                               {"onnx::Mul", {0.5}, {}},
                                               {"onnx::Add", {0.25}, {}},
                                               {"onnx::Neg", {}, {}},
                                               {"onnx::Sigmoid", {}, {}},
                                               {"onnx::Tanh", {}, {}}};
  for (const std::int64_t side : {1, 3}) {
    for (const bool residual : {false, true}) {
      for (const Activation& first : activations) {
        for (const Activation& second : activations) {
          Example e;
          const auto apply = [&](const Activation& a, Node x) {
            Arguments arguments{x};
            arguments.insert(arguments.end(), a.more.begin(), a.more.end());
            return e.graph->call_function(a.op, arguments, a.attributes);
          };
          const Node x = e.input("x", Shape{1, 8, 6, 6}), w = e.input("w", Shape{8, 8, side, side});
          const Argument pads = Argument::list({side / 2, side / 2, side / 2, side / 2});
          Node y = apply(first, e.graph->call_function("onnx::Conv", {x, w}, {{"pads", pads}}));
          if (residual) y = e.graph->call_function("onnx::Add", {y, x});
          static_cast<void>(e.kernels(apply(second, y)));
        }
      }
    }
  }
}
