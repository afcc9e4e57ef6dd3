#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <lazyfx/tensor/tensor.hpp>

/// What was read, and the mean of the probabilities of the characters kept; 0 when nothing was.
struct Reading {
  std::string text;
  double confidence = 0;
};

/// The characters a recogniser knows. Class 0 is the blank that separates repeated characters, the last class is the space.
class Alphabet {
 public:
  /// One character a line, UTF-8. Throws std::runtime_error naming the file when it cannot be read.
  explicit Alphabet(const std::string& path);

  std::size_t classes() const { return characters_.size(); }
  /// Greedy CTC decoding of f32[1, T, classes()]: the best class of each step, repeats merged, blanks and outer spaces dropped.
  /// Throws std::runtime_error when the tensor has another shape.
  Reading read(const lazyfx::Tensor& probabilities) const;

 private:
  std::vector<std::string> characters_;
};
