#include "wire.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include <lazyfx/error.hpp>
#include <nlohmann/json.hpp>

namespace serving {

using namespace lazyfx;
using Json = nlohmann::ordered_json;

namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw Error(ErrorKind::invalid_argument, sentence); }
[[noreturn]] void refuse(DType dtype) {
  throw Error(ErrorKind::unsupported, std::string("elements of ") + to_string(dtype) + " do not travel here");
}

// Sequences have none, nor inputs that a text leaves open.
const TensorType& type_of(const onnx::Port& port) {
  if (port.type) return *port.type;
  throw Error(ErrorKind::unsupported, "input '" + port.name + "' is not declared a tensor of some type, which is what travels here");
}

Tensor tensor_of(DType dtype, const Shape& shape, const std::string& bytes) {
  const std::size_t elements = bytes.size() / size_of(dtype);
  if (bytes.size() % size_of(dtype) != 0 || static_cast<std::size_t>(shape.size()) != elements)
    refuse(std::to_string(bytes.size()) + " bytes do not fill " + to_string(dtype) + "[" + to_string(shape) + "]");
  Tensor tensor = Tensor::empty(dtype, shape);
  if (!bytes.empty()) std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
  return tensor;
}

class InputReader : public nlohmann::json_sax<Json> {
 public:
  explicit InputReader(const std::vector<onnx::Port>& ports) : ports_(ports), port_(ports.end()), inputs_(ports.size()) {}

  std::vector<Value> inputs() && {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      if (!inputs_[i].defined()) refuse("input '" + ports_[i].name + "' is missing");
    }
    return {inputs_.begin(), inputs_.end()};
  }

  bool start_object(std::size_t) override {
    if (place_ > Place::inputs) misplaced();
    place_ = place_ == Place::outside ? Place::inputs : Place::tensor;
    return true;
  }
  bool key(std::string& name) override {
    if (place_ == Place::inputs) {
      port_ = std::find_if(ports_.begin(), ports_.end(), [&](const onnx::Port& port) { return port.name == name; });
      if (port_ == ports_.end()) refuse("the model has no input '" + name + "'");
      dtype_ = type_of(*port_).dtype;
      shape_.reset(), data_.reset();
    } else {
      list_ = name == "shape" ? Place::shape : name == "data" ? Place::data : Place::tensor;
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && list_ == Place::shape && !shape_)
      shape_.emplace();
    else if (place_ == Place::tensor && list_ == Place::data && !data_)
      data_.emplace();
    else
      misplaced();
    place_ = list_;
    return true;
  }
  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }
  bool end_object() override {
    if (place_ == Place::tensor) {
      Tensor& input = inputs_[static_cast<std::size_t>(port_ - ports_.begin())];
      if (!shape_ || !data_ || input.defined()) misplaced();
      try {
        input = tensor_of(dtype_, Shape(*shape_), *data_);
      } catch (const Error& e) { throw Error(e.kind(), "input '" + port_->name + "': " + e.what()); }
    }
    place_ = place_ == Place::tensor ? Place::inputs : Place::outside;
    return true;
  }

  bool boolean(bool value) override { return number(value); }
  bool number_integer(std::int64_t value) override { return number(value); }
  bool number_unsigned(std::uint64_t value) override { return number(value); }
  bool number_float(double value, const std::string&) override { return number(value); }
  bool null() override { misplaced(); }
  bool string(std::string&) override { misplaced(); }
  bool binary(Json::binary_t&) override { misplaced(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { refuse("the body is no JSON"); }

 private:
  enum class Place { outside, inputs, tensor, shape, data };

  [[noreturn]] void misplaced() const {
    if (port_ == ports_.end()) refuse("the inputs are a JSON object by name");
    refuse("input '" + port_->name + "' is no {\"shape\": [...], \"data\": [...]}, each once, of numbers that " + to_string(dtype_) +
           " has");
  }
  /// A number that T has: none is truncated.
  template <class T, class Number>
  T exact(Number value) const {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<Number, bool>) {
      if (!std::is_same_v<T, bool> || (value != Number(0) && value != Number(1))) misplaced();
    } else if constexpr (std::is_integral_v<T>) {
      if constexpr (!std::is_integral_v<Number>)
        misplaced();
      else if (!std::in_range<T>(value))
        misplaced();
    }
    return static_cast<T>(value);
  }
  template <class Number>
  bool number(Number value) {
    if (place_ < Place::shape) misplaced();
    if (place_ == Place::shape) {
      shape_->push_back(exact<std::int64_t>(value));
    } else {
      visit_dtype(dtype_, [&]<class T>(std::type_identity<T>) {
        if constexpr (std::is_arithmetic_v<T>) {
          const T element = exact<T>(value);
          data_->append(reinterpret_cast<const char*>(&element), sizeof(T));
        } else {
          refuse(dtype_);
        }
      });
    }
    return true;
  }

  const std::vector<onnx::Port>& ports_;
  std::vector<onnx::Port>::const_iterator port_;
  DType dtype_ = DType::f32;
  Place place_ = Place::outside, list_ = Place::tensor;
  std::optional<std::vector<std::int64_t>> shape_;
  std::optional<std::string> data_;
  std::vector<Tensor> inputs_;
};

