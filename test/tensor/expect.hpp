#pragma once

#include <string_view>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/tensor/tensor.hpp"

/// True when `action` throws an Error of this kind whose message contains `words`; any other exception passes through.
template <class Action>
bool fails(lazyfx::ErrorKind kind, std::string_view words, Action&& action) {
  try {
    action();
  } catch (const lazyfx::Error& error) {
    return error.kind() == kind && std::string_view(error.what()).find(words) != std::string_view::npos;
  }
  return false;
}

template <class Action>
bool refuses(std::string_view words, Action&& action) {
  return fails(lazyfx::ErrorKind::invalid_argument, words, action);
}

/// The elements in row-major order, of strided tensors too.
template <class T>
std::vector<T> elements(const lazyfx::Tensor& tensor) {
  const lazyfx::Tensor packed = tensor.contiguous();
  const auto values = packed.values<T>();
  return {values.begin(), values.end()};
}

/// 0, 1, 2, ... in the given shape.
inline lazyfx::Tensor counting(const lazyfx::Shape& shape) {
  lazyfx::Tensor tensor = lazyfx::Tensor::empty(lazyfx::DType::i32, shape);
  std::int32_t next = 0;
  for (std::int32_t& element : tensor.mutable_values<std::int32_t>()) element = next++;
  return tensor;
}
