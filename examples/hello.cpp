// The program on the first screen of README.md, which a test keeps equal to the part between the markers.
// [readme]
#include <iostream>

#include <boost/asio.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>

using namespace lazyfx;

boost::asio::awaitable<void> edit_and_call(LazyGraphModule& module, Node activation) {
  const Tensor x = Tensor::from<float>({-2, 0, 1}, {3});
  Value y = co_await module.forward(x);  // compiles on the pool: this coroutine waits, its thread does not
  std::cout << to_string(y) << '\n';

  activation.set_target("onnx::Tanh");  // an edit: calls still answer for the graph as it was marked last
  module.recompile();                   // a mark: never waits
  y = co_await module.forward(x);       // answers for the edited graph
  std::cout << to_string(y) << '\n' << module.code();
}

int main() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, {"N"}));
  const Node activation = graph->call_function("onnx::Relu", {x}, {}, "activation");
  graph->output(graph->call_function("onnx::Add", {activation, 0.5}));

  Runtime runtime;
  LazyGraphModule module(runtime, graph);
  boost::asio::io_context loop;
  boost::asio::co_spawn(loop, edit_and_call(module, activation), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  loop.run();
}
// [readme]
