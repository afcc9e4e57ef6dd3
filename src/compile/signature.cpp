#include "compile/signature.hpp"

#include <algorithm>
#include <map>

#include "compile/program.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/tensor/type.hpp"
#include "tensor/utf8.hpp"

namespace lazyfx::compile {
namespace {

Signature::Input describe(const Value& value) {
  using Kind = Signature::Input::Kind;
  if (value.is_tensor()) {
    const Tensor& t = value.as_tensor();
    if (!t.defined()) return {DType::f32, Shape{}, Kind::other};
    if (t.dtype() == DType::string) return {DType::f32, Shape{}, Kind::strings};
    return {t.dtype(), t.shape()};
  }
  if (value.is_bool()) return {DType::boolean, Shape{}};
  if (value.is_int()) return {DType::i64, Shape{}};
  if (value.is_double()) return {DType::f32, Shape{}};
  return {DType::f32, Shape{}, value.is_none() ? Kind::none : Kind::other};
}

/// Apart, so that its room on the stack is not taken for a tensor.
[[gnu::noinline]] bool fits(const Value& value, const Signature::Input& want) noexcept { return describe(value) == want; }

/// What is wrong with an input that is no tensor of elements, or empty.
std::string refusal_of(const Signature::Input& have, NodeView placeholder) {
  using Kind = Signature::Input::Kind;
  const bool may_be_none = !placeholder.args().empty() && placeholder.args()[0].is_none();
  if (have.kind == Kind::strings) return placeholder.type()->dtype == DType::string ? "" : "a tensor of strings";
  return have.kind == Kind::none && may_be_none ? "" : "no tensor";
}

}  // namespace

Signature::Signature(const std::vector<Input>& inputs) : count_(inputs.size()) {
  auto copy = std::make_unique<Input[]>(count_);
  std::ranges::copy(inputs, copy.get());
  inputs_ = std::move(copy);
}

Signature::Signature(std::span<const Value> values) : count_(values.size()) {
  auto inputs = std::make_unique<Input[]>(count_);
  for (std::size_t i = 0; i < count_; ++i) { inputs[i] = describe(values[i]); }
  inputs_ = std::move(inputs);
}

bool Signature::has_opaque() const noexcept { return std::ranges::any_of(inputs(), &Input::opaque); }

bool Signature::matches(std::span<const Value> values) const noexcept {
  if (values.size() != count_) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Input& want = inputs_[i];
    if (values[i].is_tensor() && !want.opaque()) {
      const Tensor& t = values[i].as_tensor();
      if (!t.defined() || t.dtype() != want.dtype || !(t.shape() == want.shape)) return false;
    } else if (!fits(values[i], want)) {
      return false;
    }
  }
  return true;
}

std::string to_string(const Signature& signature) {
  std::string text = "(";
  for (const auto& input : signature.inputs()) {
    if (text.size() > 1) text += ", ";
    text += input.opaque() ? "value" : std::string(to_string(input.dtype)) + "[" + to_string(input.shape) + "]";
  }
  return text + ")";
}

std::vector<Value> complete_inputs(const Interface& interface, std::span<const Value> given) {
  const auto& wanted = interface.inputs;
  if (given.size() > wanted.size()) {
    throw Error(ErrorKind::invalid_argument,
                "the graph takes " + std::to_string(wanted.size()) + " inputs, but " + std::to_string(given.size()) + " were passed");
  }
  std::vector<Value> values(given.begin(), given.end());
  for (std::size_t i = values.size(); i < wanted.size(); ++i) {
    const auto placeholder = interface.placeholder(i);
    const std::string name = placeholder ? placeholder->target() : interface.node_name(wanted[i]);
    if (!placeholder || placeholder->args().empty()) {
      throw Error(ErrorKind::invalid_argument, "Expected positional argument for parameter " + name + ", but one was not passed in");
    }
    const Argument& fallback = placeholder->args()[0];
    if (fallback.is_none())
      values.emplace_back();
    else if (fallback.is_bool())
      values.emplace_back(fallback.as_bool());
    else if (fallback.is_int())
      values.emplace_back(fallback.as_int());
    else if (fallback.is_double())
      values.emplace_back(fallback.as_double());
    else if (fallback.is_string())
      values.emplace_back(fallback.as_string());
    else if (fallback.is_tensor())
      values.emplace_back(fallback.as_tensor());
    else
      throw Error(ErrorKind::invalid_argument, "the default of parameter " + name + " is a " + fallback.kind());
  }
  return values;
}

bool fixed_signature(const Interface& interface, Signature& out) {
  std::vector<Signature::Input> inputs;
  for (std::size_t i = 0; i < interface.inputs.size(); ++i) {
    const auto placeholder = interface.placeholder(i);
    if (!placeholder || !placeholder->type()) return false;
    const TensorType& type = *placeholder->type();
    if (!type.is_static() || type.dtype == DType::string) return false;
    inputs.push_back({type.dtype, type.shape()});
  }
  out = Signature(inputs);
  return true;
}

void check_signature(const Interface& interface, const Signature& signature) {
  std::map<std::string, std::int64_t, std::less<>> named;
  for (std::size_t i = 0; i < interface.inputs.size(); ++i) {
    const auto placeholder = interface.placeholder(i);
    const auto& have = signature.inputs()[i];
    if (!placeholder || !placeholder->type()) continue;
    const TensorType& want = *placeholder->type();
    if (have.opaque()) {
      const std::string what = refusal_of(have, *placeholder);
      if (what.empty()) continue;
      throw Error(ErrorKind::invalid_argument,
                  "input " + placeholder->target() + " is " + what + ", but the graph takes " + to_string(want));
    }
    if (!want.accepts(have.dtype, have.shape)) {
      throw Error(ErrorKind::invalid_argument, "input " + placeholder->target() + " is " + to_string(TensorType(have.dtype, have.shape)) +
                                                   ", but the graph takes " + to_string(want));
    }
    if (!want.dims) continue;
    for (std::size_t axis = 0; axis < want.dims->size(); ++axis) {
      const Dim& dim = (*want.dims)[axis];
      if (dim.known() || dim.name.empty()) continue;
      const auto [at, fresh] = named.emplace(dim.name, have.shape[axis]);
      if (!fresh && at->second != have.shape[axis]) {
        throw Error(ErrorKind::invalid_argument, "dimension " + shown(dim.name) + " is " + std::to_string(at->second) + " and also " +
                                                     std::to_string(have.shape[axis]) + " (input " + placeholder->target() + ", axis " +
                                                     std::to_string(axis) + ")");
      }
    }
  }
}

}  // namespace lazyfx::compile