Json json_of(const Tensor& tensor) {
  const auto dims = tensor.shape().dims();
  return visit_dtype(tensor.dtype(), [&]<class T>(std::type_identity<T>) -> Json {
    if constexpr (std::is_arithmetic_v<T>) {
      const Tensor dense = tensor.contiguous();
      const auto values = dense.values<T>();
      return {{"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}, {"data", std::vector<T>(values.begin(), values.end())}};
    } else {
      refuse(tensor.dtype());
    }
  });
}

std::vector<Value> outputs_of(const Value& result) {
  if (!result.is_tuple()) return {result};
  return {result.items().begin(), result.items().end()};
}

Tensor tensor_of(const Value& output) {
  if (output.is_tensor()) return output.as_tensor();
  throw Error(ErrorKind::unsupported,
              std::string("the model answers with a value of kind ") + output.kind() + ": only tensors travel here");
}

}  // namespace

std::vector<Value> inputs_of_json(const onnx::ImportedModel& ports, const std::string& text) {
  InputReader reader(ports.inputs);
  Json::sax_parse(text, &reader);
  return std::move(reader).inputs();
}

std::vector<Value> inputs_of_bytes(const onnx::ImportedModel& ports, const std::string& bytes) {
  if (ports.inputs.size() != 1) refuse("raw input is for models of one input; send JSON");
  const TensorType& type = type_of(ports.inputs[0]);
  if (type.dtype == DType::boolean || type.dtype == DType::string) refuse(type.dtype);
  if (!type.dims || std::count_if(type.dims->begin(), type.dims->end(), [](const Dim& dim) { return !dim.known(); }) > 1)
    refuse("raw input cannot tell the shape of " + to_string(type) + "; send JSON");
  std::vector<std::int64_t> dims;
  std::int64_t rest = static_cast<std::int64_t>(bytes.size() / size_of(type.dtype));
  for (const Dim& dim : *type.dims) rest /= dim.known() ? std::max<std::int64_t>(dim.size, 1) : 1;
  for (const Dim& dim : *type.dims) dims.push_back(dim.known() ? dim.size : rest);
  return {tensor_of(type.dtype, Shape(dims), bytes)};
}

std::string json_of(const onnx::ImportedModel& ports, const Value& result) {
  const std::vector<Value> outputs = outputs_of(result);
  const bool named = outputs.size() == ports.outputs.size();
  Json all = Json::object();
  for (std::size_t i = 0; i < outputs.size(); ++i) all[named ? ports.outputs[i].name : std::to_string(i)] = json_of(tensor_of(outputs[i]));
  return all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Tensor first_tensor(const Value& result) {
  const std::vector<Value> outputs = outputs_of(result);
  if (outputs.empty()) refuse("the model has no output");
  return tensor_of(outputs[0]);
}

std::string bytes_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::string) refuse(tensor.dtype());
  const Tensor dense = tensor.contiguous();
  return {static_cast<const char*>(dense.raw()), dense.byte_size()};
}

std::size_t byte_size(const Value& result) {
  std::size_t bytes = 0;
  for (const Value& output : outputs_of(result)) bytes += output.is_tensor() ? output.as_tensor().byte_size() : 0;
  return bytes;
}

}  // namespace serving
