#include "lazyfx/ops/registry.hpp"

#include <utility>

#include "lazyfx/error.hpp"
#include "ops/families.hpp"

namespace lazyfx {

OperatorRegistry OperatorRegistry::standard() {
  // Definitions are immutable and shared, so one construction serves every copy handed out.
  static const OperatorRegistry shipped = [] {
    OperatorRegistry registry;
    ops::add_elementwise(registry);
    ops::add_comparison(registry);
    ops::add_activation(registry);
    ops::add_reduce(registry);
    ops::add_arg_reduce(registry);
    ops::add_matmul(registry);
    ops::add_convolution(registry);
    ops::add_pooling(registry);
    ops::add_normalization(registry);
    ops::add_softmax(registry);
    ops::add_shape(registry);
    ops::add_layout(registry);
    ops::add_slice(registry);
    ops::add_concat(registry);
    ops::add_pad(registry);
    ops::add_gather(registry);
    ops::add_resize(registry);
    ops::add_cast(registry);
    ops::add_constant(registry);
    ops::add_ordering(registry);
    ops::add_scatter(registry);
    ops::add_selection(registry);
    ops::add_detection(registry);
    ops::add_signal(registry);
    ops::add_einsum(registry);
    ops::add_sampling(registry);
    ops::add_random(registry);
    ops::add_strings(registry);
    ops::add_sequence(registry);
    ops::add_control_flow(registry);
    ops::add_losses(registry);
    ops::add_norms(registry);
    ops::add_quantize(registry);
    ops::add_recurrent(registry);
    ops::add_getitem(registry);
    ops::add_methods(registry);
    return registry;
  }();
  return shipped;
}

void OperatorRegistry::add(Operator op) {
  if (op.name.empty()) throw Error(ErrorKind::invalid_argument, "an operator needs a name");
  if (by_name_.contains(op.name)) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " is registered already");
  if (!op.type_rule) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " has no type rule");
  if (!op.reference && !op.on_values) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " has no reference kernel");
  std::string name = op.name;
  by_name_.emplace(std::move(name), std::make_shared<const Operator>(std::move(op)));
}

void OperatorRegistry::add_method(std::string method, std::string target) {
  if (method.empty()) throw Error(ErrorKind::invalid_argument, "a method needs a name");
  if (!by_name_.contains(target)) {
    throw Error(ErrorKind::invalid_argument, "method " + method + " would mean operator " + target + ", which is not registered");
  }
  const auto [entry, added] = methods_.emplace(std::move(method), std::move(target));
  if (!added) throw Error(ErrorKind::invalid_argument, "method " + entry->first + " is registered already");
}

OperatorPtr OperatorRegistry::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

OperatorPtr OperatorRegistry::find_method(std::string_view method) const {
  const auto found = methods_.find(method);
  return found == methods_.end() ? nullptr : find(found->second);
}

OperatorPtr OperatorRegistry::find_version(std::string_view domain, std::string_view type, int version) const {
  const std::string name = (domain.empty() || domain == "ai.onnx" ? std::string("onnx") : std::string(domain)) + "::" + std::string(type);
  const auto covers = [version](const Operator& op) {
    return op.since_version <= version && (op.until_version == 0 || version <= op.until_version);
  };
  if (const OperatorPtr newest = find(name); newest && covers(*newest)) return newest;
  const std::string older = name + "@";
  for (auto i = by_name_.lower_bound(older); i != by_name_.end() && i->first.starts_with(older); ++i) {
    if (covers(*i->second)) return i->second;
  }
  return nullptr;
}

std::vector<OperatorPtr> OperatorRegistry::all() const {
  std::vector<OperatorPtr> result;
  result.reserve(by_name_.size());
  for (const auto& [name, op] : by_name_) result.push_back(op);
  return result;
}

}  // namespace lazyfx
