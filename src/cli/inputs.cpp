#include "cli/inputs.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/npy.hpp"
#include "cli/options.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::cli {
namespace {

Shape parse_shape(const std::string& text, const std::string& assignment) {
  if (text == "scalar") return {};
  std::vector<std::int64_t> dims;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    std::int64_t dim = -1;
    const auto [stop, error] = std::from_chars(at, end, dim);
    if (error != std::errc() || dim < 0) break;
    dims.push_back(dim);
    if (stop == end) {
      try {
        return Shape(dims);
      } catch (const Error& absurd) { throw UsageError("--shape " + assignment + ": " + absurd.what()); }
    }
    if (*stop != 'x') break;
    at = stop + 1;
  }
  throw UsageError("--shape takes NAME=1x3x224x224, not '" + assignment + "'");
}

std::int64_t likely_size(std::size_t axis, std::size_t rank) {
  if (axis == 0) return 1;
  if (rank == 4 && axis >= 2) return 224;
  return 16;
}

Shape choose_shape(const TensorType& type, std::map<std::string, std::int64_t>& named) {
  std::vector<std::int64_t> dims;
  if (!type.dims) return Shape{1};
  for (std::size_t axis = 0; axis < type.dims->size(); ++axis) {
    const Dim& dim = (*type.dims)[axis];
    std::int64_t size = dim.known() ? dim.size : likely_size(axis, type.dims->size());
    if (!dim.known() && !dim.name.empty()) size = named.try_emplace(dim.name, size).first->second;
    dims.push_back(size);
  }
  return Shape(dims);
}

void remember(const TensorType& type, const Shape& shape, std::map<std::string, std::int64_t>& named) {
  if (!type.dims || type.dims->size() != shape.rank()) return;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    const Dim& dim = (*type.dims)[axis];
    if (!dim.known() && !dim.name.empty()) named.try_emplace(dim.name, shape[axis]);
  }
}

template <class Map>
void check_names(const onnx::ImportedModel& model, const Map& given) {
  for (const auto& entry : given) {
    const auto is_this = [&](const onnx::Port& port) { return port.name == entry.first; };
    if (std::any_of(model.inputs.begin(), model.inputs.end(), is_this)) continue;
    std::string known;
    for (const auto& port : model.inputs) known += (known.empty() ? "" : ", ") + port.name;
    throw Error(ErrorKind::invalid_argument, "the model has no input '" + entry.first + "'; it has " + (known.empty() ? "none" : known));
  }
}

/// What is to be made up needs a type; sequences, and inputs that a text leaves open, have none.
void require_type(const onnx::Port& port) {
  if (port.type) return;
  throw Error(ErrorKind::invalid_argument,
              port.kind == onnx::PortKind::tensor
                  ? "input '" + port.name + "' declares no type: give it a file, --input " + port.name + "=FILE"
                  : "input '" + port.name + "' is no tensor, which is all that can be given here");
}

void check_fits(const onnx::Port& port, DType dtype, const Shape& shape) {
  if (port.type->accepts(dtype, shape)) return;
  throw Error(ErrorKind::invalid_argument,
              "input '" + port.name + "' takes " + to_string(*port.type) + ", not " + to_string(dtype) + "[" + to_string(shape) + "]");
}

}  // namespace

std::map<std::string, std::string> parse_files(const std::vector<std::string>& assignments) {
  std::map<std::string, std::string> files;
  for (const auto& assignment : assignments) {
    if (!files.insert(split_assignment(assignment, "--input")).second) throw UsageError("--input " + assignment + " gives an input twice");
  }
  return files;
}

std::map<std::string, Shape> parse_shapes(const std::vector<std::string>& assignments) {
  std::map<std::string, Shape> shapes;
  for (const auto& assignment : assignments) {
    const auto [name, text] = split_assignment(assignment, "--shape");
    if (!shapes.emplace(name, parse_shape(text, assignment)).second) throw UsageError("--shape " + name + " is given twice");
  }
  return shapes;
}

Tensor pattern(DType dtype, const Shape& shape) {
  Tensor tensor = Tensor::empty(dtype, shape);
  return visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    const auto values = tensor.mutable_values<T>();
    for (std::size_t k = 0; k < values.size(); ++k) {
      if constexpr (std::is_same_v<T, std::string>) {
        values[k] = "text " + std::to_string(k % 10);
      } else if constexpr (std::is_same_v<T, bool>) {
        values[k] = k % 3 == 0;
      } else if constexpr (std::is_integral_v<T>) {
        values[k] = static_cast<T>(k * 37 % 100);
      } else {
        values[k] = static_cast<T>(static_cast<float>(k * 7919 % 1000) / 1000 - 0.5F);
      }
    }
    return tensor;
  });
}

Tensor read_tensor(const std::string& file) {
  const auto extension = std::filesystem::path(file).extension();
  if (extension == ".npy") return read_npy(file);
  if (extension == ".pb") return onnx::import_tensor(file);
  throw Error(ErrorKind::invalid_model, file + ": tensors are read from .npy and .pb files");
}

std::vector<Value> make_inputs(const onnx::ImportedModel& model, const std::map<std::string, std::string>& files,
                               const std::map<std::string, Shape>& shapes) {
  check_names(model, files);
  check_names(model, shapes);
  std::map<std::string, std::int64_t> named;
  std::vector<Tensor> given(model.inputs.size());
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const auto& port = model.inputs[i];
    if (const auto file = files.find(port.name); file != files.end()) given[i] = read_tensor(file->second);
    const auto shape = shapes.find(port.name);
    if (given[i].defined() && shape != shapes.end() && !(shape->second == given[i].shape())) {
      throw Error(ErrorKind::invalid_argument, files.at(port.name) + ": it has shape " + to_string(given[i].shape()) + ", not " +
                                                   to_string(shape->second) + " as asked for");
    }
    if (!given[i].defined() && shape == shapes.end()) continue;
    if (!port.type && given[i].defined()) continue;
    const Shape& known = given[i].defined() ? given[i].shape() : shape->second;
    require_type(port);
    check_fits(port, given[i].defined() ? given[i].dtype() : port.type->dtype, known);
    remember(*port.type, known, named);
  }
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const auto& port = model.inputs[i];
    if (!given[i].defined()) {
      require_type(port);
      const auto shape = shapes.find(port.name);
      given[i] = pattern(port.type->dtype, shape == shapes.end() ? choose_shape(*port.type, named) : shape->second);
    }
    inputs.emplace_back(given[i]);
  }
  return inputs;
}

}  // namespace lazyfx::cli
