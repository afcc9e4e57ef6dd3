// What is not a matter of numbers: compiled and interpreted, a graph means the same, and what is refused is refused with its node.
#define BOOST_TEST_MODULE compile_agreement
#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/ops/lowering.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

const Tensor matrix = Tensor::from<float>({1, 2, 3, 4, 5, 6}, Shape{2, 3});
const TensorType matrix_type(DType::f32, Shape{2, 3});

using Build = std::function<Argument(Graph&, Node x)>;

std::shared_ptr<Graph> graph_of(const Build& build, std::optional<TensorType> type) {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", std::move(type));
  graph->output(build(*graph, x));
  return graph;
}

void agree(const Build& build, const Value& input = matrix) {
  Runtime runtime;
  for (const bool typed : {true, false}) {
    LazyGraphModule module(runtime, graph_of(build, typed && input.is_tensor() ? std::optional(matrix_type) : std::nullopt));
    BOOST_TEST((module(Inputs(input)) == Interpreter(module).run(std::vector<Value>{input})), module.code());
  }
}

void refuse(const Build& build, const std::string& part) {
  Runtime runtime;
  const auto tells = [&](const Error& error) {
    const std::string what = error.what();
    BOOST_TEST(what.find(part) != what.npos, what);
    BOOST_TEST(what.find("%wrong") != what.npos, what);
    return true;
  };
  for (const bool typed : {true, false}) {
    LazyGraphModule module(runtime, graph_of(build, typed ? std::optional(matrix_type) : std::nullopt));
    BOOST_CHECK_EXCEPTION(module(Inputs(matrix)), Error, tells);
    BOOST_CHECK_EXCEPTION(Interpreter(module).run(std::vector<Value>{matrix}), Error, tells);
  }
}

Node halves(Graph& g, Node x) { return g.call_function("onnx::Split", {x, Argument::ints({1, 1})}, {{"axis", 0}}); }

/// my::op(x), whose lowering is `lowering`, in a graph of one node; what its call says.
std::string lowered(Lowering lowering) {
  Operator op;
  op.name = "my::op";
  op.schema.inputs = {{"x"}};
  op.schema.outputs = {{"y"}};
  op.type_rule = support::same_as_first();
  op.reference = [](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector<Tensor>{in[0]}; };
  op.lowering = std::move(lowering);
  Runtime runtime(RuntimeOptions().operators(support::standard_and(std::move(op))));
  LazyGraphModule module(runtime, support::chain({"my::op", "onnx::Neg"}));
  try {
    module(Inputs(support::vec({1, 2, 3, 4})));
  } catch (const CompileError& error) {
    BOOST_TEST(error.op() == "my::op");
    return error.what();
  }
  return "nothing";
}

}  // namespace

BOOST_AUTO_TEST_CASE(items_are_taken_of_a_tensor_neither_compiled_nor_interpreted) {
  refuse([](Graph& g, Node x) { return g.call_function("getitem", {x, 0}, {}, "wrong"); }, "items are taken of lists, tuples and dicts");
}

BOOST_AUTO_TEST_CASE(the_outputs_of_an_operator_are_counted_from_zero) {
  agree([](Graph& g, Node x) {
    const Node parts = halves(g, x);
    return Argument::tuple({g.call_function("getitem", {parts, 1}), g.call_function("getitem", {parts, 0})});
  });
  for (const bool beside_another : {false, true}) {
    refuse(
        [beside_another](Graph& g, Node x) -> Argument {
          const Node parts = halves(g, x), last = g.call_function("getitem", {parts, -1}, {}, "wrong");
          return beside_another ? Argument::tuple({g.call_function("getitem", {parts, 0}), last}) : Argument(last);
        },
        "counted from 0");
  }
}

BOOST_AUTO_TEST_CASE(items_of_lists_are_taken_whoever_made_them) {
  agree([](Graph& g, Node x) { return g.call_function("getitem", {Argument::list({x, 1, "s"}), 2}); });
  agree([](Graph& g, Node x) { return g.call_function("getitem", {Argument::list({x, 1, "s"}), -3}); });
  agree([](Graph& g, Node x) { return g.call_function("getitem", {x, -1}); }, Value::list({matrix, 7}));
  for (const int index : {0, 1, -1}) {
    agree([index](Graph& g, Node x) {
      const Node sequence = g.call_function("onnx::SequenceConstruct", {x, g.call_function("onnx::Neg", {x})});
      return g.call_function("getitem", {sequence, index});
    });
  }
}

