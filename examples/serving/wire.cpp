#include "wire.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include <lazyfx/error.hpp>
#include <nlohmann/json.hpp>

namespace serving {

using namespace lazyfx;
using Json = nlohmann::ordered_json;

namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw Error(ErrorKind::invalid_argument, sentence); }

// Sequences have none, nor inputs that a text leaves open.
void require_type(const onnx::Port& port) {
  if (!port.type)
    throw Error(ErrorKind::unsupported, "input '" + port.name + "' is not declared a tensor of some type, which is what travels here");
}

template <class Visit>
auto with_element_type(DType dtype, Visit&& visit) {
  switch (dtype) {
    case DType::f32: return visit(float{});
    case DType::f64: return visit(double{});
    case DType::i32: return visit(std::int32_t{});
    case DType::i64: return visit(std::int64_t{});
    default: throw Error(ErrorKind::unsupported, std::string("elements of ") + to_string(dtype) + " do not travel here");
  }
}

Tensor tensor_of(const Json& json, DType dtype) {
  const auto dims = json.at("shape").get<std::vector<std::int64_t>>();
  return with_element_type(dtype, [&]<class T>(T) {
    const auto values = json.at("data").get<std::vector<T>>();
    return Tensor::from<T>(std::span<const T>(values), Shape(dims));
  });
}

Json json_of(const Tensor& tensor) {
  return with_element_type(tensor.dtype(), [&]<class T>(T) {
    const Tensor dense = tensor.contiguous();
    const auto values = dense.values<T>();
    const auto dims = tensor.shape().dims();
    return Json{{"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}, {"data", std::vector<T>(values.begin(), values.end())}};
  });
}

std::vector<Value> outputs_of(const Value& result) {
  if (!result.is_tuple()) return {result};
  return {result.items().begin(), result.items().end()};
}

std::vector<Value> read_inputs(const onnx::ImportedModel& ports, const Json& given) {
  if (!given.is_object()) refuse("the inputs are a JSON object by name");
  for (const auto& [name, value] : given.items()) {
    const auto known = [&](const onnx::Port& port) { return port.name == name; };
    if (std::none_of(ports.inputs.begin(), ports.inputs.end(), known)) refuse("the model has no input '" + name + "'");
  }
  std::vector<Value> inputs;
  for (const onnx::Port& port : ports.inputs) {
    require_type(port);
    if (!given.contains(port.name)) refuse("input '" + port.name + "' is missing");
    try {
      inputs.emplace_back(tensor_of(given[port.name], port.type->dtype));
    } catch (const Error& e) { throw Error(e.kind(), "input '" + port.name + "': " + e.what()); } catch (const Json::exception&) {
      refuse("input '" + port.name + "' is no {\"shape\": [...], \"data\": [...]} of numbers");
    }
  }
  return inputs;
}

}  // namespace

std::vector<Value> inputs_of_json(const onnx::ImportedModel& ports, const std::string& text) {
  const Json given = Json::parse(text, nullptr, false);
  if (given.is_discarded()) refuse("the body is no JSON");
  return read_inputs(ports, given);
}

std::vector<Value> inputs_of_bytes(const onnx::ImportedModel& ports, const std::string& bytes) {
  if (ports.inputs.size() != 1) refuse("raw input is for models of one input; send JSON");
  require_type(ports.inputs[0]);
  const TensorType& type = *ports.inputs[0].type;
  if (type.dtype != DType::f32 || !type.dims) refuse("raw input is float32 of known rank, and not " + to_string(type) + "; send JSON");
  std::vector<std::int64_t> dims;
  std::size_t open = 0;
  for (const Dim& dim : *type.dims) {
    open += dim.known() ? 0 : 1;
    dims.push_back(dim.known() ? dim.size : 1);
  }
  if (open > 1) refuse("raw input cannot tell the shape of " + to_string(type) + "; send JSON");
  const auto elements = static_cast<std::int64_t>(bytes.size() / sizeof(float));
  for (std::size_t i = 0; open == 1 && i < dims.size(); ++i) {
    if (!(*type.dims)[i].known()) dims[i] = elements / std::max<std::int64_t>(Shape(dims).size(), 1);
  }
  const Shape shape(dims);
  if (bytes.size() % sizeof(float) != 0 || shape.size() != elements) {
    refuse(std::to_string(bytes.size()) + " bytes do not fill " + to_string(type));
  }
  Tensor tensor = Tensor::empty(DType::f32, shape);
  std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
  return {tensor};
}

std::string json_of(const onnx::ImportedModel& ports, const Value& result) {
  const std::vector<Value> outputs = outputs_of(result);
  const bool named = outputs.size() == ports.outputs.size();
  Json all = Json::object();
  for (std::size_t i = 0; i < outputs.size(); ++i) all[named ? ports.outputs[i].name : std::to_string(i)] = json_of(outputs[i].as_tensor());
  return all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Tensor first_tensor(const Value& result) {
  const std::vector<Value> outputs = outputs_of(result);
  if (outputs.empty()) refuse("the model has no output");
  return outputs[0].as_tensor();
}

std::string bytes_of(const Tensor& tensor) {
  const Tensor dense = tensor.contiguous();
  const auto values = dense.values<float>();
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace serving
