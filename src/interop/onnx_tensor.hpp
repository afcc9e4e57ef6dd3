#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "file_bytes.hpp"
#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "onnx_model.hpp"

namespace lazyfx::onnx {

/// The DType of ONNX's TensorProto.DataType number. Throws Error(unsupported) for the numbers that have none here (complex, 8-bit floats,
/// 4-bit integers), Error(invalid_model) for those that ONNX does not define.
DType dtype_of_number(std::int64_t number);

/// Makes tensors of one model's TensorProtos, pointing into the file where alignment allows it.
class TensorLoader {
 public:
  TensorLoader(FileBytes model, std::filesystem::path data_folder, Mapping mapping)
      : model_(std::move(model)), data_folder_(std::move(data_folder)), mapping_(mapping) {}

  /// Throws Error without naming the tensor (the caller knows whose it is), or Damage.
  Tensor load(const TensorDef& tensor);

 private:
  Tensor from_bytes(DType dtype, const Shape& shape, Bytes bytes, const FileBytes& source) const;
  Tensor from_external(DType dtype, const Shape& shape, const TensorDef& tensor);
  Tensor from_chunks(DType dtype, const Shape& shape, const TensorDef& tensor) const;
  const FileBytes& external_file(const std::string& location);

  FileBytes model_;
  std::filesystem::path data_folder_;
  Mapping mapping_;
  std::map<std::string, FileBytes, std::less<>> external_files_;
};

}  // namespace lazyfx::onnx
