#include <algorithm>

#include "lazyfx/error.hpp"
#include "lazyfx/ops/operator.hpp"

namespace lazyfx {
namespace {

/// Something of its kind, for a rule that is asked about dtypes and needs its attributes to be there.
Argument anything(AttributeSpec::Kind kind) {
  switch (kind) {
    case AttributeSpec::Kind::integer: return 1;
    case AttributeSpec::Kind::real: return 1.0;
    case AttributeSpec::Kind::string:
    case AttributeSpec::Kind::graph: return "";
    case AttributeSpec::Kind::integers: return Argument::ints({1});
    case AttributeSpec::Kind::reals: return Argument::list({1.0});
    case AttributeSpec::Kind::strings: return Argument::list({""});
    case AttributeSpec::Kind::tensor: return Tensor::scalar(1.0F);
    case AttributeSpec::Kind::dtype: return DType::f32;
  }
  return {};
}

}  // namespace

std::vector<DType> dtypes_taken(const Operator& op, std::size_t i) {
  Keywords keywords;
  for (const AttributeSpec& spec : op.schema.attributes) {
    if (!spec.default_value.is_none())
      keywords.emplace_back(spec.name, spec.default_value);
    else if (spec.required)
      keywords.emplace_back(spec.name, anything(spec.kind));
  }
  const Attributes attributes(std::move(keywords));
  const std::vector<std::optional<TensorType>> types(op.schema.inputs.size(), TensorType(DType::f32));
  const std::vector<Tensor> constants(types.size());
  DTypesAsked asked;
  try {
    op.type_rule(TypeContext{types, constants, attributes, 1, &asked});
  } catch (const Error&) {
    // What the rule has told so far is what is known of it.
  }
  std::uint32_t bits = 0;
  for (const auto& [input, taken] : asked) {
    if (input == i) bits |= taken;
  }
  std::vector<DType> result;
  for (std::size_t d = 0; d < dtype_count; ++d) {
    if (bits == 0 || (bits >> d & 1) != 0) result.push_back(static_cast<DType>(d));
  }
  return result;
}

}  // namespace lazyfx
