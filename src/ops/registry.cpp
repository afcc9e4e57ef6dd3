#include "lazyfx/ops/registry.hpp"

#include <algorithm>
#include <utility>

#include "lazyfx/error.hpp"
#include "ops/shipped.hpp"

namespace lazyfx {

OperatorRegistry OperatorRegistry::standard() {
  OperatorRegistry registry;
  registry.ships_ = true;
  return registry;
}

void OperatorRegistry::add(Operator op) {
  if (op.name.empty()) throw Error(ErrorKind::invalid_argument, "an operator needs a name");
  if (find(op.name)) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " is registered already");
  if (!op.type_rule) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " has no type rule");
  if (!op.reference && !op.on_values) throw Error(ErrorKind::invalid_argument, "operator " + op.name + " has no reference kernel");
  std::string name = op.name;
  by_name_.emplace(std::move(name), std::make_shared<const Operator>(std::move(op)));
}

void OperatorRegistry::add_method(std::string method, std::string target) {
  if (method.empty()) throw Error(ErrorKind::invalid_argument, "a method needs a name");
  if (!find(target)) {
    throw Error(ErrorKind::invalid_argument, "method " + method + " would mean operator " + target + ", which is not registered");
  }
  if (find_method(method)) throw Error(ErrorKind::invalid_argument, "method " + method + " is registered already");
  methods_.emplace(std::move(method), std::move(target));
}

OperatorPtr OperatorRegistry::find(std::string_view name) const {
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  return ships_ ? ops::find_shipped(name) : nullptr;
}

OperatorPtr OperatorRegistry::find_method(std::string_view method) const {
  if (const auto found = methods_.find(method); found != methods_.end()) return find(found->second);
  const std::string_view target = ships_ ? ops::target_of_method(method) : std::string_view();
  return target.empty() ? nullptr : find(target);
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
  if (!ships_) return nullptr;
  const auto shipped = ops::older_versions(name);
  const auto found = std::ranges::find_if(shipped, [&](const OperatorPtr& op) { return covers(*op); });
  return found == shipped.end() ? nullptr : *found;
}

std::vector<OperatorPtr> OperatorRegistry::all() const {
  std::vector<OperatorPtr> result = ships_ ? ops::all_shipped() : std::vector<OperatorPtr>();
  for (const auto& [name, op] : by_name_) result.push_back(op);
  std::ranges::sort(result, {}, [](const OperatorPtr& op) -> const std::string& { return op->name; });
  return result;
}

}  // namespace lazyfx
