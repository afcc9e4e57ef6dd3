// Stability: stable.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx {

/// What flows along an edge of a graph: nothing, a scalar, a string, a tensor, or a list, tuple or dict of values.
/// Immutable and cheap to copy (aggregates are shared), so it may be read from any thread and passed between threads.
class LAZYFX_API Value {
 public:
  using Items = std::vector<Value>;
  using Entries = std::vector<std::pair<std::string, Value>>;  // in insertion order, keys unique

  Value() noexcept = default;  ///< none
  template <std::same_as<bool> Bool>                  // a template, so that no pointer turns into true
  Value(Bool v) noexcept : v_(v) {}                   // NOLINT(google-explicit-constructor): values are written as literals
  Value(std::int64_t v) noexcept : v_(v) {}           // NOLINT(google-explicit-constructor)
  Value(int v) noexcept : v_(std::int64_t{v}) {}      // NOLINT(google-explicit-constructor)
  Value(double v) noexcept : v_(v) {}                 // NOLINT(google-explicit-constructor)
  Value(std::string v) : v_(std::move(v)) {}          // NOLINT(google-explicit-constructor)
  Value(const char* v) : v_(std::string(v)) {}        // NOLINT(google-explicit-constructor)
  Value(Tensor v) noexcept : v_(std::move(v)) {}      // NOLINT(google-explicit-constructor)
  /// Aggregates throw Error(invalid_argument) when nested deeper than max_depth, a dict also on a repeated key.
  static Value list(Items items);
  static Value tuple(Items items);
  static Value dict(Entries entries);
  static constexpr std::uint32_t max_depth = 1000;

  bool is_none() const noexcept { return v_.index() == 0; }
  bool is_bool() const noexcept { return std::holds_alternative<bool>(v_); }
  bool is_int() const noexcept { return std::holds_alternative<std::int64_t>(v_); }
  bool is_double() const noexcept { return std::holds_alternative<double>(v_); }
  bool is_string() const noexcept { return std::holds_alternative<std::string>(v_); }
  bool is_tensor() const noexcept { return std::holds_alternative<Tensor>(v_); }
  bool is_list() const noexcept { return std::holds_alternative<List>(v_); }
  bool is_tuple() const noexcept { return std::holds_alternative<Tuple>(v_); }
  bool is_dict() const noexcept { return std::holds_alternative<Dict>(v_); }

  /// Each throws Error(invalid_argument) naming both kinds when the value is of another kind.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const Tensor& as_tensor() const;
  /// Items of a list or a tuple.
  const Items& items() const;
  const Entries& entries() const;
  /// Item `i` of a list or tuple, entry `key` of a dict; throws when absent.
  const Value& operator[](std::size_t i) const;
  const Value& operator[](const std::string& key) const;

  /// "none", "bool", "int", "double", "string", "tensor", "list", "tuple" or "dict".
  const char* kind() const noexcept;

  /// 0 for what is not an aggregate, 1 for an empty or flat one, and so on.
  std::uint32_t depth() const noexcept;

  /// Deep, bit for bit (tensors as lazyfx::equal). 1, 1.0 and true differ, as do a list and a tuple; entries of a dict are
  /// compared in their order.
  friend LAZYFX_API bool operator==(const Value& a, const Value& b);

 private:
  // One alternative per kind: the wrapper types keep list and tuple apart.
  struct List {
    std::shared_ptr<const Items> items;
    std::uint32_t depth;
  };
  struct Tuple {
    std::shared_ptr<const Items> items;
    std::uint32_t depth;
  };
  struct Dict {
    std::shared_ptr<const Entries> entries;
    std::uint32_t depth;
  };
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Tensor, List, Tuple, Dict> v_;
};

/// none, true, 1, 1.0, "text", f32[2] {1, 2}, [a, b], (a,), {"key": a}: for people, not for reading back.
LAZYFX_API std::string to_string(const Value& value);

}  // namespace lazyfx
