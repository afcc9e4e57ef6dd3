#pragma once

#include <string_view>
#include <vector>

#include "lazyfx/ops/operator.hpp"

namespace lazyfx::ops {

// The operators that ship. They are made family by family, each when something is asked for that those made before it lack: a process that
// runs one model needs few of them, and making all takes longer than a small model's compile. From any thread; throws std::bad_alloc.

/// By exact name; nullptr if none ships under it.
OperatorPtr find_shipped(std::string_view name);
/// The older definitions of `name` ("onnx::Clip"): those whose names go on with '@'.
std::vector<OperatorPtr> older_versions(std::string_view name);
/// All, sorted by name.
std::vector<OperatorPtr> all_shipped();
/// The operator that call_method `method` means; empty if none.
std::string_view target_of_method(std::string_view method);

}  // namespace lazyfx::ops
