// Stability: stable.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/export.hpp"
#include "lazyfx/ops/operator.hpp"

namespace lazyfx {

/// The operators that a Runtime, importer or interpreter knows: a value, copied freely (copies share definitions). There is no global
/// registry. Not synchronised while being filled; read from any thread afterwards, which takes no lock once what ships has been found before.
class LAZYFX_API OperatorRegistry {
 public:
  /// Empty: knows nothing.
  OperatorRegistry() = default;
  /// All operators that ship, including `getitem` and the methods that name them. Costs nothing: each is made when it is first asked for.
  static OperatorRegistry standard();

  /// Adds a definition; throws Error(invalid_argument) if the name is taken, empty, or the definition lacks a type rule or a kernel.
  void add(Operator op);
  /// Makes call_method `method` mean the operator `target`, the receiver being its first input.
  void add_method(std::string method, std::string target);

  /// By exact name, "onnx::Conv"; nullptr if unknown.
  OperatorPtr find(std::string_view name) const;
  /// What call_method `method` means; nullptr if unknown.
  OperatorPtr find_method(std::string_view method) const;
  /// The definition of ONNX operator `type` in `domain` ("" is onnx) that opset `version` means; nullptr if unknown.
  OperatorPtr find_version(std::string_view domain, std::string_view type, int version) const;
  /// All, sorted by name.
  std::vector<OperatorPtr> all() const;

 private:
  bool ships_ = false;  ///< knows what ships, besides the maps' own
  std::map<std::string, OperatorPtr, std::less<>> by_name_;
  std::map<std::string, std::string, std::less<>> methods_;
};

}  // namespace lazyfx
