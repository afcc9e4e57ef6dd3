#include "compile/plan.hpp"

#include "compile/typed_graph.hpp"

namespace lazyfx::compile {

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop) {
  check_signature(*program->interface, signature);
  try {
    return make_static_plan(program, signature, stop);
  } catch (const DependsOnValues&) { return make_divided_plan(std::move(program), signature, stop); }
}

Value build_result(const Argument& result, const std::function<Value(NodeId)>& leaf) {
  if (result.is_node()) return leaf(result.as_node());
  if (result.is_none()) return {};
  if (result.is_bool()) return result.as_bool();
  if (result.is_int()) return result.as_int();
  if (result.is_double()) return result.as_double();
  if (result.is_string()) return result.as_string();
  if (result.is_tensor()) return result.as_tensor();
  if (result.is_dtype()) return std::string(to_string(result.as_dtype()));
  if (result.is_list() || result.is_tuple()) {
    Value::Items items;
    items.reserve(result.items().size());
    for (const Argument& a : result.items()) items.push_back(build_result(a, leaf));
    return result.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }
  if (result.is_dict()) {
    Value::Entries entries;
    for (const auto& [key, a] : result.entries()) entries.emplace_back(key, build_result(a, leaf));
    return Value::dict(std::move(entries));
  }
  const Argument::Slice& slice = result.as_slice();
  return Value::dict(
      {{"start", build_result(slice.start, leaf)}, {"stop", build_result(slice.stop, leaf)}, {"step", build_result(slice.step, leaf)}});
}

}  // namespace lazyfx::compile
