#include "lazyfx/ops/operator.hpp"

#include <algorithm>
#include <exception>
#include <type_traits>

#include "lazyfx/error.hpp"
#include "what.hpp"

namespace lazyfx {
namespace {

std::string counted(std::size_t count, const char* noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

/// How many of `parameters` must and may be there.
struct Bounds {
  std::size_t least = 0;
  std::size_t most = 0;
};

bool is_needed(const Parameter& p) { return p.arity == Parameter::Arity::single || p.arity == Parameter::Arity::variadic; }

Bounds bounds_of(const std::vector<Parameter>& parameters) {
  Bounds bounds;
  for (const Parameter& p : parameters) {
    bounds.most = p.is_many() ? static_cast<std::size_t>(-1) : bounds.most + 1;
    if (is_needed(p)) bounds.least += 1;
  }
  return bounds;
}

bool is_there(const Tensor& t) { return t.defined(); }
bool is_there(const Value& v) { return !v.is_none(); }

template <class T>
void check_counts(const Operator& op, std::span<const T> inputs, std::size_t output_count) {
  const Bounds in = bounds_of(op.schema.inputs);
  if (inputs.size() > in.most) {
    throw Error(ErrorKind::invalid_graph, "takes at most " + counted(in.most, "input") + " but got " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < op.schema.inputs.size(); ++i) {
    // A value kernel may be given an empty optional, which is none.
    const bool absent = i >= inputs.size() || (std::is_same_v<T, Tensor> && !is_there(inputs[i]));
    if (is_needed(op.schema.inputs[i]) && absent) {
      throw Error(ErrorKind::invalid_graph, "input " + std::to_string(i) + " (" + op.schema.inputs[i].name + ") is missing");
    }
  }
  const Bounds out = bounds_of(op.schema.outputs);
  if (output_count > out.most) {
    throw Error(ErrorKind::invalid_graph,
                "makes at most " + counted(out.most, "output") + " but " + std::to_string(output_count) + " are wanted");
  }
}

/// Calls `kernel` for the outputs, adding the operator's name to what it throws.
template <class F>
auto run_named(const Operator& op, std::size_t output_count, F kernel) {
  try {
    auto outputs = kernel();
    if (outputs.size() != output_count) {
      throw Error(ErrorKind::user_code,
                  "its kernel returned " + counted(outputs.size(), "value") + " where " + std::to_string(output_count) + " are wanted");
    }
    return outputs;
  } catch (const Error& error) { throw Error(error.kind(), op.name + ": " + what_of(error)); } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::resource, op.name + ": memory is exhausted");
  } catch (const std::exception& error) { throw Error(ErrorKind::user_code, op.name + ": " + what_of(error)); } catch (...) {
    throw Error(ErrorKind::user_code, op.name + ": its kernel threw something that is not a std::exception");
  }
}

}  // namespace

std::vector<Tensor> run_reference(const Operator& op, std::span<const Tensor> inputs, const Attributes& attributes,
                                  std::size_t output_count) {
  return run_named(op, output_count, [&] {
    check_counts(op, inputs, output_count);
    if (!op.reference) throw Error(ErrorKind::unsupported, "it has no kernel on tensors alone");
    return op.reference(inputs, attributes, output_count);
  });
}

std::vector<Value> run_on_values(const Operator& op, const ValueContext& context) {
  return run_named(op, context.output_count, [&] {
    check_counts(op, context.inputs, context.output_count);
    return op.on_values(context);
  });
}

bool takes_values(const Operator& op, std::span<const Value> inputs) noexcept {
  if (!op.on_values) return false;
  return !op.reference || std::any_of(inputs.begin(), inputs.end(), [](const Value& v) { return !v.is_tensor(); });
}

}  // namespace lazyfx
