#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lazyfx/tensor/value.hpp"

namespace lazyfx::compile {

struct Interface;

/// What a plan may assume of the inputs of a call: dtype and shape of each tensor (a scalar value is a rank-0 tensor); of an input of any
/// other kind, which is `opaque`, next to nothing. Immutable; copies share.
class Signature {
 public:
  struct Input {
    enum class Kind : std::uint8_t { elements, strings, none, other };
    DType dtype = DType::f32;  ///< of elements, as the shape is
    Shape shape;
    Kind kind = Kind::elements;
    bool opaque() const noexcept { return kind != Kind::elements; }
    friend bool operator==(const Input&, const Input&) = default;
  };

  Signature() = default;
  explicit Signature(const std::vector<Input>& inputs);
  explicit Signature(std::span<const Value> values);

  std::span<const Input> inputs() const noexcept { return {inputs_.get(), count_}; }
  bool has_opaque() const noexcept;
  /// True for a call with these values; the hot path's comparison.
  bool matches(std::span<const Value> values) const noexcept;
  friend bool operator==(const Signature& a, const Signature& b) noexcept { return std::ranges::equal(a.inputs(), b.inputs()); }

 private:
  std::shared_ptr<const Input[]> inputs_;
  std::size_t count_ = 0;
};

/// "(f32[1x64], i64[scalar])"
std::string to_string(const Signature& signature);

/// The inputs of a call completed with the placeholders' defaults. Throws Error(invalid_argument) naming the parameter when one is missing,
/// there are too many, or one does not fit the placeholder's type.
std::vector<Value> complete_inputs(const Interface& interface, std::span<const Value> given);
/// The signature that every call has, if the placeholders' types fix it.
bool fixed_signature(const Interface& interface, Signature& out);
/// Checks a signature against the placeholders' types and named dimensions. Throws Error(invalid_argument).
void check_signature(const Interface& interface, const Signature& signature);

}  // namespace lazyfx::compile
