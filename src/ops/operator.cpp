#include "lazyfx/ops/operator.hpp"

#include <exception>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

std::string counted(std::size_t count, const char* noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

/// How many of `parameters` must and may be there.
struct Bounds {
  std::size_t least = 0;
  std::size_t most = 0;
};

Bounds bounds_of(const std::vector<Parameter>& parameters) {
  Bounds bounds;
  for (const Parameter& p : parameters) {
    bounds.most = p.arity == Parameter::Arity::variadic ? static_cast<std::size_t>(-1) : bounds.most + 1;
    if (p.arity != Parameter::Arity::optional) bounds.least += 1;
  }
  return bounds;
}

void check_counts(const Operator& op, std::span<const Tensor> inputs, std::size_t output_count) {
  const Bounds in = bounds_of(op.schema.inputs);
  if (inputs.size() > in.most) {
    throw Error(ErrorKind::invalid_graph, "takes at most " + counted(in.most, "input") + " but got " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < op.schema.inputs.size(); ++i) {
    if (op.schema.inputs[i].arity != Parameter::Arity::optional && (i >= inputs.size() || !inputs[i].defined())) {
      throw Error(ErrorKind::invalid_graph, "input " + std::to_string(i) + " (" + op.schema.inputs[i].name + ") is missing");
    }
  }
  const Bounds out = bounds_of(op.schema.outputs);
  if (output_count > out.most) {
    throw Error(ErrorKind::invalid_graph, "makes at most " + counted(out.most, "output") + " but " + std::to_string(output_count) + " are wanted");
  }
}

}  // namespace

std::vector<Tensor> run_reference(const Operator& op, std::span<const Tensor> inputs, const Attributes& attributes, std::size_t output_count) {
  try {
    check_counts(op, inputs, output_count);
    std::vector<Tensor> outputs = op.reference(inputs, attributes, output_count);
    if (outputs.size() != output_count) {
      throw Error(ErrorKind::user_code, "its kernel returned " + counted(outputs.size(), "tensor") + " where " +
                                            std::to_string(output_count) + " are wanted");
    }
    return outputs;
  } catch (const Error& error) {
    throw Error(error.kind(), op.name + ": " + error.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::resource, op.name + ": memory is exhausted");
  } catch (const std::exception& error) {
    throw Error(ErrorKind::user_code, op.name + ": " + error.what());
  } catch (...) {
    throw Error(ErrorKind::user_code, op.name + ": its kernel threw something that is not a std::exception");
  }
}

}  // namespace lazyfx
