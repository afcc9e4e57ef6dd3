// What compiled steps answer where an operator leaves room, and what becomes no step.
#define BOOST_TEST_MODULE compile_kernels
#include <boost/test/unit_test.hpp>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

using namespace lazyfx;

BOOST_AUTO_TEST_CASE(an_integer_divided_by_zero_is_zero_interpreted_compiled_and_folded) {
  Runtime runtime;
  const Tensor a = Tensor::from<std::int64_t>({7, -7, 0, std::numeric_limits<std::int64_t>::min()}, Shape{4});
  const Tensor b = Tensor::from<std::int64_t>({0, 2, 0, -1}, Shape{4});
  const auto answers = [&](const char* op, const Argument::Entries& attributes, const std::vector<std::int64_t>& expected) {
    const Value answer = Tensor::from<std::int64_t>(expected, Shape{4});
    const auto graph = std::make_shared<Graph>();
    const TensorType type(DType::i64, Shape{4});
    const Node x = graph->placeholder("x", type), y = graph->placeholder("y", type);
    graph->output(graph->call_function(op, {x, y}, attributes));
    LazyGraphModule module(runtime, graph);
    BOOST_TEST((module(Inputs(a, b)) == answer), op);
    BOOST_TEST((Interpreter(module).run(std::vector<Value>{a, b}) == answer), op);
    const auto constant = std::make_shared<Graph>();
    constant->output(constant->call_function(op, {a, b}, attributes));
    BOOST_TEST((LazyGraphModule(runtime, constant)(Inputs()) == answer), op);
  };
  answers("onnx::Div", {}, {0, -3, 0, std::numeric_limits<std::int64_t>::min()});
  answers("onnx::Mod", {}, {0, 1, 0, 0});
  answers("onnx::Mod", {{"fmod", 1}}, {0, -1, 0, 0});
}

BOOST_AUTO_TEST_CASE(a_value_larger_than_the_machines_memory_is_refused_before_its_kernel_is_made) {
  Runtime runtime;
  constexpr std::int64_t size = 100'000'000, pad = size - 1;
  const auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{1, 1, 3, 3}));
  graph->output(graph->call_function("onnx::MaxPool", {x},
                                     {{"kernel_shape", Argument::list({size, size})}, {"pads", Argument::list({pad, pad, pad, pad})}}));
  LazyGraphModule module(runtime, graph);
  BOOST_CHECK_EXCEPTION(module(Inputs(Tensor::zeros(DType::f32, Shape{1, 1, 3, 3}))), CompileError, [](const CompileError& error) {
    const std::string what = error.what();
    return error.kind() == ErrorKind::resource && what.find("onnx::MaxPool") != what.npos &&
           what.find("no memory for a tensor f32[1x1x100000002x100000002]") != what.npos;
  });
}
