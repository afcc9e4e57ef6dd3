// Runs a model here and in ONNX Runtime and compares every element of every output: |a - b| <= 1e-4 max|b| + 1e-3 |b|.
//
// compare LIBONNXRUNTIME MODEL [SHAPES]...       one run per SHAPES, for example "x=2x3x48x192" or "x=1x4,w=4x4"; none: open dimensions are 1
//
// Exit status: 0 equal, 1 different or failed, 77 when library or model are not there (1 instead when LAZYFX_REQUIRE_MODELS is set).
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <sstream>
#include <string>

#include "closeness.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "onnx_runtime.hpp"
#include "picture.hpp"
#include "prerequisite.hpp"

namespace {
using namespace lazyfx;

std::map<std::string, Shape> parse_shapes(const std::string& text) {
  std::map<std::string, Shape> shapes;
  std::stringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    const auto equals = item.find('=');
    std::vector<std::int64_t> dims;
    std::stringstream sizes(item.substr(equals + 1));
    for (std::string size; std::getline(sizes, size, 'x');) dims.push_back(std::stoll(size));
    shapes.emplace(item.substr(0, equals), Shape(dims));
  }
  return shapes;
}

std::vector<Tensor> make_inputs(const peers::Session& session, const std::map<std::string, Shape>& shapes) {
  std::vector<Tensor> inputs;
  for (const auto& port : session.inputs()) {
    std::vector<std::int64_t> dims;
    for (const auto& dim : *port.type.dims) dims.push_back(dim.known() ? dim.size : 1);
    const auto given = shapes.find(port.name);
    if (port.type.dtype != DType::f32) throw std::runtime_error("input " + port.name + " is not f32");
    inputs.push_back(peers::picture(given == shapes.end() ? Shape(dims) : given->second));
  }
  return inputs;
}

/// True when `outputs` are `expected`; says how close.
bool judge(const char* who, const std::string& shapes, const std::vector<Tensor>& outputs, const std::vector<Tensor>& expected) {
  if (outputs.size() != expected.size()) {
    std::printf("FAILED %s %s: %zu outputs where ONNX Runtime has %zu\n", who, shapes.c_str(), outputs.size(), expected.size());
    return false;
  }
  bool all_close = true;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const double error = peers::error_of(outputs[i], expected[i]);
    all_close = all_close && error <= 1;
    std::printf("%s %s %s: output %zu off by %.4f of what is allowed, %s\n  where ONNX Runtime has %s\n", error <= 1 ? "ok    " : "FAILED",
                who, shapes.c_str(), i, error, to_string(outputs[i], 4).c_str(), to_string(expected[i], 4).c_str());
  }
  return all_close;
}

int compare(const std::string& library, const std::string& file, const std::vector<std::string>& shape_lists) {
  const peers::OnnxRuntime peer(library);
  const peers::Session session(peer, file, 1);
  Runtime runtime;
  const auto model = onnx::import_model(file, runtime.operators());
  LazyGraphModule module(runtime, model.graph, model.root.get());
  bool all_close = true;
  for (const auto& shapes : shape_lists) {
    const auto inputs = make_inputs(session, parse_shapes(shapes));
    const auto expected = session.run(inputs);
    const std::vector<Value> values(inputs.begin(), inputs.end());
    all_close &= judge("compiled", shapes, peers::tensors_of(module.call(values)), expected);
    if (std::getenv("LAZYFX_COMPARE_INTERPRETER") != nullptr) {
      all_close &= judge("interpreted", shapes, peers::tensors_of(Interpreter(module).run(values)), expected);
    }
  }
  return all_close ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: compare LIBONNXRUNTIME MODEL [SHAPES]...\n");
    return 2;
  }
  std::vector<std::string> shapes(argv + 3, argv + argc);
  if (shapes.empty()) shapes.emplace_back();
  if (const auto status = peers::missing({argv[1], argv[2]})) return *status;
  try {
    return compare(argv[1], argv[2], shapes);
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    return 1;
  }
}
