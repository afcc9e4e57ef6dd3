// Stability: stable.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/dtype.hpp"
#include "lazyfx/tensor/shape.hpp"

namespace lazyfx {

/// One dimension of a type: a size, or a size that only a call makes known. Two dimensions of one graph with the same
/// non-empty name have the same size in every call; an empty name promises nothing.
struct Dim {
  std::int64_t size = -1;  ///< -1: not known
  std::string name;

  Dim() = default;
  Dim(std::int64_t s) : size(s) {}  // NOLINT(google-explicit-constructor): `{1, 3, "H", "W"}` is how types are written
  Dim(int s) : size(s) {}           // NOLINT(google-explicit-constructor): else a literal 0 could be a null pointer
  Dim(const char* n) : name(n) {}   // NOLINT(google-explicit-constructor)
  Dim(std::string n) : name(std::move(n)) {}  // NOLINT(google-explicit-constructor)
  bool known() const noexcept { return size >= 0; }
  friend bool operator==(const Dim&, const Dim&) = default;
};

/// What is known about a tensor before a call: its element type, and its dimensions unless even the rank is open.
struct TensorType {
  DType dtype = DType::f32;
  std::optional<std::vector<Dim>> dims;

  TensorType() = default;
  TensorType(DType d) : dtype(d) {}  // NOLINT(google-explicit-constructor)
  TensorType(DType d, std::vector<Dim> s) : dtype(d), dims(std::move(s)) {}
  TensorType(DType d, std::initializer_list<Dim> s) : dtype(d), dims(std::vector<Dim>(s)) {}
  LAZYFX_API TensorType(DType d, const Shape& shape);

  /// True when every dimension has a size.
  LAZYFX_API bool is_static() const noexcept;
  /// Throws Error(invalid_argument) unless is_static().
  LAZYFX_API Shape shape() const;
  /// True when a tensor of this dtype and shape fits (names are not compared).
  LAZYFX_API bool accepts(DType d, const Shape& shape) const noexcept;
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

/// "f32[1, 3, H, ?]"; "f32" when the rank is open. For people: of a name, what would break the line becomes '?', and a long one is cut.
LAZYFX_API std::string to_string(const TensorType& type);

}  // namespace lazyfx
