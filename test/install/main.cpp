#include <array>
#include <cstddef>
#include <iostream>

#include "lazyfx/error.hpp"
#include "lazyfx/tensor/shape.hpp"
#include "lazyfx/tensor/tensor.hpp"

// Succeeds when values, and exceptions of the library's own type, cross the boundary of the installed shared library.
int main() {
  const auto tensor = lazyfx::Tensor::from<float>({1, 2, 3, 4, 5, 6}, lazyfx::Shape{2, 3});
  std::cout << lazyfx::to_string(tensor) << '\n';
  if (tensor.transpose(std::array<std::size_t, 2>{1, 0}).contiguous().values<float>()[1] != 4) return 1;
  try {
    lazyfx::normalize_axis(5, tensor.rank());
  } catch (const lazyfx::Error& error) {
    std::cout << lazyfx::to_string(error.kind()) << ": " << error.what() << '\n';
    return error.kind() == lazyfx::ErrorKind::invalid_argument ? 0 : 1;
  }
  return 1;
}
