#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "lazyfx/ops/operator.hpp"
#include "ops/support/definition.hpp"

namespace lazyfx::ops {

/// What type rules are written with. Every function throws Error(invalid_graph) in a sentence that names the input.

using Dims = std::vector<Dim>;

/// A set of dtypes, for what an operator takes.
class DTypeSet {
 public:
  constexpr DTypeSet(std::initializer_list<DType> members) {
    for (const DType d : members) bits_ |= bit(d);
  }
  constexpr bool contains(DType d) const { return (bits_ & bit(d)) != 0; }
  constexpr std::uint32_t bits() const { return bits_; }
  friend constexpr DTypeSet operator|(DTypeSet a, DTypeSet b) { return DTypeSet(a.bits_ | b.bits_); }

 private:
  constexpr explicit DTypeSet(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(DType d) { return std::uint32_t{1} << static_cast<unsigned>(d); }
  std::uint32_t bits_ = 0;
};

inline constexpr DTypeSet floats{DType::f16, DType::bf16, DType::f32, DType::f64};
inline constexpr DTypeSet signed_integers{DType::i8, DType::i16, DType::i32, DType::i64};
inline constexpr DTypeSet unsigned_integers{DType::u8, DType::u16, DType::u32, DType::u64};
inline constexpr DTypeSet integers_of_any_sign = signed_integers | unsigned_integers;
inline constexpr DTypeSet numbers = floats | integers_of_any_sign;
inline constexpr DTypeSet fixed_size = numbers | DTypeSet{DType::boolean};
inline constexpr DTypeSet any_dtype = fixed_size | DTypeSet{DType::string};
inline constexpr DTypeSet index_dtypes{DType::i32, DType::i64};

bool has_input(const TypeContext& c, std::size_t i);
/// The type of input `i`; fails when it is absent.
const TensorType& input(const TypeContext& c, std::size_t i);
/// As above, and fails unless its dtype is one of `allowed`.
const TensorType& input(const TypeContext& c, std::size_t i, DTypeSet allowed, const char* name);
/// Fails unless inputs `i` and `j` (both present) have the same dtype.
void require_same_dtype(const TypeContext& c, std::size_t i, std::size_t j);
/// The tensor of input `i`, if it is known before the call; undefined otherwise.
Tensor constant(const TypeContext& c, std::size_t i);
/// Its elements as integers (any integer dtype), if known. Fails when the tensor has more than one axis.
std::optional<std::vector<std::int64_t>> constant_ints(const TypeContext& c, std::size_t i);

/// Maps an axis attribute to [0, rank); fails outside.
std::size_t axis_in(std::int64_t axis, std::size_t rank);
/// Normalises and sorts axes; fails on one outside or repeated.
std::vector<std::size_t> axes_in(const std::vector<std::int64_t>& axes, std::size_t rank);

/// a * b, a + b of sizes; unknown if either is. Fails on overflow.
Dim multiply(const Dim& a, const Dim& b);
Dim add(const Dim& a, const Dim& b);
std::int64_t multiply(std::int64_t a, std::int64_t b);
std::int64_t add(std::int64_t a, std::int64_t b);
/// Product of dims[first, last).
Dim product(const Dims& dims, std::size_t first, std::size_t last);
/// What is known when both describe the same dimension; `what` begins the sentence if they contradict.
Dim merge(const Dim& a, const Dim& b, const std::string& what);
/// NumPy broadcasting of what is known. Nothing if either rank is open.
std::optional<Dims> broadcast_dims(const std::optional<Dims>& a, const std::optional<Dims>& b);
/// Every present input broadcast together.
std::optional<Dims> broadcast_inputs(const TypeContext& c);
/// `count` dimensions of which nothing is known.
Dims unknown_dims(std::size_t count);
/// A type of `dtype` with `dims`, rank open if they are absent.
TensorType typed(DType dtype, std::optional<Dims> dims);
std::string describe(const Dims& dims);

/// Rule: one output like input 0, which must be of `allowed`.
TypeRule same_as_input(DTypeSet allowed);
/// Rule: inputs of one dtype of `allowed`, broadcast; the output has that dtype, or `result`.
TypeRule broadcasting(DTypeSet allowed, std::optional<DType> result = {});

}  // namespace lazyfx::ops
