// Stability: stable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/graph/argument.hpp"

namespace lazyfx {

/// The attribute values of one application of an operator: its keyword arguments, completed with the schema's defaults.
/// A value; readable from any thread. Getters throw Error(invalid_graph) naming the attribute when it has another kind,
/// and when it is absent unless a fallback is given.
class LAZYFX_API Attributes {
 public:
  Attributes() = default;
  explicit Attributes(Keywords entries) : entries_(std::move(entries)) {}

  const Argument* find(std::string_view name) const noexcept;
  bool has(std::string_view name) const noexcept { return find(name) != nullptr; }
  std::int64_t get_int(std::string_view name) const;
  std::int64_t get_int(std::string_view name, std::int64_t fallback) const;
  double get_float(std::string_view name) const;
  double get_float(std::string_view name, double fallback) const;
  std::string get_string(std::string_view name, std::string_view fallback) const;
  /// Empty when absent.
  std::vector<std::int64_t> get_ints(std::string_view name) const;
  std::vector<double> get_floats(std::string_view name) const;
  std::vector<std::string> get_strings(std::string_view name) const;
  /// Undefined when absent.
  Tensor get_tensor(std::string_view name) const;
  /// A dtype attribute; fallback when absent.
  DType get_dtype(std::string_view name, DType fallback) const;

  const Keywords& entries() const noexcept { return entries_; }
  friend bool operator==(const Attributes&, const Attributes&) = default;

 private:
  Keywords entries_;
};

}  // namespace lazyfx
