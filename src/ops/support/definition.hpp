#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/ops/operator.hpp"
#include "lazyfx/ops/registry.hpp"

/// The vocabulary in which operator families are written.
namespace lazyfx::ops {

/// Which opsets of the ONNX default domain a definition is the meaning for.
struct Versions {
  int since = 1;
  int until = 0;  ///< 0: still current
};

/// "x" is one input, "bias?" may be absent, "inputs..." takes the rest, at least one, and "inputs*" any rest; outputs likewise.
Schema schema(std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
              std::vector<AttributeSpec> attributes = {});

/// One attribute; without a default it is absent unless given. Real defaults are rounded to f32 first, as in a model file.
AttributeSpec integer(const char* name);
AttributeSpec integer(const char* name, std::int64_t fallback);
AttributeSpec integers(const char* name);
AttributeSpec real(const char* name);
AttributeSpec real(const char* name, double fallback);
AttributeSpec reals(const char* name);
AttributeSpec text(const char* name);
AttributeSpec text(const char* name, const char* fallback);
AttributeSpec texts(const char* name);
AttributeSpec tensor(const char* name);
AttributeSpec dtype(const char* name);
AttributeSpec required(AttributeSpec spec);
/// A graph, which is always required.
AttributeSpec graph(const char* name);

/// A pure operator "onnx::" + type. `type` carries the suffix "@since" when a newer meaning has the plain name. The reference kernel
/// runs only on what the type rule accepts.
Operator onnx(const std::string& type, Versions versions, Schema schema, TypeRule type_rule, ReferenceKernel reference,
              Lowering lowering = {});

/// The same for an operator that works on values, not tensors; nothing is known of its results before a run.
Operator onnx_on_values(const std::string& type, Versions versions, Schema schema, ValueKernel kernel);

/// Error(invalid_graph): the inputs cannot be right.
[[noreturn]] void fail(const std::string& message);
/// Error(unsupported): well formed, but not offered.
[[noreturn]] void unsupported(const std::string& message);

}  // namespace lazyfx::ops
