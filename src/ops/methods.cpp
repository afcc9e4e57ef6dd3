#include <unordered_map>

#include "ops/families.hpp"
#include "ops/shipped.hpp"

namespace lazyfx::ops {

/// What a call_method on a tensor means, by the names that torch.Tensor has for it. Attributes keep their ONNX names.
std::string_view target_of_method(std::string_view method) {
  static const std::unordered_map<std::string_view, std::string_view> targets{
      {"add", "onnx::Add"},
      {"sub", "onnx::Sub"},
      {"mul", "onnx::Mul"},
      {"div", "onnx::Div"},
      {"pow", "onnx::Pow"},
      {"matmul", "onnx::MatMul"},
      {"neg", "onnx::Neg"},
      {"abs", "onnx::Abs"},
      {"sign", "onnx::Sign"},
      {"exp", "onnx::Exp"},
      {"log", "onnx::Log"},
      {"sqrt", "onnx::Sqrt"},
      {"reciprocal", "onnx::Reciprocal"},
      {"floor", "onnx::Floor"},
      {"ceil", "onnx::Ceil"},
      {"round", "onnx::Round"},
      {"sin", "onnx::Sin"},
      {"cos", "onnx::Cos"},
      {"tan", "onnx::Tan"},
      {"tanh", "onnx::Tanh"},
      {"erf", "onnx::Erf"},
      {"sigmoid", "onnx::Sigmoid"},
      {"relu", "onnx::Relu"},
      {"clamp", "onnx::Clip"},
      {"clip", "onnx::Clip"},
      {"softmax", "onnx::Softmax"},
      {"log_softmax", "onnx::LogSoftmax"},
      {"sum", "onnx::ReduceSum"},
      {"mean", "onnx::ReduceMean"},
      {"amax", "onnx::ReduceMax"},
      {"amin", "onnx::ReduceMin"},
      {"prod", "onnx::ReduceProd"},
      {"minimum", "onnx::Min"},
      {"maximum", "onnx::Max"},
      {"reshape", "onnx::Reshape"},
      {"view", "onnx::Reshape"},
      {"flatten", "onnx::Flatten"},
      {"squeeze", "onnx::Squeeze"},
      {"unsqueeze", "onnx::Unsqueeze"},
      {"transpose", "onnx::Transpose"},
      {"permute", "onnx::Transpose"},
      {"expand", "onnx::Expand"},
      {"tile", "onnx::Tile"},
      {"repeat", "onnx::Tile"},
      {"to", "onnx::Cast"},
      {"clone", "onnx::Identity"},
  };
  const auto found = targets.find(method);
  return found == targets.end() ? std::string_view() : found->second;
}

}  // namespace lazyfx::ops