BOOST_AUTO_TEST_CASE(a_result_may_hold_a_slice_and_a_dtype) {
  agree([](Graph& g, Node x) {
    const Node y = g.call_function("onnx::Neg", {x});
    return Argument::tuple({Argument::slice(1, y, Argument()), DType::f16, y});
  });
}

BOOST_AUTO_TEST_CASE(a_number_that_does_not_fit_beside_a_tensor_is_refused_with_its_node) {
  Runtime runtime;
  const auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::u8, Shape{2}));
  graph->output(graph->call_function("onnx::Add", {x, 300}, {}, "wrong"));
  LazyGraphModule module(runtime, graph);
  BOOST_CHECK_EXCEPTION(module(Inputs(Tensor::zeros(DType::u8, Shape{2}))), CompileError, [](const CompileError& error) {
    return error.node() == "wrong" && error.op() == "onnx::Add" && std::string(error.what()).find("300 does not fit") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(an_input_with_a_type_is_a_tensor_unless_its_default_is_none) {
  Runtime runtime;
  for (const bool has_default : {false, true}) {
    const auto graph = std::make_shared<Graph>();
    const Node x = has_default ? graph->placeholder("x", matrix_type, Argument()) : graph->placeholder("x", matrix_type);
    graph->output(x);
    LazyGraphModule module(runtime, graph);
    const auto refused = [](const Error& error) {
      return error.kind() == ErrorKind::invalid_argument &&
             std::string(error.what()) == "input x is no tensor, but the graph takes f32[2, 3]";
    };
    for (const Value& value : {Value("text"), Value::list({matrix})}) BOOST_CHECK_EXCEPTION(module(Inputs(value)), Error, refused);
    if (has_default)
      BOOST_TEST(module(Inputs(Value())).is_none());
    else
      BOOST_CHECK_EXCEPTION(module(Inputs(Value())), Error, refused);
    BOOST_TEST((module(Inputs(matrix)) == Value(matrix)));
    BOOST_CHECK_EXCEPTION(module(Inputs(Value::list({matrix}))), Error, refused);
  }
}

BOOST_AUTO_TEST_CASE(a_lowering_that_breaks_its_word_is_refused) {
  const auto has = [](const std::string& what, const char* part) { BOOST_TEST(what.find(part) != what.npos, what); };
  ScalarProgram negate;
  negate.inputs = {DType::f32};
  negate.add(ScalarOp::neg, DType::f32, 0);
  const primitive::Elementwise step{negate};
  has(lowered([](LoweringContext&) { return true; }), "has not written output 0");
  has(lowered([&](LoweringContext& c) {
        c.emit(step, {c.input(0)}, c.output(0));
        c.emit(step, {c.input(0)}, c.output(0));
        return true;
      }),
      "written already");
  has(lowered([&](LoweringContext& c) {
        c.emit(step, {c.output(0)}, c.output(0));
        return true;
      }),
      "before it has written it");
  has(lowered([&](LoweringContext& c) {
        c.alias(c.temporary(DType::f32, Shape{4}), c.output(0));
        return true;
      }),
      "before it has written it");
  has(lowered([&](LoweringContext& c) {
        c.emit(step, {ValueRef{12345}}, c.output(0));
        return true;
      }),
      "that there is not");
  BOOST_TEST(lowered([&](LoweringContext& c) {
               const ValueRef between = c.temporary(DType::f32, Shape{4});
               c.emit(step, {c.input(0)}, between);
               c.emit(step, {between}, c.output(0));
               return true;
             }) == "nothing");
}

BOOST_AUTO_TEST_CASE(a_transposed_convolution_whose_output_is_padded_by_a_stride_or_more_is_computed) {
  Runtime runtime;
  const auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{1, 1, 2, 3})),
             w = graph->placeholder("w", TensorType(DType::f32, Shape{1, 1, 2, 2}));
  graph->output(graph->call_function("onnx::ConvTranspose", {x, w},
                                     {{"dilations", Argument::ints({2, 2})}, {"output_padding", Argument::ints({1, 1})}}));
  LazyGraphModule module(runtime, graph);
  const std::vector<Value> inputs{matrix.reshape(Shape{1, 1, 2, 3}), Tensor::from<float>({1, -1, 2, 3}, Shape{1, 1, 2, 2})};
  BOOST_TEST(support::close(module.call(inputs), Interpreter(module).run(inputs)));
}
